"""The pattern-mixture model p(s) p(x | s): MAR, with a shift of the missing values."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pyro
import torch
from pyro.distributions import Normal, StudentT, TorchDistribution
from torch import Tensor

from ...data.errors import InputError, KindError
from ..distributions.mixed import MixedColumns
from ..missingness import Missingness
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..sites import MARGINS, S, X, Z
from .margins import KnownMargins
from .selection import SelectionModel


class PatternMixtureModel(SelectionModel):
    """p(z) p(s) p(x | z, s), where p(x_j | z, s_j = 0) is the decoder's, shifted by delta_j.

    (Little, JASA 1993; the delta adjustment of Carpenter & Kenward, Multiple Imputation and its
    Application, 2013, chapter 10.) The shifts delta are given, since the observed values say
    nothing about them: the bound is MIWAE's, whatever they are. An estimand as a function of delta
    is a sensitivity analysis. p(s) has the columns' observed rates and is left out of the
    likelihood.

    Args:
        decoder: p(x | z) of observed values.
        encoder: q(z | x_o, s).
        missingness: p(s), an ignorable mechanism.
        columns: the names of the columns, in order.
        delta: (p,) shifts of the missing values, in standard deviations of the columns.
        margins: known means and standard deviations of columns.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.models.PatternMixture(data, {"x1": 0.5}, latent_dim=1, hidden=[8]).delta
    tensor([0.0000, 0.5000])
    """

    def __init__(
        self,
        decoder: Decoder,
        encoder: Encoder,
        missingness: Missingness,
        columns: list[str] | tuple[str, ...],
        delta: Sequence[float],
        margins: KnownMargins | None = None,
    ) -> None:
        super().__init__(decoder, encoder, missingness, columns, margins=margins)
        if len(delta) != len(self.columns):
            raise InputError(
                f"delta has {len(delta)} shifts for {len(self.columns)} columns; give one for each"
            )
        if not self.missingness.ignorable:
            raise InputError(
                f"{type(self.missingness).__name__} is not ignorable; the mask of a pattern "
                f"mixture does not depend on x: give Ignorable({len(self.columns)})"
            )
        self.delta: Tensor
        self.register_buffer("delta", torch.tensor([float(shift) for shift in delta]))

    def model(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Run the generative program, with the arguments of :meth:`SelectionModel.model`."""
        self.declare_parameters()
        rows, latent, features = self.plates(x, size)
        if self.margins is not None:
            pyro.factor(MARGINS, self.margins(self.decoder))
        self._shrink()
        with rows, latent:
            z = pyro.sample(Z, self.prior())
        with rows, features:
            seen = pyro.sample(S, self.missingness(x), obs=s.to(x.dtype))
            given_s = shifted(self.decoder(z), self.delta * (1 - seen))
            x = pyro.sample(X, given_s, obs=x, obs_mask=s)
        return x


@functools.singledispatch
def shifted(given: TorchDistribution, by: Tensor) -> TorchDistribution:
    """Return the distribution of x + by; a new decoder's distribution is registered by its class.

    Raises:
        TypeError: for levels and counts, and for a distribution that is not registered.
    """
    raise KindError(
        f"a {type(given).__name__} cannot be shifted: delta is for real numbers. For a "
        f"distribution of real numbers of your own, register how it is shifted: shifted.register"
    )


@shifted.register(Normal)
def _(given: Normal, by: Tensor) -> Normal:
    return Normal(given.loc + by, given.scale)


@shifted.register(StudentT)
def _(given: StudentT, by: Tensor) -> StudentT:
    return StudentT(given.df, given.loc + by, given.scale)


@shifted.register(MixedColumns)
def _(given: MixedColumns, by: Tensor) -> MixedColumns:
    """Shift the real columns; no delta is given for levels and counts."""
    return MixedColumns(
        [
            (own, fn if fn.has_enumerate_support else shifted(fn, by[..., own]))
            for own, fn in given.parts
        ]
    )
