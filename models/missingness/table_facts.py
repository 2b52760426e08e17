"""What a description of a mechanism says about the table: its names, units and complete columns."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ...data import IncompleteData, Standardiser
from ...data.columns.constants import varying_of
from ...data.columns.row_numbers import row_numbers
from ..fitted import Fit


@dataclass(frozen=True)
class TableFacts:
    """The facts about a table that a description of a mechanism uses.

    Attributes:
        columns: the names of the columns that the mechanism is about.
        scaler: their standardisation, or None where it is not known.
        complete: the columns that are never missing, or None where the data are not known.
        shadows: the complete columns that may be shadow variables: all of them except those that
            number the rows. None where the data are not known.
        identification: what :func:`absentia.check.check_identification` found, or None.
        odds: the posterior probabilities of the forms of each column's mechanism, or None.
    """

    columns: tuple[str, ...]
    scaler: Standardiser | None = None
    complete: tuple[str, ...] | None = None
    shadows: tuple[str, ...] | None = None
    identification: pd.DataFrame | None = None
    odds: pd.DataFrame | None = None


def facts_of(like: IncompleteData | Fit | None, num_columns: int | None) -> TableFacts:
    """Collect what is known about a table from the data, from a fit, or from neither.

    Args:
        like: the data or a fit; constant columns, which no model describes, are left out.
        num_columns: the number of columns of the mechanism, where it has recorded one.

    >>> facts_of(None, 2).columns
    ('x0', 'x1')
    """
    if like is None:
        return TableFacts(tuple(f"x{j}" for j in range(num_columns or 0)) or ("x_j",))
    layout = varying_of(like, num_columns)
    if not isinstance(like, IncompleteData):
        return TableFacts(
            layout.columns, layout.scaler, identification=like.identification, odds=like.odds
        )
    observed = like.part(layout.columns).s.all(0).tolist()
    complete = tuple(n for n, whole in zip(layout.columns, observed, strict=True) if whole)
    return TableFacts(tuple(layout.columns), layout.scaler, complete, shadows_among(complete, like))


def shadows_among(complete: tuple[str, ...], data: IncompleteData) -> tuple[str, ...]:
    """List the complete columns that may be shadow variables: those that do not number the rows."""
    numbers = row_numbers(data)
    return tuple(name for name in complete if name not in numbers)
