"""Columns that number the rows of a table, so that any association with them is due to chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .suspects import identifiers

if TYPE_CHECKING:
    from ..incomplete import IncompleteData

_LOOKED_AT = 2_000  # this many rows are enough to recognise an identifier


def row_numbers(data: IncompleteData) -> set[str]:
    """Name the columns of numbers that look like identifiers (:func:`.suspects.suspects`).

    >>> from absentia import IncompleteData
    >>> frame = pd.DataFrame({"patient": range(10_001, 10_031), "age": [30.5, 41, 28] * 10})
    >>> row_numbers(IncompleteData.from_frame(frame))
    {'patient'}
    """
    frame = pd.DataFrame(data.values[:_LOOKED_AT], columns=list(data.columns))
    numbers = [column.name for column in data.schema if column.kind in ("continuous", "count")]
    return set(identifiers(frame[numbers])) if numbers else set()
