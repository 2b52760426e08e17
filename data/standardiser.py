"""Centring and scaling of columns by what was observed in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

Values = TypeVar("Values", np.ndarray, torch.Tensor)


@dataclass(frozen=True, eq=False)
class Standardiser:
    """The affine map ``(x - center) / scale`` of each column.

    >>> values = np.array([[1.0, 5.0], [3.0, np.nan]])
    >>> scaler = Standardiser.from_observed(values, ~np.isnan(values))
    >>> scaler.center
    array([2., 5.])
    >>> scaler.invert(scaler.apply(values))
    array([[ 1.,  5.],
           [ 3., nan]])

    Args:
        center: (p,) float64, in the column's own units.
        scale: (p,) float64, positive, in the column's own units.

    Raises:
        ValueError: shapes differ, a number is not finite or a scale is not positive.
    """

    center: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        """Copy to float64 and refuse a map that has no inverse."""
        center = np.array(self.center, dtype=np.float64)
        scale = np.array(self.scale, dtype=np.float64)
        if center.ndim != 1 or center.shape != scale.shape:
            raise ValueError(
                f"center has shape {center.shape} and scale {scale.shape}; both must be (p,)."
            )
        if not np.isfinite(center).all():
            raise ValueError("center must be finite in every column.")
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError("scale must be finite and positive in every column.")
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "scale", scale)

    @classmethod
    def from_observed(cls, values: np.ndarray, mask: np.ndarray) -> Standardiser:
        """Mean and standard deviation (ddof 1) of each column's observed entries.

        A column whose observed entries are all equal gets scale 1 and so becomes 0.

        Args:
            values: (n, p) in original units; entries outside the mask are not read.
            mask: (n, p) boolean, True where observed.

        Raises:
            ValueError: a column has no observed entry.
        """
        values = np.asarray(values, dtype=np.float64)
        p = values.shape[1]
        center, scale = np.zeros(p), np.ones(p)
        for j in range(p):
            observed = values[mask[:, j], j]
            if observed.size == 0:
                raise ValueError(f"column {j} has no observed value to standardise by; drop it.")
            # Comparing, not sd == 0: the mean of equal numbers is rounded and leaves a tiny sd.
            if observed.min() == observed.max():
                center[j] = observed[0]
                continue
            # Dividing first keeps squares of very large or small units inside float64.
            unit = np.abs(observed).max()
            center[j] = unit * np.mean(observed / unit)
            deviation = observed / unit - center[j] / unit
            widest = np.abs(deviation).max()
            sd = widest * np.sqrt(np.sum((deviation / widest) ** 2) / (observed.size - 1))
            scale[j] = max(unit * sd, np.finfo(np.float64).tiny)
        return cls(center, scale)

    @classmethod
    def identity(cls, p: int) -> Standardiser:
        """The map that changes nothing, for ``p`` columns."""
        return cls(np.zeros(p), np.ones(p))

    def apply(self, values: Values) -> Values:
        """Standardise an array (in float64) or a tensor (in its own dtype) of shape (..., p)."""
        center, scale = self._like(values)
        return (values - center) / scale

    def invert(self, values: Values) -> Values:
        """Return from standardised to original units; the shape (..., p) is kept."""
        center, scale = self._like(values)
        return values * scale + center

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists, exact under a JSON round trip."""
        return {"center": self.center.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Standardiser:
        """The inverse of :meth:`to_dict`."""
        return cls(np.asarray(state["center"]), np.asarray(state["scale"]))

    def _like(self, values: Values) -> tuple[Values, Values]:
        p = self.center.shape[0]
        if values.ndim == 0 or values.shape[-1] != p:
            raise ValueError(f"values have shape {tuple(values.shape)}; the last must be {p}.")
        if isinstance(values, torch.Tensor):
            # Integers would truncate the center; standardised values are never integers.
            dtype = values.dtype if values.is_floating_point() else torch.get_default_dtype()
            return (
                torch.as_tensor(self.center, dtype=dtype, device=values.device),
                torch.as_tensor(self.scale, dtype=dtype, device=values.device),
            )
        return self.center, self.scale
