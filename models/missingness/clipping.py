"""The clipping mechanism: values outside given limits are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from pyro.distributions import Bernoulli
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from .base import Missingness
from .dependence import Dependence


class Clipping(Missingness):
    """Values outside [l_j, u_j] are missing: P(s = 1) = sigmoid(k (x - l)) sigmoid(k (u - x)).

    This is censoring at known limits, for a scale that ends or an instrument with a range. The step
    at a limit is smoothed over a width of 1/k. Nothing is learnt.

    Args:
        num_columns: the number p of columns.
        lower, upper: the limits in units of the standardised columns, None where there is none;
            :meth:`in_units_of` takes them in the data's own units.
        sharpness: k, per standard deviation.

    >>> import torch
    >>> from absentia.models import Clipping
    >>> Clipping(1, lower=-1.0, upper=1.0)(torch.tensor([[-2.0], [0.0], [2.0]])).probs.round()
    tensor([[0.],
            [1.],
            [0.]])
    """

    def __init__(
        self,
        num_columns: int,
        lower: float | Sequence[float | None] | None = None,
        upper: float | Sequence[float | None] | None = None,
        sharpness: float = 50.0,
    ) -> None:
        super().__init__()
        self.lower: Tensor
        self.upper: Tensor
        self.register_buffer("lower", _limits(lower, num_columns, -torch.inf))
        self.register_buffer("upper", _limits(upper, num_columns, torch.inf))
        if not bool((self.lower < self.upper).all()):
            raise InputError(
                f"column {int((self.lower >= self.upper).nonzero()[0])} has a lower limit that is "
                f"not below its upper limit; correct the limits"
            )
        if not sharpness > 0:
            raise InputError(f"sharpness is {sharpness}; give a positive number")
        self.sharpness = float(sharpness)

    @classmethod
    def in_units_of(
        cls,
        data: IncompleteData,
        lower: Sequence[float | None],
        upper: Sequence[float | None],
        sharpness: float = 50.0,
    ) -> Clipping:
        """Make the mechanism from limits in the data's own units."""

        def scaled(limits: Sequence[float | None]) -> list[float | None]:
            filled = [[1.0 if v is None else v for v in limits]]
            own = data.scaler.apply(torch.tensor(filled, dtype=torch.float64).numpy())[0]
            return [None if v is None else float(w) for v, w in zip(limits, own, strict=True)]

        return cls(len(data.columns), scaled(lower), scaled(upper), sharpness)

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        k = self.sharpness
        # the smoothed step never reaches 0 or 1, so no observed value has probability 0
        low = logsigmoid((k * (x - self.lower)).clamp(-_MOST, _MOST))
        high = logsigmoid((k * (self.upper - x)).clamp(-_MOST, _MOST))
        log_observed = low + high
        return Bernoulli(logits=log_observed - torch.log(-torch.expm1(log_observed)))

    def dependence(self, num_columns: int) -> Dependence:
        """The absence of each column with a limit depends on its own value."""
        limited = self.lower.isfinite() | self.upper.isfinite()
        none = Dependence.of_no_value(num_columns)
        return replace(none, reads=torch.diag(limited.cpu()))

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the limits of one column."""
        low, high = (v.double().cpu().numpy()[None] for v in (self.lower, self.upper))
        if scaler is not None:
            low, high = scaler.invert(low), scaler.invert(high)
        name = names[column]
        parts = [f"{name} < {low[0, column]:.4g}"] * bool(self.lower[column].isfinite())
        parts += [f"{name} > {high[0, column]:.4g}"] * bool(self.upper[column].isfinite())
        return f"{name} missing where {' or '.join(parts) or 'nothing clips it'}"

    def known(self, column: int) -> str | None:
        """Return "given", since limits and sharpness are never learnt."""
        return "given"


_MOST = 12.0  # the largest log-odds, of a probability of 6e-6


def _limits(value: Any, columns: int, none: float) -> Tensor:
    values = list(value) if isinstance(value, list | tuple) else [value] * columns
    if len(values) != columns:
        raise InputError(
            f"{len(values)} limits were given for {columns} columns; give one for each, None where "
            f"there is no limit"
        )
    return torch.tensor([none if v is None else float(v) for v in values])
