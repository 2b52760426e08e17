"""Elementwise mechanisms that are not monotone: a quadratic one and a spline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from .base import Missingness
from .dependence import Dependence
from .equations import equation
from .formula.splines import natural_spline
from .shown import in_own_units, incomplete, term_of
from .starts import score_of_rate


class TwoSided(Missingness):
    """logit P(s_j = 1 | x) = b_j + a_j x_j - c_j x_j^2: both extremes are missing, or the middle.

    Args:
        num_columns: the number p of columns.
        hides: ``"extremes"`` (c_j > 0), ``"middle"`` (c_j < 0), or None where it is not known.

    >>> import torch
    >>> from absentia.models import TwoSided
    >>> mechanism = TwoSided(1, hides="extremes")
    >>> chance = mechanism(torch.tensor([[-3.0], [0.0], [3.0]])).probs.flatten()
    >>> bool(chance[1] > chance[0]) and bool(chance[1] > chance[2])
    True
    """

    nodes_per_sd = 1

    def __init__(self, num_columns: int, hides: str | None = None) -> None:
        super().__init__()
        if hides not in ("extremes", "middle", None):
            raise InputError(f"hides {hides!r} is not one of 'extremes', 'middle', None")
        self.hides = hides
        self.offset = nn.Parameter(torch.zeros(num_columns))
        self.slope = nn.Parameter(torch.zeros(num_columns))
        self.raw_curve = nn.Parameter(torch.zeros(num_columns))

    @property
    def curve(self) -> Tensor:
        """The curvature c of each column, of shape (p,)."""
        if self.hides is None:
            return self.raw_curve
        return softplus(self.raw_curve) * (1.0 if self.hides == "extremes" else -1.0)

    def dependence(self, num_columns: int) -> Dependence:
        """Each column's absence depends on its own value and nothing else."""
        return Dependence.of_own_value(num_columns)

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.offset + self.slope * x - self.curve * x.square())

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates of standardised columns."""
        self.offset.copy_(score_of_rate(observed_rate) + self.curve)

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of one column, with the square of the standardised column in full."""
        name = names[column]
        b, a, c = (float(v[column]) for v in (self.offset, self.slope, self.curve))
        if scaler is not None:
            center, scale = float(scaler.center[column]), float(scaler.scale[column])
            warp = scaler.warps[column]
            name = name if warp is None else f"{warp.kind}({name})"
            b = b - a * center / scale - c * (center / scale) ** 2
            a, c = a / scale + 2 * c * center / scale**2, c / scale**2
        return equation("logit", names[column], -b, [(-a, name), (c, f"{name}^2")])

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the coefficients a, b and c of every column."""
        return {"offset": self.offset, "slope": self.slope, "curve": self.curve}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the log-odds of being missing by the value and its square, in the data's units."""
        found: dict[str, Tensor] = {}
        for j, _ in incomplete(data):
            own, curve = [(j, self.slope[j])], [(j, -self.curve[j])]
            found |= in_own_units(data, j, self.offset[j], own, curve)
        return found

    def shown_directions(self, data: IncompleteData) -> dict[str, Tensor]:
        """Return the sign of the curve, where it is given."""
        if self.hides is None:
            return {}
        curve = torch.ones_like(self.raw_curve) * (1.0 if self.hides == "extremes" else -1.0)
        return {f"{name} ~ {term_of(data, j)}^2": curve[j].detach() for j, name in incomplete(data)}

    def directions(self) -> dict[str, Tensor]:
        """Return the sign of the curve, where it is given."""
        if self.hides is None:
            return {}
        sign = 1.0 if self.hides == "extremes" else -1.0
        return {"curve": torch.full_like(self.raw_curve, sign).detach()}

    def known(self, column: int) -> str | None:
        """Return "direction" where the sign of the column's curve is given."""
        return "direction" if self.hides is not None else None


class SplineMissingness(Missingness):
    """logit P(s_j = 1 | x) = b_j + f_j(x_j), f_j a natural cubic spline, linear beyond its knots.

    Args:
        num_columns: the number p of columns.
        knots: at least three increasing numbers, in units of the standardised columns.

    >>> import torch
    >>> from absentia.models import SplineMissingness
    >>> SplineMissingness(3)(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    nodes_per_sd = 2

    def __init__(
        self, num_columns: int, knots: Sequence[float] = (-1.5, -0.75, 0.0, 0.75, 1.5)
    ) -> None:
        super().__init__()
        if len(knots) < 3 or list(knots) != sorted(set(knots)):
            raise InputError(f"knots are {list(knots)}; give at least 3 increasing numbers")
        self.knots: Tensor
        self.register_buffer("knots", torch.tensor([float(k) for k in knots]), persistent=False)
        self.offset = nn.Parameter(torch.zeros(num_columns))
        self.weight = nn.Parameter(torch.zeros(num_columns, len(knots) - 1))

    def dependence(self, num_columns: int) -> Dependence:
        """Each column's absence depends on its own value and nothing else."""
        return Dependence.of_own_value(num_columns)

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        basis = torch.stack(natural_spline(x, self.knots), -1)
        return Bernoulli(logits=self.offset + (basis * self.weight).sum(-1))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates."""
        self.offset.copy_(score_of_rate(observed_rate))

    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the form of the mechanism for one column."""
        count = len(self.knots)
        return (
            f"logit P({names[column]} missing) = natural spline of {names[column]} ({count} knots)"
        )
