"""The benchmark of mechanisms: how methods do where absence has one cause or another."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from .cases import case_of
from .cell_intervals import cell_intervals, intervals_table
from .imputers import completed
from .ratios import mechanisms_table, ratios
from .scores import scores_of
from .shares import shares, shares_table


def mechanisms(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score one method on one real table under one mechanism of absence.

    Raises:
        InputError: for a table, a mechanism or a method that is not known.
    """
    case = case_of(configuration)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a fit warns of is recorded in its result
        found = completed(configuration, case)
    return {
        "rows": len(case.truth),
        "missing_cells": int(case.missing.sum()),
        "metrics": scores_of(case, found),
        **found.extra,
    }


__all__ = [
    "cell_intervals",
    "intervals_table",
    "mechanisms",
    "mechanisms_table",
    "ratios",
    "shares",
    "shares_table",
]
