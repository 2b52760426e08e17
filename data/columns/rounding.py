"""Numbers that differ by no more than the rounding of their arithmetic."""

from __future__ import annotations

import numpy as np

#: numbers that differ by less than this share of their size differ only by rounding
ROUNDING = 1e-9


def nearly_constant(values: np.ndarray) -> bool:
    """Whether numbers (m,) differ by no more than the rounding of their arithmetic."""
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):  # a difference to infinity is never above infinity
        return False
    return bool(high - low <= ROUNDING * max(abs(low), abs(high)))
