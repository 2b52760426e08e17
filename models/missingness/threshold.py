"""Values beyond a threshold go missing, or outside of given limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from ...data import IncompleteData, Standardiser
from .base import Affine, Missingness
from .description import equation, in_units


class Threshold(Missingness):
    """P(s_j = 0 | x) = sigmoid(k_j (x_j - t_j)): beyond a threshold values go missing.

    Self-masking, in the terms of a detection limit or a ceiling.

    :param hides: ``"above"`` or ``"below"`` the threshold; one for all columns or one a column.
    :param sharpness: k_j > 0 where it is given; learnt from 3 on otherwise. 50 is a step.
    :param threshold: t_j where it is given, in the units of x as the model sees it.

    >>> import torch
    >>> from absentia.models import Threshold
    >>> limit = Threshold(1, hides="below", sharpness=50.0, threshold=-1.0)
    >>> limit(torch.tensor([[-1.5], [-0.5]])).probs.round().flatten()
    tensor([0., 1.])
    """

    elementwise = True
    reads_own_column_only = True

    def __init__(
        self,
        num_columns: int,
        hides: str | Sequence[str] = "above",
        sharpness: float | None = None,
        threshold: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        sides = [hides] * num_columns if isinstance(hides, str) else list(hides)
        wrong = [side for side in sides if side not in ("above", "below")]
        if wrong or len(sides) != num_columns:
            raise ValueError(f"hides {hides!r}: give 'above' or 'below', one or {num_columns}")
        if sharpness is not None and not sharpness > 0:
            raise ValueError(f"sharpness is {sharpness}; give a positive number")
        self.given = sharpness is not None and threshold is not None
        self.side: Tensor
        self.register_buffer("side", torch.tensor([1.0 if s == "above" else -1.0 for s in sides]))
        start = torch.full((num_columns,), 3.0 if sharpness is None else float(sharpness))
        self.raw_sharpness: Tensor
        self.threshold: Tensor
        if sharpness is None:
            self.raw_sharpness = nn.Parameter(torch.log(torch.expm1(start)))
        else:
            self.register_buffer("raw_sharpness", torch.log(torch.expm1(start.double())).float())
        if threshold is None:
            self.threshold = nn.Parameter(torch.zeros(num_columns))
        else:
            values = torch.as_tensor(threshold, dtype=start.dtype).expand(num_columns).clone()
            self.register_buffer("threshold", values)

    @classmethod
    def in_units_of(
        cls, data: IncompleteData, threshold: Sequence[float], **options: Any
    ) -> Threshold:
        """With thresholds in the data's own units."""
        given = torch.as_tensor([list(threshold)], dtype=torch.float64).numpy()
        return cls(len(data.columns), threshold=data.scaler.apply(given)[0].tolist(), **options)

    @property
    def sharpness(self) -> Tensor:
        """k (p,)."""
        return softplus(self.raw_sharpness)

    def forward(self, x: Tensor) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=-self.side * self.sharpness * (x - self.threshold))

    def affine(self, x: Tensor) -> Affine:
        """Slope and offset, for the closed forms."""
        slope = -self.side * self.sharpness
        return Affine(slope, -slope * self.threshold, "logit")

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Thresholds at the observed rates' quantiles of a standard Normal."""
        if isinstance(self.threshold, nn.Parameter):
            rate = observed_rate.clamp(0.005, 0.995)
            self.threshold.copy_(self.side * torch.special.ndtri(rate))

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """As self-masking."""
        slope = float(self.side[column] * self.sharpness[column])
        intercept = -slope * float(self.threshold[column])
        terms = in_units(intercept, [(slope, column)], names, scaler)
        return equation("logit", names[column], *terms)

    def estimands(self) -> dict[str, Tensor]:
        """Thresholds and their sharpness."""
        return {"threshold": self.threshold, "sharpness": self.sharpness}

    def directions(self) -> dict[str, Tensor]:
        """Sharpness is positive."""
        return {"sharpness": torch.ones_like(self.raw_sharpness)}

    def known(self, column: int) -> str | None:
        """Given, or of a known direction."""
        return "given" if self.given else "direction"


class Clipping(Missingness):
    """Values outside [l_j, u_j] go missing: P(s = 1) = sigmoid(k (x - l)) sigmoid(k (u - x)).

    Censoring whose limits are known, smoothed over 1/k: a scale that ends, an instrument with a
    range. All of it is given, nothing is learnt.

    :param lower, upper: limits in the units of x as the model sees it, None where there is none;
        :meth:`in_units_of` takes them in the data's own units.
    :param sharpness: k, per standard deviation.

    >>> import torch
    >>> from absentia.models import Clipping
    >>> Clipping(1, lower=-1.0, upper=1.0)(torch.tensor([[-2.0], [0.0], [2.0]])).probs.round()
    tensor([[0.],
            [1.],
            [0.]])
    """

    elementwise = True
    reads_own_column_only = True

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
            raise ValueError("lower is not below upper in every column; correct the limits")
        if not sharpness > 0:
            raise ValueError(f"sharpness is {sharpness}; give a positive number")
        self.sharpness = float(sharpness)

    @classmethod
    def in_units_of(
        cls,
        data: IncompleteData,
        lower: Sequence[float | None],
        upper: Sequence[float | None],
        sharpness: float = 50.0,
    ) -> Clipping:
        """With limits in the data's own units."""

        def scaled(limits: Sequence[float | None]) -> list[float | None]:
            filled = [[1.0 if v is None else v for v in limits]]
            own = data.scaler.apply(torch.tensor(filled, dtype=torch.float64).numpy())[0]
            return [None if v is None else float(w) for v, w in zip(limits, own, strict=True)]

        return cls(len(data.columns), scaled(lower), scaled(upper), sharpness)

    def forward(self, x: Tensor) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        k = self.sharpness
        # the smoothed step never reaches 0 or 1, so that no observed value is impossible
        low = logsigmoid((k * (x - self.lower)).clamp(-_MOST, _MOST))
        high = logsigmoid((k * (self.upper - x)).clamp(-_MOST, _MOST))
        log_observed = low + high
        return Bernoulli(logits=log_observed - torch.log(-torch.expm1(log_observed)))

    def reads(self, num_columns: int) -> Tensor:
        """Columns with a limit read themselves."""
        limited = self.lower.isfinite() | self.upper.isfinite()
        return torch.diag(limited.cpu())

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """The limits."""
        low, high = (v.double().numpy()[None] for v in (self.lower, self.upper))
        if scaler is not None:
            low, high = scaler.invert(low), scaler.invert(high)
        name = names[column]
        parts = [f"{name} < {low[0, column]:.4g}"] * bool(self.lower[column].isfinite())
        parts += [f"{name} > {high[0, column]:.4g}"] * bool(self.upper[column].isfinite())
        return f"{name} missing where {' or '.join(parts) or 'nothing clips it'}"

    def known(self, column: int) -> str | None:
        """All of it is given."""
        return "given"


_MOST = 12.0  # log-odds: 6e-6


def _limits(value: Any, columns: int, none: float) -> Tensor:
    values = list(value) if isinstance(value, list | tuple) else [value] * columns
    if len(values) != columns:
        raise ValueError(f"{len(values)} limits were given for {columns} columns")
    return torch.tensor([none if v is None else float(v) for v in values])
