"""Inference of the kind of a column from a declaration, its dtype or its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from ..errors import InputError
from .codes import code_kind_of
from .column import KINDS, LARGEST_COUNT, LEVELLED, Column, Kind, Level
from .dates import TICKS, start_of_day
from .levels import plain
from .number_facts import ArrayFacts, NumberFacts
from .present import Present
from .types import row_name

#: the name of a kind, a mapping with the kind and its details, or a whole column
Declaration = str | Mapping[str, Any] | Column

#: text with more distinct values is taken for names rather than for categories
MOST_STRINGS = 50
_DETAILS = ("kind", "levels", "lower", "upper", "top")
_DAY = 86_400


def column_of(
    present: Present,
    declared: Declaration | None = None,
    by: Literal["dtype", "values"] = "values",
) -> Column:
    """Infer what a column is, see :func:`absentia.data.infer_schema`.

    Whether the values agree with a declared kind is found out where they are encoded.
    """
    if declared is not None:
        return _declared(present, declared)
    found, name, dtype = present.family, present.name, present.dtype
    if found == "empty":
        return Column(name, "continuous", dtype=dtype, why="no observed value")
    if found == "booleans":
        return Column(name, "binary", levels=(False, True), dtype=dtype, why=f"dtype {dtype}")
    if found == "categories":
        return _of_categories(present)
    if found == "text":
        return _of_text(present)
    if found == "dates":
        return _of_dates(present, f"dtype {dtype}")
    if found == "durations":
        return Column(name, "continuous", dtype=dtype, why=f"dtype {dtype}, in seconds")
    if by == "values":
        return _of_numbers(present)
    return Column(name, "continuous", dtype=dtype, why=f"dtype {dtype}")


def checked_declaration(name: str, declared: Declaration) -> dict[str, Any]:
    """Return a declaration as a mapping with the key "kind".

    Raises:
        ValueError: the kind or a detail is unknown.
    """
    if isinstance(declared, Column):
        return {k: v for k, v in declared.to_dict().items() if k in _DETAILS}
    details = {"kind": declared} if isinstance(declared, str) else declared
    where = f"column {name!r}"
    if not isinstance(details, Mapping):
        raise InputError(
            f"{where} is declared as {declared!r}; give the name of a kind, or a mapping with "
            f"'kind' and, where the kind needs them, {', '.join(_DETAILS[1:])}."
        )
    unknown = [key for key in details if key not in _DETAILS]
    if unknown:
        raise InputError(
            f"{where}: the declaration has {unknown[0]!r}; it may have {', '.join(_DETAILS)}."
        )
    if details.get("kind") not in KINDS:
        raise InputError(
            f"{where}: kind {details.get('kind')!r} is unknown; give one of {', '.join(KINDS)}."
        )
    return dict(details)


def _declared(present: Present, declared: Declaration) -> Column:
    found, name, dtype = present.family, present.name, present.dtype
    if isinstance(declared, Column):
        if declared.name != name:
            raise InputError(
                f"column {name!r} is declared by a Column named {declared.name!r}; give it the "
                "same "
                "name."
            )
        if declared.kind == "datetime" and declared.origin is None and found == "dates":
            return _of_dates(present, declared.why)
        return replace(declared, dtype=dtype)
    details = checked_declaration(name, declared)
    kind = cast(Kind, details.pop("kind"))
    if kind == "datetime":
        if details:
            raise InputError(f"column {name!r}: dates have no {next(iter(details))!r}; drop it.")
        if found not in ("dates", "empty"):
            raise present.refused(found, "convert it with pd.to_datetime")
        return _of_dates(present, "declared")
    if found == "dates":
        raise InputError(
            f"column {name!r} holds dates, but is declared {kind!r}; declare it 'datetime'."
        )
    if kind in LEVELLED:
        if "levels" in details:
            details["levels"] = tuple(map(plain, _as_list(name, details["levels"])))
        else:
            details["levels"] = _levels(present, kind)
    elif found in ("text", "categories", "booleans"):
        remedy = f"{kind} values are numbers: declare it 'categorical', convert it"
        raise present.refused(found, remedy)
    if kind == "count" and "top" not in details:
        details["top"] = _top(present)
    return Column(name, kind, dtype=dtype, why="declared", **details)


def _as_list(name: str, levels: Any) -> list[Any]:
    if isinstance(levels, list | tuple | np.ndarray | pd.Index):
        return list(levels)
    raise InputError(f"column {name!r}: levels are {levels!r}; give a list of values.")


def _levels(present: Present, kind: Kind) -> tuple[Level, ...]:
    found, name = present.family, present.name
    if found == "booleans":
        return (False, True)
    if found == "empty":
        raise InputError(
            f"column {name!r} has no observed value from which levels could be inferred; give "
            "levels=[...], or drop the column."
        )
    values = present.distinct[1]
    words = any(isinstance(v, str) for v in values)
    if found != "categories" or (kind == "ordinal" and not present.series.cat.ordered):
        if kind == "ordinal" and words:
            raise InputError(
                f"column {name!r} is declared ordinal, but text has no order of its own; give "
                f"levels=[...], from lowest to highest, of {', '.join(map(repr, values[:10]))}."
            )
        values = sorted(values, key=lambda v: (str(v), 0) if words else ("", v))
    if kind == "binary":
        if set(values) <= {0, 1} and not words:
            return (False, True) if any(isinstance(v, bool) for v in values) else (0, 1)
        if len(values) != 2:
            raise InputError(
                f"column {name!r} is declared binary, but holds {len(values)} distinct values "
                f"({', '.join(map(repr, values[:3]))}); declare it 'categorical', or give its two "
                "levels."
            )
    return tuple(values)


def _top(present: Present) -> int:
    if present.family == "empty":
        return 10
    values, name, index = present.numbers, present.name, present.series.index
    bad = np.flatnonzero((values < 0) | (np.floor(values) < values))
    if bad.size:
        raise InputError(
            f"column {name!r}, row {row_name(index, bad[0])}: got {values[bad[0]]:g}, but "
            "counts are whole numbers from 0 on; declare the column 'positive' or 'continuous'."
        )
    largest = float(np.nanmax(values))
    if largest > LARGEST_COUNT:
        i = int(np.nanargmax(values))
        raise InputError(
            f"column {name!r}, row {row_name(index, i)}: got {largest:g}, but counts may "
            f"be at most {LARGEST_COUNT}; declare the column 'positive' or 'continuous'."
        )
    return _top_above(largest)


def _top_above(largest: float) -> int:
    return int(max(2 * largest, largest + 10))


def _of_categories(present: Present) -> Column:
    # Categories that do not occur are no levels, since nothing could be learnt about them; the
    # dtype of the given series keeps them for the completed table.
    name, dtype, levels = present.name, present.dtype, tuple(present.distinct[1])
    if present.series.cat.ordered:
        return Column(name, "ordinal", levels, dtype=dtype, why="dtype category, ordered")
    kind: Kind = "binary" if len(levels) == 2 else "categorical"
    return Column(name, kind, levels, dtype=dtype, why="dtype category")


def _of_text(present: Present) -> Column:
    name, levels = present.name, tuple(sorted(map(str, present.distinct[1])))
    read = pd.to_numeric(pd.Series(levels, dtype=object), errors="coerce").notna().to_numpy()
    if read.any() and not read.all():
        stray = levels[int(np.flatnonzero(~read)[0])]
        raise InputError(
            f"column {name!r} holds text ({stray!r}) among numbers; correct it, mark it missing "
            f"(na_values={{{name!r}: {stray!r}}}), or declare the column "
            f"(schema={{{name!r}: 'categorical'}})."
        )
    count, seen = len(levels), len(present.values)
    if count > 2 and (count > MOST_STRINGS or 2 * count >= seen):
        raise InputError(
            f"column {name!r} has {count} distinct strings, too many to be taken for categories; "
            f"declare it (schema={{{name!r}: 'categorical'}}), or drop it."
        )
    kind: Kind = "binary" if count == 2 else "categorical"
    why = f"{count} distinct string{'s' if count > 1 else ''}"
    return Column(name, kind, levels, dtype=present.dtype, why=why)


def _of_dates(present: Present, why: str) -> Column:
    name, dtype = present.name, present.dtype
    if present.family == "empty":
        return Column(name, "datetime", dtype=dtype, why=why, origin=0)
    index = present.instants
    days = bool((index == start_of_day(index)).all())
    # Python's integers, since the nanoseconds of distant years do not fit into 64 bits
    origin = int(index.asi8.min()) * (TICKS["ns"] // TICKS[index.unit])
    return Column(name, "datetime", dtype=dtype, why=why, origin=origin, whole_days=days)


def _of_numbers(present: Present) -> Column:
    values = present.numbers
    seen = values[~np.isnan(values)]
    # pandas turns integers into floats where values are missing
    integers = pd.api.types.is_integer_dtype(present.series.dtype) or len(seen) < len(values)
    if pd.api.types.is_object_dtype(present.series.dtype):
        integers = all(isinstance(v, int | np.integer) for v in present.values)
    return kind_of_numbers(present.name, present.dtype, ArrayFacts(seen), integers)


def kind_of_numbers(name: str, dtype: str, facts: NumberFacts, integers: bool) -> Column:
    """Infer the kind of a column of numbers from their values; see ``infer_schema``.

    Args:
        name: the name of the column.
        dtype: the name of its dtype.
        facts: what is known of the values that are present.
        integers: whether the column may have been one of integers: its dtype is one, or pandas
            may have turned integers into floats because values are missing.
    """
    if not facts.finite:  # the reading of the table refuses it and names the entry
        return Column(name, "continuous", dtype=dtype, why="numbers")
    low, high = facts.low, facts.high
    if facts.whole and low >= 0 and high <= 1:
        return Column(name, "binary", (0, 1), dtype=dtype, why="only 0 and 1")
    code = code_kind_of(facts)
    if code == "bounded":
        why = f"shares, {low:g} to {high:g}"
        return Column(name, "bounded", lower=0.0, upper=1.0, dtype=dtype, why=why)
    if code is not None and integers:
        grades = tuple(range(int(low), int(high) + 1))
        kind = cast(Kind, code)
        return Column(name, kind, grades, dtype=dtype, why=f"only {low:g} to {high:g}, all of them")
    if facts.whole and integers and 0 <= low <= 2 and high <= 100:
        why = f"all values whole, {low:g} to {high:g}"
        return Column(name, "count", dtype=dtype, top=_top_above(high), why=why)
    if low > 0 and low < high:
        skewness, of_logs = facts.skewness, facts.skewness_of_logs
        if skewness > 1 and abs(of_logs) < skewness / 2:
            why = f"above 0 and skewed ({skewness:.1f}, logs {of_logs:.1f})"
            return Column(name, "positive", dtype=dtype, why=why)
    why = "numbers, some below 0" if low < 0 else f"numbers, {low:g} to {high:g}"
    return Column(name, "continuous", dtype=dtype, why=why)
