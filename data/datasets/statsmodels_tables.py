"""Real, complete tables of statsmodels, with columns of several kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..errors import InputError, NotInstalledError


@dataclass(frozen=True)
class MixedSource:
    """How a table of statsmodels is read.

    Attributes:
        rows: the number of rows.
        schema: the kinds that dtypes do not tell, by column.
        ordered: columns of ordered categories.
        nominal: columns of categories without an order.
        booleans: columns of booleans.
        integers: columns of whole numbers.
        left_out: columns that are left out.
        derived: functions that compute further columns from the table, by name.
    """

    rows: int
    schema: dict[str, Any]
    ordered: tuple[str, ...] = ()
    nominal: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    derived: dict[str, Callable[[pd.DataFrame], pd.Series[Any]]] = field(default_factory=dict)


SOURCES = {
    # American National Election Study 1996
    "anes96": MixedSource(
        944,
        {"TVnews": {"kind": "count", "top": 7}, "income": {"kind": "count", "top": 24}},
        ordered=("selfLR", "ClinLR", "DoleLR", "PID", "educ"),
        booleans=("vote",),
        integers=("TVnews", "income"),
        left_out=("popul",),  # it repeats logpopul
    ),
    # Fair's study of extramarital affairs (Redbook, 1974)
    "fair": MixedSource(
        6366,
        {},
        ordered=("rate_marriage", "religious"),
        nominal=("occupation", "occupation_husb"),
        booleans=("any_affair",),
        left_out=("affairs",),
        derived={"any_affair": lambda table: table["affairs"] > 0},
    ),
    # RAND Health Insurance Experiment
    "randhie": MixedSource(
        20190,
        {"mdvis": {"kind": "count", "top": 100}},
        ordered=(),
        booleans=("idp", "hlthg", "hlthf", "hlthp"),
        integers=("mdvis",),
    ),
}


def names() -> tuple[str, ...]:
    """List the names that :func:`load` can load.

    >>> names()
    ('anes96', 'fair', 'randhie')
    """
    return tuple(sorted(SOURCES))


def load(name: str) -> pd.DataFrame:
    """Load a real table with categories (ordered or not), booleans, counts and numbers.

    >>> load("anes96")["educ"].cat.ordered
    True

    Args:
        name: anes96 (944 x 10), fair (6366 x 9) or randhie (20190 x 10); see statsmodels.datasets
            for a description of the columns.

    Raises:
        ValueError: the name is unknown, or the table is not the one that this package knows.
        ImportError: statsmodels is not installed.
    """
    if name not in SOURCES:
        raise InputError(f"{name!r} is not a known table; choose from {', '.join(names())}.")
    try:
        from statsmodels import datasets
    except ImportError as error:
        raise NotInstalledError(
            f"{name!r} comes with statsmodels; pip install 'absentia[experiments]'."
        ) from error
    source = SOURCES[name]
    table = getattr(datasets, name).load_pandas().data.copy()
    if len(table) != source.rows:
        raise InputError(
            f"{name!r} has {len(table)} rows, expected {source.rows}; install another statsmodels."
        )
    for column, make in source.derived.items():
        table[column] = make(table)
    table = table.drop(columns=list(source.left_out))
    for column in (*source.ordered, *source.nominal):
        whole = table[column].astype(int)
        table[column] = pd.Categorical(whole, sorted(whole.unique()), column in source.ordered)
    for column in source.booleans:
        table[column] = table[column].astype(bool).astype("boolean")
    for column in source.integers:
        table[column] = table[column].astype(int).astype("Int64")
    return table


def schema(name: str) -> dict[str, Any]:
    """Return the kinds that dtypes do not tell, for ``IncompleteData.from_frame(schema=...)``."""
    return dict(SOURCES[name].schema)
