"""Numbers that are codes (yes and no, grades, answers on a scale) or shares."""

from __future__ import annotations

from typing import Any

import numpy as np

#: fewer values show nothing
_FEWEST = 20
_MOST_GRADES = 11


def code_kind(values: np.ndarray) -> str | None:
    """Return the kind of finite numbers (m,) that are codes or shares, None for other numbers.

    Two whole numbers side by side are "binary"; all whole numbers from 0, 1 or 2 up to at most 10
    more are "ordinal", if the largest is no rarity (of a count it is one); numbers in [0, 1] that
    reach over half of it are "bounded".

    >>> code_kind(np.array([0.0, 1.0] * 10)), code_kind(np.arange(60.0) % 5 + 1)
    ('binary', 'ordinal')
    >>> code_kind(np.linspace(0.01, 0.9, 30)), code_kind(np.arange(60.0))
    ('bounded', None)
    """
    if len(values) < _FEWEST or not np.isfinite(values).all():
        return None
    low, high = float(values.min()), float(values.max())
    if (values != np.floor(values)).any():
        return "bounded" if low >= 0 and high <= 1 and high - low > 0.5 else None
    distinct = np.unique(values)
    if len(distinct) != high - low + 1 or not 0 <= low <= 2 or len(distinct) > _MOST_GRADES:
        return None
    if len(distinct) == 2:
        return "binary"
    rare = min(0.1, 0.5 / len(distinct)) if low == 0 else 0.03
    return "ordinal" if len(distinct) > 2 and (values == high).mean() >= rare else None


def declaration_of(kind: str) -> Any:
    """Write the schema declaration of columns that :func:`code_kind` found."""
    return {"kind": kind, "lower": 0, "upper": 1} if kind == "bounded" else kind
