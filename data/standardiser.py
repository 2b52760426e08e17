"""Standardisation of columns, which are warped, centred and scaled by their observed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from .columns.warps import Warp
from .errors import InputError

Values = TypeVar("Values", np.ndarray, torch.Tensor)


@dataclass(frozen=True, eq=False)
class Standardiser:
    """The map ``(warp(x) - center) / scale`` of each column; most columns have no warp.

    >>> values = np.array([[1.0, 5.0], [3.0, np.nan]])
    >>> scaler = Standardiser.from_observed(values, ~np.isnan(values))
    >>> scaler.center
    array([2., 5.])
    >>> scaler.invert(scaler.apply(values))
    array([[ 1.,  5.],
           [ 3., nan]])

    Args:
        center: (p,) float64 centre of each column, in its own units or those of its warp.
        scale: (p,) float64 positive scale of each column, in the same units.
        warps: p maps to the real line, None for columns that are not warped; by default no column
            is warped.

    Raises:
        ValueError: shapes differ, a number is not finite, or a scale is not positive.
    """

    center: np.ndarray
    scale: np.ndarray
    warps: tuple[Warp | None, ...] = ()

    def __post_init__(self) -> None:
        """Copy to float64 and refuse a map that has no inverse."""
        center = np.array(self.center, dtype=np.float64)
        scale = np.array(self.scale, dtype=np.float64)
        if center.ndim != 1 or center.shape != scale.shape:
            raise InputError(
                f"center has shape {center.shape} and scale {scale.shape}; give both the shape "
                "(p,)."
            )
        if not np.isfinite(center).all():
            raise InputError("center is not finite in every column; give finite numbers.")
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise InputError("scale is not finite and positive in every column; give such numbers.")
        warps = tuple(self.warps) or (None,) * len(center)
        if len(warps) != len(center):
            raise InputError(
                f"{len(warps)} warps were given for {len(center)} columns; give one for each "
                "column."
            )
        object.__setattr__(self, "warps", warps)
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "scale", scale)

    @classmethod
    def from_observed(
        cls,
        values: np.ndarray,
        mask: np.ndarray,
        *,
        warps: Sequence[Warp | None] = (),
        unscaled: np.ndarray | None = None,
    ) -> Standardiser:
        """Use the mean and standard deviation (ddof 1) of each column's observed, warped values.

        A column whose observed values are all equal gets scale 1, so that it becomes 0.

        Args:
            values: (n, p) in original units; missing entries are ignored.
            mask: (n, p) boolean, True where observed.
            warps: p maps to the real line or None; by default no column is warped.
            unscaled: (p,) booleans, True for columns that keep center 0 and scale 1 (codes and
                counts).

        Raises:
            ValueError: a column has no observed value.
        """
        values = np.asarray(values, dtype=np.float64)
        p = values.shape[1]
        center, scale = np.zeros(p), np.ones(p)
        for j in range(p):
            observed = values[mask[:, j], j]
            if observed.size == 0:
                raise InputError(
                    f"column {j} has no observed value to standardise by; drop the column."
                )
            if unscaled is not None and unscaled[j]:
                continue
            warp = warps[j] if warps else None
            observed = observed if warp is None else warp.apply(observed)
            # The mean of equal numbers may be rounded, so their sd need not be exactly 0.
            if observed.min() == observed.max():
                center[j] = observed[0]
                continue
            # Values are divided first, so that squares of very large or small ones fit float64.
            unit = np.abs(observed).max()
            center[j] = unit * np.mean(observed / unit)
            deviation = observed / unit - center[j] / unit
            widest = np.abs(deviation).max()
            sd = widest * np.sqrt(np.sum((deviation / widest) ** 2) / (observed.size - 1))
            scale[j] = max(unit * sd, np.finfo(np.float64).tiny)
        return cls(center, scale, tuple(warps))

    @classmethod
    def identity(cls, p: int, warps: Sequence[Warp | None] = ()) -> Standardiser:
        """Make the map that neither moves nor scales any of ``p`` columns."""
        return cls(np.zeros(p), np.ones(p), tuple(warps))

    @property
    def linear(self) -> np.ndarray:
        """Booleans (p,), True for columns without a warp."""
        return np.array([warp is None for warp in self.warps], dtype=bool)

    def select(self, places: Sequence[int]) -> Standardiser:
        """Select the map of the columns at these positions."""
        chosen = list(places)
        warps = tuple(self.warps[j] for j in chosen)
        return Standardiser(self.center[chosen], self.scale[chosen], warps)

    def apply(self, values: Values) -> Values:
        """Standardise an array (in float64) or a tensor (in its own dtype) of shape (..., p)."""
        center, scale = self._like(values)
        return (self._warped(values, "apply", range(len(self.warps))) - center) / scale

    def invert(self, values: Values) -> Values:
        """Convert standardised values of shape (..., p) to original units."""
        center, scale = self._like(values)
        return self._warped(values * scale + center, "invert", range(len(self.warps)))

    def log_slope(self, values: np.ndarray) -> np.ndarray:
        """Return the log derivative of the map at values (..., p) in original units.

        Adding it to a log-density of standardised values gives one of values in original units.

        >>> Standardiser(np.array([1.0]), np.array([2.0])).log_slope(np.array([[7.0]])).round(3)
        array([[-0.693]])
        """
        slopes = np.broadcast_to(-np.log(self.scale), values.shape).copy()
        for j, warp in enumerate(self.warps):
            if warp is not None:
                slopes[..., j] += warp.log_slope(values[..., j])
        return slopes

    def standardise_cells(self, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Standardise single cells (M,) of these columns; the inverse of :meth:`invert_cells`."""
        result = (values - self.center[columns]) / self.scale[columns]
        for j, warp in enumerate(self.warps):
            mine = columns == j
            if warp is not None and mine.any():
                warped = warp.apply(values[mine])
                result[mine] = (warped - self.center[j]) / self.scale[j]
        return result

    def invert_cells(
        self, values: Values, columns: Sequence[int] | np.ndarray | torch.Tensor
    ) -> Values:
        """Convert single standardised cells to original units.

        >>> scaler = Standardiser(np.array([0.0, 5.0]), np.array([1.0, 2.0]))
        >>> scaler.invert_cells(np.array([1.0, 1.0, 2.0]), [0, 1, 1])
        array([1., 7., 9.])

        Args:
            values: (..., M), standardised.
            columns: (M,) the column to which each cell belongs.

        Raises:
            ValueError: the number of cells is not that of columns.
        """
        where = np.asarray(torch.as_tensor(columns).cpu(), dtype=np.intp)
        if values.ndim == 0 or where.ndim != 1 or values.shape[-1] != len(where):
            raise InputError(
                f"values have shape {tuple(values.shape)} and columns {where.shape}; give one "
                "column "
                "for each cell in the last dimension."
            )
        center, scale = self._like(values, where)
        result = values * scale + center
        for j in np.unique(where):
            warp = self.warps[j]
            if warp is not None:
                mine = where == j  # one call for all cells of a column
                result[..., mine] = warp.invert(result[..., mine])
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists that survive a JSON round trip; "warps" only if there are any."""
        state: dict[str, Any] = {"center": self.center.tolist(), "scale": self.scale.tolist()}
        if not self.linear.all():
            state["warps"] = [None if warp is None else warp.to_dict() for warp in self.warps]
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Standardiser:
        """Rebuild the map from the result of :meth:`to_dict`."""
        warps = state.get("warps") or ()
        return cls(
            np.asarray(state["center"]),
            np.asarray(state["scale"]),
            tuple(None if warp is None else Warp.from_dict(warp) for warp in warps),
        )

    def _like(self, values: Values, columns: np.ndarray | None = None) -> tuple[Values, Values]:
        """Return centre and scale of all columns, or of these, as the values are given."""
        chosen = slice(None) if columns is None else columns
        center, scale = self.center[chosen], self.scale[chosen]
        p = len(center)
        if values.ndim == 0 or values.shape[-1] != p:
            raise InputError(
                f"values have shape {tuple(values.shape)}; give {p} columns in the last dimension."
            )
        if isinstance(values, torch.Tensor):
            # In an integer dtype the center would be truncated, so the default float dtype is used.
            dtype = values.dtype if values.is_floating_point() else torch.get_default_dtype()
            return (
                torch.as_tensor(center, dtype=dtype, device=values.device),
                torch.as_tensor(scale, dtype=dtype, device=values.device),
            )
        return center, scale

    def _warped(
        self, values: Values, direction: Literal["apply", "invert"], columns: Sequence[int] | range
    ) -> Values:
        """Apply the warp of each column, or its inverse."""
        if all(self.warps[j] is None for j in columns):
            return values
        result = values.copy() if isinstance(values, np.ndarray) else values.clone()
        for j in columns:
            warp = self.warps[j]
            if warp is not None:
                part = values[..., j]
                result[..., j] = warp.apply(part) if direction == "apply" else warp.invert(part)
        return result
