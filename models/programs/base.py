"""The base of all models of a table's rows: declared parts, plates, and registration with Pyro."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import pyro
import torch
from pyro.distributions import Normal, TorchDistribution
from pyro.infer.autoguide import AutoNormal
from pyro.poutine.runtime import _PYRO_STACK
from pyro.poutine.trace_messenger import TraceMessenger
from torch import Tensor, nn

from ..configurable import Configurable
from ..missingness import Missingness
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..networks.target_heads import Predictor
from ..plates import Plate
from ..sites import COLUMN_DIM, FEATURES, LATENT, ROW_DIM, ROWS
from .margins import KnownMargins

if TYPE_CHECKING:
    from .parallel import Trunk  # that module imports this one

_COUNT = itertools.count()
#: how many columns the text of a model names
_MOST_NAMES = 8


class Prior(Configurable):
    """Base of the priors of a row's latents: ``prior()`` returns p(z), batch shape (d,)."""

    latent_dim: int

    def forward(self) -> TorchDistribution:
        """Return the distribution of z, batch shape (d,)."""
        raise NotImplementedError


class StandardNormalPrior(Prior):
    """The prior z ~ Normal(0, I) of the latents."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("one", torch.ones(latent_dim), persistent=False)
        self.zero: Tensor
        self.one: Tensor

    def forward(self) -> Normal:
        """Return a Normal of batch shape (d,)."""
        return Normal(self.zero, self.one)


class RowModel(Configurable):
    """Base of the models: a Pyro program ``model`` and a ``guide`` over the rows of a table.

    Every part that inference may ask a model for is declared here; None stands for a part that the
    model does not have.

    Args:
        columns: the names of the columns, in order.
        prior: p(z), the prior of each row's latents.
    """

    decoder: Decoder
    encoder: Encoder
    missingness: Missingness

    def __init__(self, columns: list[str] | tuple[str, ...], prior: Prior) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.prior = prior
        # These are attributes of the object: a class attribute would hide a submodule of its name.
        #: q(coefficients of the mechanism), where they have priors
        self.coefficient_guide: AutoNormal | None = None
        #: p(y | x), where a target is predicted
        self.predictor: Predictor | None = None
        #: whether all parameters except the predictor's stay fixed
        self.frozen = False
        #: means and standard deviations of columns that are known from elsewhere
        self.margins: KnownMargins | None = None
        #: the network whose features both the decoder and the mechanism read
        self.trunk: Trunk | None = None
        self.delta: Tensor | None
        #: (p,) given shifts of the missing values
        self.register_buffer("delta", None)
        self._plates: dict[Any, Any] = {}
        self._number = next(
            _COUNT
        )  # under SVI models share a global store, where each needs a name

    def model(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Run the generative program and return x with its missing cells sampled."""
        raise NotImplementedError(f"{type(self).__name__} has no generative program")

    def guide(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> None:
        """Run the guide, the approximate posterior of the latents."""
        raise NotImplementedError(f"{type(self).__name__} has no guide")

    def plates(self, x: Tensor, size: int | None = None) -> tuple[Any, Any, Any]:
        """Return plates over rows, latent dimensions and columns, made once per batch size."""
        key = (len(x), size, x.device)
        if key not in self._plates:
            if len(self._plates) > 16:
                self._plates.clear()
            subsample = None if size is None else torch.arange(len(x), device=x.device)
            # The active handlers must not record the sites in which the plates keep their indices.
            with pyro.poutine.block():
                self._plates[key] = (
                    Plate(ROWS, size or len(x), subsample=subsample, dim=ROW_DIM),
                    Plate(LATENT, self.prior.latent_dim, dim=COLUMN_DIM),
                    Plate(FEATURES, len(self.columns), dim=COLUMN_DIM),
                )
        found: tuple[Any, Any, Any] = self._plates[key]
        return found

    def declare_parameters(self) -> None:
        """Register the parameters with Pyro, for Pyro's own optimisers.

        Only ``SVI`` needs them in Pyro's global store, and it collects them by a handler that is
        recognised here. Everything else reads ``parameters()``.
        """
        if any(isinstance(h, TraceMessenger) and h.param_only for h in _PYRO_STACK):
            pyro.module(f"absentia_{self._number}", self)

    def __repr__(self) -> str:
        """Name columns, latents, decoder and mechanism, and not all modules that they are made of.

        ``torch.nn.Module.__repr__(model)`` lists these.
        """
        latents = self.prior.latent_dim
        parts = [
            f"{len(self.columns)} columns: {', '.join(self.columns[:_MOST_NAMES])}"
            + (", ..." if len(self.columns) > _MOST_NAMES else ""),
            f"{latents} latent{'' if latents == 1 else 's'}",
        ]
        if "decoder" in self._modules:
            parts.append(type(self.decoder).__name__)
        if "missingness" in self._modules:
            parts.append(repr(self.missingness))
        return f"{type(self).__name__}({'; '.join(parts)})"

    def __getstate__(self) -> dict[str, Any]:
        """Drop the plates from what is copied or pickled; they are rebuilt on use."""
        return {**self.__dict__, "_plates": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state under a new number, so that Pyro tells a copy from its original."""
        super().__setstate__(state)
        self._number = next(_COUNT)


class Declarations(NamedTuple):
    """The parts of a :class:`RowModel` that a user's own module has, None for all others."""

    columns: tuple[str, ...] | None = None
    missingness: Missingness | None = None
    predictor: Predictor | None = None
    coefficient_guide: AutoNormal | None = None


def declarations(model: nn.Module) -> RowModel | Declarations:
    """Return what a model declares.

    A user's own module with the methods ``model`` and ``guide`` can be fitted, and need not declare
    anything else. This is the only place that looks for what it does declare.

    >>> declarations(nn.Linear(1, 1)).missingness is None
    True
    """
    if isinstance(model, RowModel):
        return model
    return Declarations(*(getattr(model, name, None) for name in Declarations._fields))
