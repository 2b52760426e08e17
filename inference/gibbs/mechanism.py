"""A column's form, coefficients and mean, proposed with its values and utilities integrated out."""

from __future__ import annotations

import torch
from torch import Tensor

from .collapsed import Column, scores
from .proposal import Proposal
from .state import State
from .truncated_normal import of_known_sign


def collapsed(state: State, place: int) -> Column:
    """Return what the mechanism of a column is to explain, given the other columns.

    Args:
        state: the chains.
        place: the column's place in ``columns``.
    """
    decoder, mixture, forms = state.decoder, state.mixture, state.forms
    j = int(state.columns[place])
    information, shift = state.of_row(place)
    _, inverse, at, pull = mixture.posterior(information, state.pattern, mixture.component)
    spread = inverse.mT @ inverse
    mean = (spread[at] @ (shift + pull).unsqueeze(-1)).squeeze(-1)
    owner = at.new_zeros(len(spread))
    owner[at] = torch.arange(len(at), device=at.device).unsqueeze(1).expand_as(at)
    weight = state.weight()[:, j]
    of_weight = (spread @ weight[owner].unsqueeze(-1)).squeeze(-1)
    centre = decoder.mean[:, j, None] + (mean @ weight.unsqueeze(-1)).squeeze(-1)
    if not decoder.direct:
        prior = decoder.prior_of_shift(j)
    else:  # components and the intercepts of columns that read the value move with it
        read = forms.loading[..., j]
        prior_variance, means = mixture.mean_variance[:, j], mixture.mean[..., j]
        prior = torch.stack(
            [
                means.shape[1] / prior_variance + forms.intercept_precision * read.square().sum(-1),
                forms.intercept_precision * (read * forms.offset).sum(-1)
                - means.sum(-1) / prior_variance,
            ],
            -1,
        )
    return Column(
        missing=state.missing[:, place],
        x=state.y[..., j],
        centre=centre,
        variance=decoder.noise[:, j, None] + (of_weight * weight[owner]).sum(-1)[at],
        mean=mean,
        spread=spread,
        owner=owner,
        which=at,
        pull=of_weight[at],
        others=state.forms.others,
        shift=prior,
    )


def propose(state: State, place: int, adapt: bool) -> Tensor:
    """Sample form, coefficients and utilities of a column, with its values integrated out.

    Given utilities and completed values a column leaves its form rarely. Here its missing
    values, the latents and its utilities are integrated out, and the column's mean moves
    together with its mechanism (partially collapsed Gibbs sampling: van Dyk & Park, JASA 2008).
    The latents must be sampled next.

    Args:
        state: the chains.
        place: the column's place in ``columns``.
        adapt: whether modes are sought next time where they are now; not valid after warm-up.

    Returns:
        Whether a proposal was accepted, (K,).
    """
    column, forms = collapsed(state, place), state.forms
    first = not bool(forms.sought[place])
    proposal = Proposal(column, forms.prior(place), forms.modes[:, place], first)
    if adapt:
        forms.sought[place] = True
        forms.modes[:, place] = proposal.mode
        forms.modes[:, place, :, -1] = 0.0
    now = forms.form[:, place], forms.coefficients(place)
    new = proposal.draw(state.generator)
    gain = proposal.log_target(*new) - proposal.log_target(*now)
    gain = gain + proposal.log_density(*now) - proposal.log_density(*new)
    uniform = torch.rand(
        gain.shape, generator=state.generator, dtype=gain.dtype, device=gain.device
    )
    accepted = uniform.log() < gain
    form = torch.where(accepted, new[0], now[0])
    at = torch.where(accepted.unsqueeze(-1), new[1], now[1])
    mean, variance = (part.squeeze(1) for part in scores(column, at.unsqueeze(1)))
    u = of_known_sign(mean, variance.sqrt(), column.missing, state.generator)
    state.u = state.u.index_copy(2, torch.tensor([place], device=u.device), u.unsqueeze(-1))
    forms.put(place, form, at)
    j, shift = int(state.columns[place]), at[:, -1]
    if state.decoder.direct:
        state.mixture.mean[..., j] += shift.unsqueeze(-1)
        forms.offset = forms.offset - forms.loading[..., j] * shift.unsqueeze(-1)
    else:
        state.decoder.mean[:, j] += shift
    return accepted
