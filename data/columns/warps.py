"""Warps: maps of a column with a limited range to the whole real line, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    """A map to the real line: of a positive column, of a bounded one, or of a skewed one.

    "log" is y = log(v). "logit" is y = log(u / (1 - u)) with u = (v - lower + m) / (upper - lower
    + 2 m), m = 0.01 (upper - lower), so that a value at a bound becomes +-4.6 instead of infinity.
    The inverses are clipped to the range of the dtype and to the bounds.

    "sinh-arcsinh" is y = sinh(tail arcsinh((v - centre) / spread) - skew) between the bounds, which
    are those of what was observed, and continues beyond them along its tangents, so that values
    that nobody has seen are not stretched further (Jones & Pewsey, Biometrika 2009, eq. 2). With
    ``skew=0`` and ``tail=1`` it is a straight line.

    A heap is a number that stands for a whole interval of y: from the curve's value there, over
    ``width``; values above it are moved up by ``width``. Where a value is the heap, its y is
    ``middle`` above the interval's lower end.

    >>> Warp("logit", 0.0, 1.0).apply(np.array([0.0, 0.5, 1.0])).round(2)
    array([-4.62,  0.  ,  4.62])
    >>> Warp("log").invert(np.array([0.0, -1e6])) > 0
    array([ True,  True])

    >>> bend = Warp("sinh-arcsinh", 0.0, 10.0, centre=2.0, spread=1.5, skew=0.8, tail=1.1)
    >>> bend.invert(bend.apply(np.array([-3.0, 0.0, 5.0, 20.0]))).round(6)
    array([-3.,  0.,  5., 20.])

    >>> often_two = Warp("sinh-arcsinh", 0.0, 10.0, heap=2.0, width=1.5, middle=0.7)
    >>> often_two.apply(np.array([1.0, 2.0, 3.0]))
    array([1. , 2.7, 4.5])
    >>> often_two.invert(np.array([1.0, 2.1, 3.4, 4.5]))
    array([1., 2., 2., 3.])

    Args:
        kind: "log", "logit" or "sinh-arcsinh".
        lower: the lower bound of a logit, or the least observed value of a sinh-arcsinh.
        upper: the upper bound of a logit, or the greatest observed value of a sinh-arcsinh.
        centre, spread, skew, tail: the parameters of a sinh-arcsinh.
        heap, width, middle: the number of which it has a heap, and how that is mapped.

    Raises:
        ValueError: the kind is unknown, a logit or sinh-arcsinh lacks finite bounds with
            lower < upper, or a heap lies outside of them or has no interval.
    """

    kind: Literal["log", "logit", "sinh-arcsinh"]
    lower: float | None = None
    upper: float | None = None
    centre: float = 0.0
    spread: float = 1.0
    skew: float = 0.0
    tail: float = 1.0
    heap: float | None = None
    width: float = 0.0
    middle: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an unknown kind, a map without a range, and a heap without an interval."""
        if self.kind not in ("log", "logit", "sinh-arcsinh"):
            raise InputError(f"warp is {self.kind!r}; use 'log', 'logit' or 'sinh-arcsinh'.")
        if self.kind != "log" and not (
            self.lower is not None
            and self.upper is not None
            and math.isfinite(self.lower)
            and math.isfinite(self.upper)
            and self.lower < self.upper
        ):
            raise InputError(
                f"the bounds of a {self.kind} are {self.lower} and {self.upper}; give finite "
                "bounds with lower < upper."
            )
        if not (self.spread > 0 and self.tail > 0):
            raise InputError(
                f"spread is {self.spread} and tail is {self.tail}; give positive numbers."
            )
        if self.heap is not None and not (
            self.lower is not None
            and self.upper is not None
            and self.lower < self.heap < self.upper
            and 0 < self.middle < self.width
        ):
            raise InputError(
                f"heap is {self.heap}, width {self.width} and middle {self.middle}; give a heap "
                f"between the bounds {self.lower} and {self.upper}, and 0 < middle < width."
            )

    def apply(self, values: Values) -> Values:
        """Map values from the column's units to the real line, in any shape."""
        if self.kind == "log":
            return np.log(values) if isinstance(values, np.ndarray) else values.log()
        if self.kind == "sinh-arcsinh":
            return self._bent(values)
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
        if self.kind == "sinh-arcsinh":
            return self._unbent(values)
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
        if self.kind == "sinh-arcsinh":
            return np.log(self._slope(np.clip(values, self.lower, self.upper)))
        low, width, margin = self._range()
        # d log(u / (1 - u)) / dv, where u is measured from the lower end and 1 - u from the upper
        below, above = values - low + margin, low + width + margin - values
        return np.log(width + 2 * margin) - np.log(below) - np.log(above)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive a JSON round trip unchanged."""
        if self.kind == "log":
            return {"kind": self.kind}
        if self.kind == "sinh-arcsinh":
            return asdict(self)
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

    def _curve(self, values: Values) -> Values:
        """Return the sinh-arcsinh of values between the bounds."""
        u = (values - self.centre) / self.spread
        if isinstance(u, np.ndarray):
            return np.sinh(self.tail * np.arcsinh(u) - self.skew)
        return (self.tail * u.arcsinh() - self.skew).sinh()

    def _slope(self, values: np.ndarray) -> np.ndarray:
        """Return the derivative of the sinh-arcsinh at values between the bounds."""
        u = (values - self.centre) / self.spread
        bend = self.tail * np.arcsinh(u) - self.skew
        slope: np.ndarray = np.cosh(bend) * self.tail / self.spread / np.sqrt(1 + u**2)
        return slope

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the curve and its slope at both bounds."""
        ends = np.array([self.lower, self.upper])
        return self._curve(ends), self._slope(ends)

    def _bent(self, values: Values) -> Values:
        """Map by the curve between the bounds and by its tangents beyond them."""
        slope = self._ends()[1]
        assert self.lower is not None  # checked by __post_init__
        assert self.upper is not None
        within = values.clip(self.lower, self.upper)
        beyond = values - within
        bent: Values = (
            self._curve(within) + beyond.clip(None, 0) * slope[0] + beyond.clip(0, None) * slope[1]
        )
        if self.heap is None:
            return bent
        near = abs(values - self.heap) <= self._same()
        return bent + self.middle * near + self.width * ((values > self.heap) & ~near)

    def _unbent(self, values: Values) -> Values:
        """Invert :meth:`_bent`."""
        at, slope = self._ends()
        heap, in_heap = self.heap, None
        if heap is not None:
            low, high = self.interval()
            in_heap = (values > low) & (values < high)
            values = values - self.width * (values >= high)
        within = values.clip(at[0], at[1])
        beyond = values - within
        if isinstance(within, np.ndarray):
            u = np.sinh((np.arcsinh(within) + self.skew) / self.tail)
        else:
            u = ((within.arcsinh() + self.skew) / self.tail).sinh()
        inside = (self.centre + self.spread * u).clip(self.lower, self.upper)
        found: Values = inside + beyond.clip(None, 0) / slope[0] + beyond.clip(0, None) / slope[1]
        if heap is None or in_heap is None:
            return found
        if isinstance(found, np.ndarray):
            return np.where(in_heap, np.asarray(heap, found.dtype), found)
        return found.masked_fill(in_heap, heap)

    def interval(self) -> tuple[float, float]:
        """Return the ends of the interval of y that the heap stands for."""
        assert self.heap is not None
        start = float(self._curve(np.array([self.heap]))[0])
        return start, start + self.width

    def _same(self) -> float:
        """Return how far a value may be from the heap, by rounding."""
        return 1e-5 * self.spread
