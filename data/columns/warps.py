"""Warps: maps of a column with a limited range to the whole real line, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    import torch

Values = TypeVar("Values", np.ndarray, "torch.Tensor")

#: the margin of the logit beyond either bound, as a share of the range of the column
MARGIN = 0.01


@dataclass(frozen=True)
class Warp:
    """A map to the real line: the log of a positive column, or the logit of a bounded one.

    "log" is y = log(v). "logit" is y = log(u / (1 - u)) with u = (v - lower + m) / (upper - lower
    + 2 m), m = 0.01 (upper - lower), so that a value at a bound becomes +-4.6 instead of infinity.
    The inverses are clipped to the range of the dtype and to the bounds.

    >>> Warp("logit", 0.0, 1.0).apply(np.array([0.0, 0.5, 1.0])).round(2)
    array([-4.62,  0.  ,  4.62])
    >>> Warp("log").invert(np.array([0.0, -1e6])) > 0
    array([ True,  True])

    Args:
        kind: "log" or "logit".
        lower: the lower bound of a logit.
        upper: the upper bound of a logit.

    Raises:
        ValueError: the kind is unknown, or a logit lacks finite bounds with lower < upper.
    """

    kind: Literal["log", "logit"]
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown kind, and a logit without a range."""
        if self.kind not in ("log", "logit"):
            raise InputError(f"warp is {self.kind!r}; use 'log' or 'logit'.")
        if self.kind == "logit" and not (
            self.lower is not None
            and self.upper is not None
            and math.isfinite(self.lower)
            and math.isfinite(self.upper)
            and self.lower < self.upper
        ):
            raise InputError(
                f"the bounds of a logit are {self.lower} and {self.upper}; give finite bounds with "
                "lower < upper."
            )

    def apply(self, values: Values) -> Values:
        """Map values from the column's units to the real line, in any shape."""
        if self.kind == "log":
            return np.log(values) if isinstance(values, np.ndarray) else values.log()
        low, width, margin = self._range()
        u = (values - low + margin) / (width + 2 * margin)
        if isinstance(u, np.ndarray):
            return np.log(u) - np.log1p(-u)
        return u.logit()

    def invert(self, values: Values) -> Values:
        """Map values back from the real line; they are always positive, or within the bounds."""
        if isinstance(values, np.ndarray):
            info = np.finfo(values.dtype if values.dtype.kind == "f" else np.float64)
        else:
            import torch  # here and not above, as it takes over a second

            info = torch.finfo(values.dtype)
        if self.kind == "log":
            # Slightly inside the limits, so that rounding does not lead to infinity or to 0.
            low, high = 0.999 * math.log(float(info.tiny)), 0.999 * math.log(float(info.max))
            if isinstance(values, np.ndarray):
                return np.exp(np.clip(values, low, high))
            return values.clamp(low, high).exp()
        low, width, margin = self._range()
        if isinstance(values, np.ndarray):
            u = 0.5 * (1 + np.tanh(0.5 * values))
            return np.clip(u * (width + 2 * margin) + (low - margin), low, self.upper)
        return (values.sigmoid() * (width + 2 * margin) + (low - margin)).clamp(low, low + width)

    def log_slope(self, values: np.ndarray) -> np.ndarray:
        """Return log dy/dv, the term that turns a density of y into one of v.

        >>> Warp("log").log_slope(np.array([1.0, 10.0])).round(3)
        array([-0.   , -2.303])
        """
        if self.kind == "log":
            return -np.log(values)
        low, width, margin = self._range()
        # d log(u / (1 - u)) / dv, where u is measured from the lower end and 1 - u from the upper
        below, above = values - low + margin, low + width + margin - values
        return np.log(width + 2 * margin) - np.log(below) - np.log(above)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive a JSON round trip unchanged."""
        if self.kind == "log":
            return {"kind": self.kind}
        return {"kind": self.kind, "lower": self.lower, "upper": self.upper}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Warp:
        """Rebuild the warp from the result of :meth:`to_dict`."""
        return cls(**state)

    def _range(self) -> tuple[float, float, float]:
        assert self.lower is not None  # checked by __post_init__
        assert self.upper is not None
        width = self.upper - self.lower
        return self.lower, width, MARGIN * width
