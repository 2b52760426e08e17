"""An encoder without parameters for linear decoders of columns of several kinds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...data.errors import KindError
from ..configurable import argument_of
from ..distributions.information import solved
from ..distributions.mixed import FiniteValues
from ..distributions.row_normal import RowNormal
from .decoders import Decoder
from .encoders import Encoder
from .mixed_decoder import MixedDecoder

#: steps of Newton's method besides the last one, through which gradients flow
_STEPS = 3
#: the longest of these steps, in any latent
_LONGEST = 2.0


class ModalEncoder(Encoder):
    """q(z | x_o): a Normal at the mode of p(x_o, z), with the curvature there as its precision.

    It reads a :class:`~absentia.models.MixedDecoder` without hidden layers, under which
    log p(x_o, z) is strictly concave in z: real columns give a quadratic form, and a column with
    finitely many values has logits linear in z. With G(z) the gradient and H(z) minus the second
    derivatives of log p(x_o | z), a step of Newton's method is

        z  <-  (I + H)^-1 (H z + G),

    and three of them from zero come close to the mode. A fourth gives mean and precision I + H of
    the Normal (Laplace's approximation; Tierney & Kadane, JASA 1986). Near the mode it hardly
    depends on where it starts, so that gradients by the decoder's parameters need to flow through
    this step alone. Where all columns are real the result is exact, as that of
    :class:`~absentia.models.ExactConditionalEncoder` is.

    Args:
        num_columns: the number p of columns.
        latent_dim: the number d of latent dimensions.

    >>> import torch
    >>> from absentia.models import MixedDecoder
    >>> families = [{"family": "real"}, {"family": "nominal", "values": 3}]
    >>> encoder = ModalEncoder(2, 1)
    >>> encoder.attach(MixedDecoder(1, families, hidden=[], scale="shared"))
    >>> encoder(torch.zeros(7, 2), torch.ones(7, 2, dtype=torch.bool)).batch_shape
    torch.Size([7, 1])
    """

    def __init__(self, num_columns: int, latent_dim: int) -> None:
        super().__init__()
        self.num_columns, self.latent_dim = num_columns, latent_dim

    def attach(self, decoder: Decoder) -> None:
        """Read the weights of this decoder at every call.

        Raises:
            TypeError: for a decoder that is not linear, or whose real columns are not Normal with
                a scale that is the same in all rows.
        """
        if not serves(decoder):
            raise KindError(
                f"encoder='mode' needs a MixedDecoder without hidden layers, whose real columns "
                f"are Normal with scale='shared' or 'column', not this {type(decoder).__name__}; "
                f"use encoder='mask-aware'"
            )
        self._read(decoder=decoder)

    def forward(self, x: Tensor, s: Tensor) -> RowNormal:
        """Return a RowNormal of batch shape (n, d)."""
        given = _LogLikelihood(self.__dict__["decoder"], x, s, self.latent_dim)
        z = x.new_zeros(len(x), self.latent_dim)
        with torch.no_grad():
            for _ in range(_STEPS if given.finite else 0):
                precision, shift = given.newton(z)
                tril = torch.linalg.cholesky(precision)
                step = torch.cholesky_solve(shift.unsqueeze(-1), tril).squeeze(-1) - z
                longest = step.abs().amax(-1, keepdim=True).clamp_min(_LONGEST)
                z = z + step * (_LONGEST / longest)
        return RowNormal(*solved(*given.newton(z)))


def serves(decoder: Decoder) -> bool:
    """Tell whether log p(x_o, z) is strictly concave in z, and quadratic in real columns."""
    if not isinstance(decoder, MixedDecoder) or len(argument_of(decoder, "hidden")):
        return False
    return decoder.df is None and (decoder.scale is None or decoder.scale.kind != "entry")


class _Finite(NamedTuple):
    """Columns with finitely many values, J of them with V values at most.

    Attributes:
        base: (J, V) the logits at z = 0.
        weight: (J, V, d) by how much they grow with z.
        flat: (J V, d) the same.
        outer: (J V, d^2) the products w w^T of each of them.
        found: (n, J, V) indicators of what was observed.
        seen: (n, J, 1) which cells were.
    """

    base: Tensor
    weight: Tensor
    flat: Tensor
    outer: Tensor
    found: Tensor
    seen: Tensor


class _LogLikelihood:
    """log p(x_o | z) of some rows under a decoder that is linear in z, by its derivatives.

    Args:
        decoder: the decoder.
        x: (n, p) the rows.
        s: (n, p) their mask, True where observed.
        latent_dim: the number d of latent dimensions.
    """

    def __init__(self, decoder: MixedDecoder, x: Tensor, s: Tensor, latent_dim: int) -> None:
        n, d = len(x), latent_dim
        eye = torch.eye(d, dtype=x.dtype, device=x.device)
        # a linear function is known from its values at zero and at the unit vectors
        places = decoder(torch.cat([torch.zeros_like(eye[:1]), eye]))
        precision, shift = eye.expand(n, d, d), x.new_zeros(n, d)
        #: of columns with finitely many values: what :meth:`newton` reads
        self.finite: list[_Finite] = []
        for columns, fn in places.parts:
            seen, values = s[:, columns].to(x.dtype), x[:, columns]
            if isinstance(fn, FiniteValues):
                base = fn.logits[0]
                # a level that a column does not have has the logit -inf everywhere
                weight = (fn.logits[1:] - base).nan_to_num(0.0).movedim(0, -1)
                flat = weight.flatten(0, 1)
                outer = (flat.unsqueeze(-1) * flat.unsqueeze(-2)).flatten(1)
                found = one_hot(values.long(), base.shape[-1]) * seen.unsqueeze(-1)
                cells = found.to(x.dtype), seen.unsqueeze(-1)
                self.finite.append(_Finite(base, weight, flat, outer, *cells))
                continue
            loc, variance = fn.loc[0], fn.scale[0].square()
            weight = (fn.loc[1:] - loc).mT  # (J, d)
            scaled = weight / variance.unsqueeze(-1)
            outer = (scaled.unsqueeze(-1) * weight.unsqueeze(-2)).flatten(1)
            precision = precision + (seen @ outer).unflatten(-1, (d, d))
            shift = shift + ((values - loc) * seen) @ scaled
        #: I plus the information of the real columns, and the gradient at zero of these
        self._precision, self._shift = precision, shift

    def newton(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return I + H (n, d, d) and H z + G (n, d) at z (n, d)."""
        precision, shift = self._precision, self._shift
        d = z.shape[-1]
        for own in self.finite:
            logits = own.base + (z @ own.flat.mT).unflatten(-1, own.base.shape)
            chance = torch.softmax(logits, -1) * own.seen  # (n, J, V)
            # the sum over v of (n, V) (V, d), column by column; few rows spend their time between
            # the operations, of which a product of matrices by @ makes five more
            mean = torch.bmm(chance.transpose(0, 1), own.weight).transpose(0, 1)
            second = (chance.flatten(1) @ own.outer).unflatten(-1, (d, d))
            curvature = second - torch.bmm(mean.mT, mean)
            precision = precision + curvature
            gradient = (own.found - chance).flatten(1) @ own.flat
            shift = shift + gradient + torch.bmm(curvature, z.unsqueeze(-1)).squeeze(-1)
        return precision, shift
