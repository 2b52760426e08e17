"""Numbers that are codes (yes and no, grades, answers on a scale) or shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from .number_facts import ArrayFacts, NumberFacts

#: the number of values below which nothing is concluded
_FEWEST = 20
_MOST_GRADES = 11


def code_kind(values: np.ndarray) -> str | None:
    """Return the kind of numbers (m,) that are codes or shares, or None for other numbers.

    Two successive whole numbers are "binary". Whole numbers that start at 0, 1 or 2, leave none out
    and have at most 11 values are "ordinal", unless the largest is rare, as it is in a count.
    Numbers in [0, 1] that cover more than half of this range are "bounded".

    >>> code_kind(np.array([0.0, 1.0] * 10)), code_kind(np.arange(60.0) % 5 + 1)
    ('binary', 'ordinal')
    >>> code_kind(np.linspace(0.01, 0.9, 30)), code_kind(np.arange(60.0))
    ('bounded', None)
    """
    return code_kind_of(ArrayFacts(values))


def code_kind_of(facts: NumberFacts) -> str | None:
    """Return the kind of numbers of which these facts are known, as :func:`code_kind` does."""
    if facts.count < _FEWEST or not facts.finite:
        return None
    low, high = facts.low, facts.high
    if not facts.whole:
        return "bounded" if low >= 0 and high <= 1 and high - low > 0.5 else None
    if not 0 <= low <= 2 or high - low >= _MOST_GRADES or facts.distinct != high - low + 1:
        return None
    distinct = facts.distinct
    if distinct == 2:
        return "binary"
    rare = min(0.1, 0.5 / distinct) if low == 0 else 0.03
    return "ordinal" if distinct > 2 and facts.share_of_high >= rare else None


def declaration_of(kind: str) -> Any:
    """Return the declaration for ``schema=`` of a column whose kind :func:`code_kind` found."""
    return {"kind": kind, "lower": 0, "upper": 1} if kind == "bounded" else kind
