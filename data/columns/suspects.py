"""Columns that probably hold something else than they seem to, each with a reason and a remedy."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..foreign import EXACT, as_frame
from .codes import code_kind, declaration_of
from .rounding import nearly_constant
from .sentinels import sentinel_in
from .spellings import dates_in, leading_zero, numbers_in, same_but_for_spelling
from .types import column_names

#: the kinds of suspicion
KINDS = (
    "empty", "nearly empty", "digits lost", "leading zeros", "numbers as text", "dates as text",
    "beyond a limit", "word among numbers", "spelling", "identifier", "constant", "sentinel",
    "codes",
)  # fmt: skip
_BEYOND = re.compile(r"\s*([<>≤≥]=?)\s*[\d.,]+\s*")
_NAMED_SO = re.compile(r"(?:^|[_ .-])(?:id|ids|uuid|guid|key|identifier)$|(?<=[a-z])I[Dd]$", re.I)
#: the number of values below which nothing is concluded
_FEWEST = 10


class _Suspicion(NamedTuple):
    kind: str
    says: str
    python: str
    option: str


def suspects(
    frame: Any,
    texts: pd.DataFrame | None = None,
    declared: Collection[str] = (),
    inferred: bool = False,
) -> pd.DataFrame:
    """List the columns that probably hold something else than they seem to, in the table's order.

    The answer has the columns "column", its name; "kind", one of :data:`KINDS`; "says", a sentence;
    and the remedy, "python" as a line of Python for the table ``df``, "option" as an option of the
    command line. The table is not changed.

    >>> table = pd.DataFrame({"temp": ["36,6", "38,1", None], "bmi": [24.0, -99, -99]})
    >>> table.loc[3] = ["36,9", 31.0]
    >>> for row in suspects(table).itertuples():
    ...     print(row.column, "|", row.says, "|", row.python)
    temp | 'temp' holds numbers with a decimal comma as text ('36,6') | \
df['temp'] = pd.to_numeric(df['temp'].str.replace(',', '.'))
    bmi | 'bmi' is -99 in 2 of 4 rows, far from all others (24 to 31): does it stand for a \
missing value? | IncompleteData.from_frame(df, na_values={'bmi': -99})

    Args:
        frame: a table of n rows, of pandas or another library.
        texts: the text of its fields, if the table was read from a CSV.
        declared: names of columns whose kind was declared; in these, only sentinels and lost digits
            are looked for.
        inferred: whether kinds are inferred from the values, so that codes are recognised anyway.
    """
    frame = as_frame(frame)
    rows = []
    for j, name in enumerate(column_names(frame.columns)):
        fields = None if texts is None else texts.iloc[:, j]
        found = _of_column(frame.iloc[:, j], name, fields, name in declared)
        if found is not None and not (inferred and found.kind == "codes"):
            rows.append((name, *found))
    return pd.DataFrame(rows, columns=["column", *_Suspicion._fields], dtype=object)


def identifiers(frame: Any) -> list[str]:
    """Name the columns that look like identifiers, which say nothing about values."""
    table = suspects(frame)
    alike = table["kind"].isin(["identifier", "digits lost", "leading zeros"])
    return list(table.loc[alike, "column"])


def _of_column(
    series: pd.Series[Any], name: str, fields: pd.Series[Any] | None, declared: bool
) -> _Suspicion | None:
    present = series[series.notna()]
    size, n = len(present), len(series)
    if not size:
        return _leave(name, "empty", "has no value")
    if n >= 2 * _FEWEST and (size < 5 or size < 0.05 * n) and not declared:
        return _leave(name, "nearly empty", f"has {size} values in {n} rows")
    # columns that were read as dates and durations are taken for such, however a file spells them
    if isinstance(series.dtype, pd.SparseDtype) or series.dtype.kind in "Mm":
        return None
    spelled = _strings(present if fields is None else fields[series.notna().to_numpy()])
    values = _numbers(present)
    if values is None:
        return None if declared or spelled is None else _of_text(present, name, spelled)
    return _of_numbers(values, name, spelled, n, declared)


def _of_text(present: pd.Series[Any], name: str, spelled: list[str]) -> _Suspicion | None:
    levels = list(dict.fromkeys(spelled))
    first = leading_zero(levels)
    if first is not None or all(text.strip().isdecimal() for text in levels):
        long = next((text for text in levels if len(text.strip()) > 15), None)
        if long is not None:
            says = f"holds numbers of more than 15 digits ({long!r}), which a float would change"
            return _leave(name, "digits lost", says)
    if first is not None:
        says = f"holds codes, not numbers ({first!r} starts with 0)"
        return _leave(name, "leading zeros", says)
    for kind, reading in (
        ("dates as text", dates_in(levels)),
        ("numbers as text", numbers_in(levels)),
    ):
        if reading is not None:
            says = f"{name!r} holds {reading.words} as text ({reading.example!r})"
            here = f"df[{name!r}]"
            cure = f"{here} = {reading.expression.format(here)}"
            return _Suspicion(kind, says, cure, reading.option or _without(name))
    words = [text for text in levels if numbers_in([text]) is None]
    limits = [match[1] for match in map(_BEYOND.fullmatch, words) if match]
    if limits and len(limits) == len(words) and len(levels) > len(words):
        return _beyond(name, words, {one[0] in "<≤" for one in limits})
    if 0 < len(words) <= 3 and len(levels) >= 3 * len(words) + 2:
        says = (
            f"{name!r} holds text ({words[0]!r}) among numbers: does it stand for a missing value?"
        )
        marker = words[0] if len(words) == 1 else words
        option = " ".join(f"--na-values {_quoted(f'{name}={word}')}" for word in words)
        return _Suspicion("word among numbers", says, _na(name, marker), option)
    alike = same_but_for_spelling(levels)
    if alike and len(levels) <= max(50, 0.5 * len(spelled)):
        shown = ", ".join(map(repr, alike[:-1])) + f" and {alike[-1]!r}"
        says = f"{name!r} holds {shown}, which differ only by case or blanks"
        cure = f"df[{name!r}] = df[{name!r}].str.strip().str.casefold()"
        return _Suspicion("spelling", says, cure, _without(name))
    if len(spelled) >= _FEWEST and len(levels) >= 0.9 * len(spelled):
        says = f"holds {len(levels)} different strings in {len(spelled)} rows: is it an identifier?"
        return _leave(name, "identifier", says)
    return _constant(name, repr(levels[0])) if len(levels) == 1 and len(spelled) > 1 else None


def _beyond(name: str, words: list[str], low: set[bool]) -> _Suspicion:
    """Report numbers beyond a limit of detection, which are written as text such as <0.5."""
    how = " or ".join({True: "low", False: "high"}[one] for one in sorted(low, reverse=True))
    says = (
        f"{name!r} holds {words[0]!r} among numbers, values beyond a limit: read them as missing "
        f"for being {how} (a mechanism 'limit')"
    )
    option = " ".join(f"--na-values {_quoted(f'{name}={word}')}" for word in words)
    return _Suspicion("beyond a limit", says, _na(name, words if words[1:] else words[0]), option)


def _of_numbers(
    values: np.ndarray, name: str, spelled: list[str] | None, n: int, declared: bool
) -> _Suspicion | None:
    whole = bool((values == np.floor(values)).all())
    largest = np.abs(values).max()
    if whole and EXACT < largest < 1e20:
        says = f"holds whole numbers of {len(str(int(largest)))} digits, which a float changes"
        return _leave(name, "digits lost", says)
    found = sentinel_in(values, zero=True)
    if declared:
        return None if found is None else _sentinel(name, found, n)
    zero = None if spelled is None else leading_zero(dict.fromkeys(spelled))
    if zero is not None:
        return _leave(name, "leading zeros", f"holds codes, not numbers ({zero!r} starts with 0)")
    if len(values) > 1 and nearly_constant(values):
        return _constant(name, f"{values[0]:g}")
    whole = whole and largest < EXACT and len(values) >= _FEWEST
    if whole and _is_id(values, name, n):
        count = len(np.unique(values))
        says = f"holds {count} different whole numbers in {n} rows: is it an identifier?"
        return _leave(name, "identifier", says)
    if whole and _are_days(values):
        says = f"{name!r} holds dates as numbers ({values[0]:.0f})"
        cure = f"df[{name!r}] = pd.to_datetime(df[{name!r}].astype('Int64').astype(str))"
        return _Suspicion("dates as text", says, cure, _without(name))
    if found is not None:
        return _sentinel(name, found, n)
    code = code_kind(values) if len(values) < n else None
    return None if code is None else _codes(name, code, values)


def _codes(name: str, code: str, values: np.ndarray) -> _Suspicion:
    what = "shares" if code == "bounded" else "whole numbers"
    says = (
        f"{name!r} holds {what} from {values.min():g} to {values.max():g} and was read as "
        "continuous, so that imputed values may lie between and outside of them"
    )
    cure = f"IncompleteData.from_frame(df, schema={{{name!r}: {declaration_of(code)!r}}})"
    return _Suspicion("codes", says, cure, "--schema infer")


def _is_id(values: np.ndarray, name: str, n: int) -> bool:
    distinct = len(np.unique(values))
    if _NAMED_SO.search(name):
        return distinct >= _FEWEST
    if distinct < n:  # an identifier is never missing and never repeated
        return False
    steps = np.diff(values)
    low, high = values.min(), values.max()
    if low >= 1800 and high <= 2100:  # years
        return False
    if (steps > 0).all() or (steps < 0).all():
        return True
    in_a_row = high - low == n - 1
    digits = {len(str(int(value))) for value in (low, high)}
    return bool(in_a_row or (low > 0 and len(digits) == 1 and low >= 10_000))


def _are_days(values: np.ndarray) -> bool:
    """Whether all numbers are dates written as 20230412."""
    if values.min() < 19000101 or values.max() > 21001231:
        return False
    return bool(pd.to_datetime(pd.Series(values.astype(np.int64).astype(str)), format="%Y%m%d",
                               errors="coerce").notna().all())  # fmt: skip


def _numbers(present: pd.Series[Any]) -> np.ndarray | None:
    """Return the present values (m,) where they are real numbers, else None."""
    dtype = present.dtype
    if pd.api.types.is_bool_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return None
    if pd.api.types.is_object_dtype(dtype):
        kinds = (int, float, np.integer, np.floating)
        if not all(isinstance(v, kinds) and not isinstance(v, bool) for v in present):
            return None
    elif not pd.api.types.is_any_real_numeric_dtype(dtype):
        return None
    return present.to_numpy(dtype=np.float64)


def _strings(present: pd.Series[Any]) -> list[str] | None:
    values = present.astype(object)
    return list(values) if all(isinstance(v, str) for v in values) else None


def _sentinel(name: str, found: Any, n: int) -> _Suspicion:
    values = [int(v) if v == int(v) else v for v in (found.value, *found.further)]
    stand = (
        "do they stand for missing values?"
        if found.further
        else ("does it stand for a missing value?")
    )
    says = (
        f"{name!r} is {' or '.join(map(str, values))} in {found.times} of {n} rows, far from all "
        f"others ({found.low:g} to {found.high:g}): {stand}"
    )
    option = " ".join(f"--na-values {_quoted(f'{name}={value}')}" for value in values)
    return _Suspicion("sentinel", says, _na(name, values if values[1:] else values[0]), option)


def _constant(name: str, value: str) -> _Suspicion:
    return _leave(
        name, "constant", f"is {value} in every row where it is observed, so it tells nothing"
    )


def _leave(name: str, kind: str, says: str) -> _Suspicion:
    return _Suspicion(kind, f"{name!r} {says}", f"df = df.drop(columns=[{name!r}])", _without(name))


def _without(name: str) -> str:
    return f"--leave-out {_quoted(name)}"


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w.=-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _na(name: str, marker: Any) -> str:
    return f"IncompleteData.from_frame(df, na_values={{{name!r}: {marker!r}}})"
