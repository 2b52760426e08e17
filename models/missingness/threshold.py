"""Soft and hard thresholds: values beyond them are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ..distributions.mask import ProbitBernoulli
from ..distributions.special import inverse_softplus
from .affine import Affine, Link
from .base import Missingness
from .dependence import Dependence
from .equations import equation, in_units
from .shown import incomplete, term_of


class Threshold(Missingness):
    """P(s_j = 0 | x) = link^-1(k_j (x_j - t_j)): values beyond a threshold are missing.

    This is self-masking with the parameters of a detection limit or a ceiling.

    Args:
        num_columns: the number p of columns.
        hides: whether values ``"above"`` or ``"below"`` the threshold are missing, for all columns
            or one per column.
        sharpness: the given k_j > 0; by default it is learnt, starting at 3. A value of 50 is
            nearly a step.
        threshold: the given t_j, in units of the standardised columns; by default it is learnt.
        link: ``"logit"`` or ``"probit"``.

    >>> import torch
    >>> from absentia.models import Threshold
    >>> limit = Threshold(1, hides="below", sharpness=50.0, threshold=-1.0)
    >>> limit(torch.tensor([[-1.5], [-0.5]])).probs.round().flatten()
    tensor([0., 1.])
    """

    def __init__(
        self,
        num_columns: int,
        hides: str | Sequence[str] = "above",
        sharpness: float | None = None,
        threshold: float | Sequence[float] | None = None,
        link: Link = "logit",
    ) -> None:
        super().__init__()
        if link not in ("logit", "probit"):
            raise InputError(f"link {link!r} is not one of logit, probit")
        self.link = link
        sides = [hides] * num_columns if isinstance(hides, str) else list(hides)
        wrong = [side for side in sides if side not in ("above", "below")]
        if wrong or len(sides) != num_columns:
            raise InputError(
                f"hides is {hides!r}; give 'above' or 'below', once or for each of {num_columns} "
                f"columns"
            )
        if sharpness is not None and not sharpness > 0:
            raise InputError(f"sharpness is {sharpness}; give a positive number")
        self.given = sharpness is not None and threshold is not None
        self.side: Tensor
        self.register_buffer("side", torch.tensor([1.0 if s == "above" else -1.0 for s in sides]))
        start = torch.full((num_columns,), 3.0 if sharpness is None else float(sharpness))
        self.raw_sharpness: Tensor
        self.threshold: Tensor
        if sharpness is None:
            self.raw_sharpness = nn.Parameter(inverse_softplus(start))
        else:
            self.register_buffer("raw_sharpness", inverse_softplus(start.double()).float())
        if threshold is None:
            self.threshold = nn.Parameter(torch.zeros(num_columns))
        else:
            values = torch.as_tensor(threshold, dtype=start.dtype).expand(num_columns).clone()
            self.register_buffer("threshold", values)

    @classmethod
    def in_units_of(
        cls, data: IncompleteData, threshold: Sequence[float], **options: Any
    ) -> Threshold:
        """Make the mechanism from thresholds in the data's own units."""
        given = torch.as_tensor([list(threshold)], dtype=torch.float64).numpy()
        return cls(len(data.columns), threshold=data.scaler.apply(given)[0].tolist(), **options)

    @classmethod
    def limit_of(
        cls,
        data: IncompleteData,
        hides: str | Sequence[str] = "above",
        limits: Sequence[float | None] | None = None,
    ) -> Threshold:
        """Make a hard limit: all values beyond it are missing, and none of the others.

        Where it is not given, the limit is the largest observed value (the smallest, where low
        values are missing), which has the highest likelihood.

        Args:
            data: the table.
            hides: the side on which values are missing, once or for each column.
            limits: the limit of each column in its own units, None where it is not known.

        Raises:
            ValueError: for a table with a column of levels or counts, or with values beyond the
                limit that was given for their column.

        >>> import numpy as np
        >>> import absentia as ab
        >>> data = ab.IncompleteData.from_numpy(np.array([[1.0], [3.0], [np.nan]]))
        >>> ab.models.Threshold.limit_of(data).describe(data)["x0"].equation
        'x0 missing where x0 > 3'
        """
        if data.schema.discrete.any():
            odd = next(column for column in data.schema if column.discrete)
            raise InputError(
                f"column '{odd.name}' is {odd.kind}; limits are for columns of real numbers, so "
                f"leave the column out or give another missingness"
            )
        columns = len(data.columns)
        low = np.broadcast_to(np.array(hides) == "below", columns)
        x = data.scaler.apply(data.values)
        seen = data.s.cpu().numpy()
        clear = _CLEAR / _HARD
        most = np.where(seen, x, -np.inf).max(0) + clear
        least = np.where(seen, x, np.inf).min(0) - clear
        at = np.where(low, least, most)
        for j, limit in enumerate(limits or []):
            if limit is not None:
                at[j] = _scaled(data, j, limit, bool(low[j])) + (-1 if low[j] else 1) * clear
        return cls(columns, hides, sharpness=_HARD, threshold=at.tolist(), link="probit")

    @property
    def hard(self) -> bool:
        """Whether the threshold is a hard limit made by :meth:`limit_of`."""
        return self.given and self.link == "probit" and self.config["sharpness"] == _HARD

    @property
    def sharpness(self) -> Tensor:
        """The sharpness k (p,) of every column's threshold."""
        return softplus(self.raw_sharpness)

    def dependence(self, num_columns: int) -> Dependence:
        """Each column's absence depends on its own value and nothing else."""
        return Dependence.of_own_value(num_columns)

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        score = -self.side * self.sharpness * (x - self.threshold)
        return ProbitBernoulli(score) if self.link == "probit" else Bernoulli(logits=score)

    def affine(self, x: Tensor) -> Affine:
        """Return slope and offset, which give closed forms."""
        slope = -self.side * self.sharpness
        return Affine(slope, -slope * self.threshold, self.link)

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start thresholds at quantiles of a standard normal that match the observed rates."""
        if isinstance(self.threshold, nn.Parameter):
            rate = observed_rate.clamp(0.005, 0.995)
            self.threshold.copy_(self.side * torch.special.ndtri(rate))

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the equation as self-masking does, or the place of a hard limit."""
        if self.hard:
            limit = (self.threshold.double() - self.side.double() * _CLEAR / _HARD).cpu()
            shown = limit.numpy() if scaler is None else scaler.invert(limit.numpy()[None])[0]
            beyond = ">" if self.side[column] > 0 else "<"
            return f"{names[column]} missing where {names[column]} {beyond} {shown[column]:.4g}"
        slope = float(self.side[column] * self.sharpness[column])
        intercept = -slope * float(self.threshold[column])
        terms = in_units(intercept, [(slope, column)], names, scaler)
        return equation(self.link, names[column], *terms)

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return the thresholds and their sharpness."""
        return {"threshold": self.threshold, "sharpness": self.sharpness}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return thresholds in the data's own units, and the slope of the log-odds beyond them."""
        found: dict[str, Tensor] = {}
        for j, name in incomplete(data):
            center, scale = float(data.scaler.center[j]), float(data.scaler.scale[j])
            term = term_of(data, j)
            found[f"{name} ~ threshold of {term}"] = center + scale * self.threshold[j]
            found[f"{name} ~ {term}"] = self.side[j] * self.sharpness[j] / scale
        return found

    def shown_directions(self, data: IncompleteData) -> dict[str, Tensor]:
        """Return the sign of the slopes, which is that of the side."""
        return {f"{name} ~ {term_of(data, j)}": self.side[j] for j, name in incomplete(data)}

    def directions(self) -> dict[str, Tensor]:
        """Return the signs of the estimands: sharpness is positive."""
        return {"sharpness": torch.ones_like(self.raw_sharpness)}

    def known(self, column: int) -> str | None:
        """Return "given" for given thresholds, else "direction", since the side is known."""
        return "given" if self.given else "direction"


def _scaled(data: IncompleteData, column: int, limit: float, low: bool) -> float:
    """Return a limit in standard units, after a look at the values that should be within it."""
    name, kind = data.columns[column], data.schema[column].kind
    values = data.values[data.s[:, column].cpu().numpy(), column]
    beyond = values[values < limit] if low else values[values > limit]
    if len(beyond):
        odd = beyond.min() if low else beyond.max()
        raise InputError(
            f"column '{name}' has the limit {limit:g}, and {len(beyond)} observed values beyond "
            f"it, such as {odd:g}; correct the limit, or give only the side: "
            f"sign={{'{name}': '{'low' if low else 'high'}'}}"
        )
    if kind == "positive" and limit <= 0:
        raise InputError(f"column '{name}' is positive; its limit {limit:g} must be, too")
    row = np.nanmax(data.values, axis=0, keepdims=True)
    row[0, column] = limit
    return float(data.scaler.apply(row)[0, column])


_HARD = 1000.0  # a step within a thousandth of a standard deviation
_CLEAR = 3.0  # how far the largest observed value is within the limit, in sd of the step itself
