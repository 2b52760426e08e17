"""Names of columns and rows, given, taken from earlier data, or counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from .numeric import column_names
from .standardiser import Standardiser


class Layout(Protocol):
    """What ``like=`` reads: another container, or a fitted model that kept these two."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in the order of training."""

    @property
    def scaler(self) -> Standardiser:
        """The standardisation of training."""


def names_for(p: int, columns: Sequence[Any] | None, like: Layout | None) -> tuple[str, ...]:
    """Names of ``p`` columns: those given, else those of ``like``, else x0, x1, ...

    Raises:
        ValueError: not ``p`` names, or a name occurs twice.
    """
    if columns is None and like is not None:
        if len(like.columns) != p:
            raise ValueError(f"values have {p} columns but `like` has {len(like.columns)}.")
        return tuple(like.columns)
    names = column_names(columns if columns is not None else (f"x{j}" for j in range(p)))
    if len(names) != p:
        raise ValueError(f"{len(names)} column names were given for {p} columns.")
    return names


def labels_for(n: int, index: Any) -> pd.Index:
    """Labels of ``n`` rows: those given, else 0, 1, ..."""
    labels: pd.Index = pd.RangeIndex(n) if index is None else pd.Index(index)
    if len(labels) != n:
        raise ValueError(f"{len(labels)} row labels were given for {n} rows.")
    return labels
