"""Settings by column, restricted to the columns that have values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ...data import Column, Schema, infer_schema
from ...data.columns.column import LEVELLED
from ...data.columns.levels import plain
from ...data.columns.types import column_names
from ...data.errors import InputError
from ...models import Missingness
from ...models.missingness.formula.declaration import Declared, declared
from ...models.zoo.mechanism_names import MISSINGNESS
from .markers import nearest


def of_kept(given: Any, what: str, names: Sequence[str], kept: Sequence[str]) -> Any:
    """Select from a setting by column what belongs to the columns that are kept.

    Args:
        given: a mapping by column, a sequence with one entry per column, or one value for all.
        what: the name of the setting in error messages.
        names: the names of all columns.
        kept: the names of the columns that have values.

    Raises:
        ValueError: a column that the table does not have.
    """
    if isinstance(given, Mapping):
        for name in given:
            if str(name) not in names:
                raise InputError(
                    f"{what} names column {str(name)!r}, which the table does not have"
                    f"{nearest(name, names)}"
                )
        return {name: value for name, value in given.items() if str(name) in kept}
    entries = isinstance(given, Iterable) and not isinstance(given, str)
    if entries and len(given) == len(names) and len(kept) < len(names):
        return [value for name, value in zip(names, given, strict=True) if name in kept]
    return given


def missingness_of_kept(what: Any, names: Sequence[str], kept: Sequence[str]) -> Any:
    """Return the mechanisms of the kept columns, or ``"ignorable"`` where none is left."""
    if isinstance(what, Mapping):
        what = of_kept(what, "missingness", names, kept) or "ignorable"
    named = isinstance(what, str) and (what in MISSINGNESS or "~" not in what)
    if named or isinstance(what, Missingness) or len(kept) == len(names):
        return what
    if not isinstance(what, str | Mapping | Sequence | Declared):
        return what  # the model says what it is and what it should be
    whole = declared(what)
    columns = tuple(c for c in whole.columns if c.column in kept or c.column not in names)
    return replace(whole, columns=columns) if columns else "ignorable"


def covariates_of_kept(given: Any, names: Sequence[str], empty: Any) -> list[str]:
    """Name the columns that are not modelled.

    Raises:
        ValueError: for what is no list, a column that the table does not have, or one without any
            value.
    """
    if isinstance(given, str):
        raise InputError(f"covariates is {given!r}; give a list of names")
    chosen = list(map(str, given))
    for name in chosen:
        if name not in names:
            raise InputError(f"covariate {name!r} is no column of the table{nearest(name, names)}")
        if empty[list(names).index(name)]:
            raise InputError(
                f"covariate {name!r} has no value in these rows; a covariate must be complete"
            )
    return chosen


def schema_of_kept(schema: Any, frame: pd.DataFrame, names: Sequence[str]) -> Any:
    """Return the kept columns' schema, in which all categories of a dtype are levels.

    Args:
        schema: as for :meth:`absentia.IncompleteData.from_frame`.
        frame: the kept columns.
        names: the names of all columns.
    """
    kept = column_names(frame.columns)
    if isinstance(schema, Schema):
        return schema.select([name for name in schema.names if name in kept or name not in names])
    known = _categories(frame, kept)
    if isinstance(schema, str) and schema == "infer":
        return infer_schema(frame, known)
    if schema is None:
        return known or None
    if not isinstance(schema, Mapping):
        return schema  # refused where it is read
    given = {str(k): v for k, v in of_kept(schema, "schema", names, kept).items()}
    for name, column in known.items():
        if name in given:
            given[name] = _with_levels(given[name], column)
    return {**known, **given}


def _categories(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Column]:
    """Return the columns of a categorical dtype some of whose categories do not occur."""
    found: dict[str, Column] = {}
    for j, name in enumerate(names):
        series = frame.iloc[:, j]
        if not isinstance(series.dtype, pd.CategoricalDtype):
            continue
        levels = tuple(plain(v) for v in series.cat.categories)
        if series.nunique() < len(levels):
            kind: Any = "binary" if len(levels) == 2 else "categorical"
            kind = "ordinal" if series.cat.ordered else kind
            why = "dtype category, all of its categories"
            found[name] = Column(name, kind, levels, dtype=str(series.dtype), why=why)
    return found


def _with_levels(declaration: Any, column: Column) -> Any:
    """Add all categories of the dtype to a declared kind of levels, if it does not list them."""
    details = {"kind": declaration} if isinstance(declaration, str) else declaration
    says_more = not isinstance(details, Mapping) or "levels" in details
    if says_more or details.get("kind") not in LEVELLED:
        return declaration
    if details["kind"] == "ordinal" and column.kind != "ordinal":
        return declaration  # an order that the dtype does not have is asked for
    if details["kind"] == "binary" and len(column.levels) != 2:
        return declaration
    return {**details, "levels": list(column.levels)}
