"""A start for linear decoders of columns of several kinds: factors of the codes' covariance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...data import IncompleteData
from ..distributions.special import inverse_softplus
from .families import COUNT, GRADED, NOMINAL, REAL
from .mixed_decoder import MixedDecoder
from .starts import moments_of

#: the least variance of a code given the other columns, in its own variance
_LEAST_OWN = 0.1
#: the sd of what is added to the weights, without which no gradient would part equal directions
_JITTER = 1e-3
#: the range of a count's dispersion; beyond it, it is a Poisson count as far as a start can tell
_DISPERSION = (0.1, 20.0)


class _Codes(NamedTuple):
    """Columns as numbers, one for each of the decoder's outputs.

    Attributes:
        x: (n, q) the numbers: a level's indicators, a grade, a count.
        s: (n, q) where they were observed.
        real: (q,) which of them are real columns.
        column: (q,) the columns of the table that they code.
    """

    x: Tensor
    s: Tensor
    real: Tensor
    column: Tensor


@torch.no_grad()
def start_mixed(decoder: MixedDecoder, data: IncompleteData) -> bool:
    """Start a linear decoder from what the columns have in common, as if missing at random.

    Levels and grades are coded as numbers v. Their means and covariance S are found by EM
    (:func:`moments_of`). The covariance U that a column's codes have given all others is taken for
    its own part, and the first eigenvectors of S less these parts for the weights W (principal
    factors; Harman, Modern Factor Analysis, 1976). Normal codes v of location m + W z and
    covariance U, at a column's values only, have p(v | z) proportional to
    exp(v^T U^-1 W z + c_v): this is the decoder's own form, so that U^-1 W are its weights. The c_v
    are those of the shares of what was observed.

    Args:
        decoder: the decoder, without hidden layers; changed in place.
        data: the table.

    Returns:
        Whether the decoder was changed; it is not where there are so many columns that EM would
        take long.
    """
    codes = _coded(decoder, data)
    seen = codes.s.double()
    count = seen.sum(0).clamp_min(1)
    mean = (codes.x * seen).sum(0) / count
    sd = (((codes.x - mean) * seen).square().sum(0) / count).sqrt()
    varies = sd > 1e-6
    if int(varies.sum()) < 2:
        return False
    seen, mean, sd, real = seen[:, varies], mean[varies], sd[varies], codes.real[varies]
    standard = (codes.x[:, varies] - mean) / sd * seen
    size = min(decoder.latent_dim, len(mean) - 1)
    found = moments_of(standard, codes.s[:, varies], size, least_noise=1e-2)
    if found is None:
        return False
    own = codes.column[varies]
    unique = _own_parts(found.covariance, own)
    if decoder.scale is not None and decoder.scale.kind != "column" and bool(real.any()):
        # a noise that real columns share is at most the least of theirs
        least = unique.diagonal()[real].min()
        unique[real, real] = least
    value, vector = torch.linalg.eigh(found.covariance - unique)
    weight = (vector * value.clamp_min(0.0).sqrt()).flip(-1)[:, : decoder.latent_dim]
    natural = torch.linalg.solve(unique, weight) / sd.unsqueeze(-1)
    natural[real] = (weight * sd.unsqueeze(-1))[real]
    weights = _JITTER * torch.randn(decoder.mean.weight.shape, dtype=torch.float64)
    weights[varies, : weight.shape[1]] += natural
    decoder.mean.weight.copy_(weights)
    decoder.mean.bias.zero_()
    place = torch.where(real, mean + sd * found.mean, 0.0)
    decoder.mean.bias[varies] = place.to(decoder.mean.bias)
    variance = unique.diagonal() * sd.square()
    _start_shares(decoder, data, dict(zip(own.tolist(), variance.tolist(), strict=True)))
    if decoder.scale is not None and decoder.scale.kind != "entry" and bool(real.any()):
        noise = variance[real].sqrt()
        each = decoder.scale.kind == "column" and len(noise) == len(decoder.real_columns)
        decoder.scale.start_at(noise if each else float(noise.mean()))
    return True


def _own_parts(covariance: Tensor, column: Tensor) -> Tensor:
    """Return the covariance (q, q) that the codes of each column have given all other columns.

    Args:
        covariance: (q, q) of standardised codes.
        column: (q,) the column of each code; those of one column stand together.
    """
    precision = torch.linalg.inv(covariance)
    own = torch.zeros_like(covariance)
    for j in column.unique().tolist():
        here = (column == j).nonzero().flatten()
        block = here.unsqueeze(-1), here
        value, vector = torch.linalg.eigh(precision[block])
        own[block] = (vector / value.clamp(max=1 / _LEAST_OWN)) @ vector.T
    return own


def _coded(decoder: MixedDecoder, data: IncompleteData) -> _Codes:
    """Return the columns as numbers, in the order of the decoder's outputs."""
    x, s = data.x.cpu().double(), data.s.cpu()
    pieces, masks, columns = [], [], []
    for family in (REAL, NOMINAL, GRADED, COUNT):
        for j in decoder.get_buffer(f"{family}_columns").tolist():
            own = torch.where(s[:, j], x[:, j], 0.0).unsqueeze(-1)
            if family == NOMINAL:
                levels = decoder.get_buffer("nominal_beyond").shape[-1]
                own = one_hot(own.squeeze(-1).long(), levels)[:, 1:].double()
            pieces.append(own)
            masks.append(s[:, j : j + 1].expand_as(own))
            columns += [j] * own.shape[-1]
    together = torch.cat(pieces, -1)
    real = torch.arange(together.shape[-1]) < len(decoder.real_columns)
    return _Codes(together, torch.cat(masks, -1), real, torch.tensor(columns))


def _start_shares(decoder: MixedDecoder, data: IncompleteData, variance: dict[int, float]) -> None:
    """Start what a column of levels, grades or counts has at z = 0 from what was observed.

    The dispersion r of a count of mean m comes from its own variance u = m + m^2 / r.
    """
    levels = decoder.get_buffer("nominal_beyond").shape[-1] - 1
    first = len(decoder.real_columns)
    for k, j in enumerate(decoder.nominal_columns.tolist()):
        share = _shares(data, j, levels + 1)
        here = first + k * levels
        decoder.mean.bias[here : here + levels] = (share[1:] / share[0]).log().to(decoder.mean.bias)
    for k, j in enumerate(decoder.graded_columns.tolist()):
        share = _shares(data, j, decoder.grades.shape[-1])
        decoder.grades[k] = share.log().to(decoder.grades)
    first = len(decoder.mean.bias) - len(decoder.count_columns)
    for k, j in enumerate(decoder.count_columns.tolist()):
        mean = data.x[data.s[:, j], j].double().mean().nan_to_num(0.0).clamp_min(0.1)
        more = variance.get(j, 0.0) - mean
        r = (mean.square() / more.clamp_min(1e-3)).clamp(*_DISPERSION)
        decoder.dispersion[k] = inverse_softplus(r).to(decoder.dispersion)
        decoder.mean.bias[first + k] = (mean / (mean + r)).log().to(decoder.mean.bias)


def _shares(data: IncompleteData, column: int, values: int) -> Tensor:
    """Return the shares (values,) of a column's observed values, none of them zero."""
    seen = data.x[data.s[:, column], column].cpu().long()
    count = torch.bincount(seen, minlength=values)[:values].double() + 0.5
    return count / count.sum()
