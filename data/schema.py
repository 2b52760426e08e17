"""The schema of a table: the kinds of its columns, which are declared or inferred."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from .columns.column import Column, Kind
from .columns.encode import encoded
from .columns.infer import Declaration, checked_declaration, column_of
from .columns.present import Present, columns_of
from .columns.recode import recoded
from .columns.types import column_names
from .columns.warps import Warp
from .errors import InputError, NameLookupError

__all__ = ["Column", "Declaration", "Kind", "Schema", "infer_schema"]


@dataclass(frozen=True, repr=False)
class Schema:
    """The kind of every column of a table, in the table's order.

    >>> df = pd.DataFrame({"age": [31.5, 40.2, None], "smokes": ["no", None, "yes"]})
    >>> infer_schema(df)
           kind      values dtype                   why
    age    continuous   any float64  numbers, 31.5 to 40.2
    smokes     binary   'no', 'yes'  str  2 distinct strings

    Raises:
        ValueError: two columns have one name.
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Refuse column names that occur twice."""
        object.__setattr__(self, "columns", tuple(self.columns))
        column_names(self.names)

    @classmethod
    def continuous(cls, names: Iterable[str]) -> Schema:
        """Make the schema of a table of continuous numbers."""
        return cls(tuple(Column(name, "continuous", why="numbers") for name in names))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def numeric(self) -> bool:
        """Whether every column is continuous or a date, so that no column is warped or discrete."""
        return all(column.kind in ("continuous", "datetime") for column in self.columns)

    @property
    def warps(self) -> tuple[Warp | None, ...]:
        """The map of each column to the real line; None for columns that need none."""
        return tuple(column.warp for column in self.columns)

    @property
    def discrete(self) -> np.ndarray:
        """Booleans (p,), True for columns that hold codes or counts."""
        return np.array([column.discrete for column in self.columns], dtype=bool)

    def position(self, name: str) -> int:
        """Return the position of the column of this name.

        Raises:
            KeyError: there is no such column.
        """
        if name not in self.names:
            raise NameLookupError(
                f"there is no column {name!r}; the columns are {', '.join(self.names)}"
            )
        return self.names.index(name)

    def __getitem__(self, key: str | int) -> Column:
        """Return a column by its name or position."""
        return self.columns[self.position(key) if isinstance(key, str) else key]

    def __len__(self) -> int:
        """The number of columns p."""
        return len(self.columns)

    def __iter__(self) -> Iterator[Column]:
        """Iterate over the columns in order."""
        return iter(self.columns)

    def select(self, names: Iterable[str]) -> Schema:
        """Select the columns of these names, in the names' order."""
        return Schema(tuple(self[name] for name in names))

    def encode(self, df: pd.DataFrame) -> np.ndarray:
        """Encode a table with these p columns in order as float64 (n, p), NaN where missing.

        Raises:
            ValueError: a value is not allowed in its column; the message names column, row and
                value.
        """
        given = {name: Present(df.iloc[:, j], name) for j, name in enumerate(self.names)}
        return self.encode_columns(given)

    def encode_columns(self, given: Mapping[str, Present]) -> np.ndarray:
        """Encode columns given by name as float64 (n, p), NaN where missing.

        Raises:
            ValueError: as :meth:`encode`.
        """
        parts = [encoded(given[column.name], column) for column in self.columns]
        return np.stack(parts, axis=1)

    def recode(self, values: np.ndarray, wanted: Schema, index: pd.Index) -> np.ndarray:
        """Translate encoded values (n, p) into the encoding of another schema of these columns.

        Args:
            values: (n, p) in the encoding of this schema, NaN where missing.
            wanted: the other schema.
            index: the n row labels, for errors.

        Raises:
            ValueError: a value is not allowed in the other schema; the message names column, row
                and value.
        """
        columns = enumerate(zip(self, wanted, strict=True))
        parts = [recoded(values[:, j], own, other, index) for j, (own, other) in columns]
        return np.stack(parts, axis=1)

    def describe(self) -> pd.DataFrame:
        """Tabulate the kind, the possible values, the dtype and the reason for each column."""
        rows = [(c.kind, c.allowed, c.dtype, c.why) for c in self.columns]
        heading = ["kind", "values", "dtype", "why"]
        return pd.DataFrame(rows, index=list(self.names), columns=heading, dtype=object)

    def __repr__(self) -> str:
        """Show the table of :meth:`describe`."""
        return self.describe().to_string(max_colwidth=60)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive a JSON round trip unchanged."""
        return {"columns": [column.to_dict() for column in self.columns]}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Schema:
        """Rebuild the schema from the result of :meth:`to_dict`."""
        return cls(tuple(Column.from_dict(column) for column in state["columns"]))

    def to_toml(self) -> str:
        """Return declarations as TOML that :meth:`read` understands, with reasons as comments."""
        lines = [
            "# the kinds of the columns; correct what is wrong, and pass this file as the schema"
        ]
        for column in self.columns:
            details: dict[str, Any] = {"kind": column.kind}
            if column.levels and column.dtype not in ("bool", "boolean"):
                details["levels"] = list(column.levels)
            details |= {k: v for k in ("lower", "upper") if (v := getattr(column, k)) is not None}
            body = ", ".join(
                f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in details.items()
            )
            lines.append(
                f"{json.dumps(column.name, ensure_ascii=False)} = {{{body}}}  # {column.why}"
            )
        return "\n".join(lines) + "\n"

    @staticmethod
    def read(path: str | Path) -> dict[str, dict[str, Any]]:
        """Read declarations for ``schema=`` from a TOML or JSON file.

        A line is ``column = "kind"`` or ``column = {kind = "ordinal", levels = ["low", "high"]}``.
        A bounded column has ``lower`` and ``upper``, and a count may have ``top``. The kinds of
        columns that the file does not name are inferred.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "schema.toml"
        >>> _ = path.write_text('age = "positive"')
        >>> Schema.read(path)
        {'age': {'kind': 'positive'}}

        Raises:
            ValueError: the file does not exist, has another suffix, is damaged or names an unknown
                kind.
        """
        path = Path(path)
        parse = {".toml": tomllib.loads, ".json": json.loads}.get(path.suffix.lower())
        if parse is None:
            raise InputError(f"{path}: unknown suffix {path.suffix!r}; give a .toml or .json file.")
        try:
            found = parse(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: the file cannot be read ({error.strerror}).") from error
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: the file is not valid {path.suffix[1:].upper()} ({reason})."
            ) from error
        if not isinstance(found, dict):
            raise InputError(
                f"{path}: the file holds a {type(found).__name__}; give a mapping from columns "
                "to kinds."
            )
        try:
            return {name: checked_declaration(name, what) for name, what in found.items()}
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error


def infer_schema(
    df: pd.DataFrame,
    declared: Mapping[str, Declaration] | None = None,
    by: Literal["dtype", "values"] = "values",
) -> Schema:
    """Infer the kind of every column of a table, from its dtype or also from its values.

    By dtype, booleans are binary and ordered categories ordinal. Other categories and text are
    binary if two values occur, and categorical otherwise; text with more than two distinct values
    must have at most 50, and fewer than half as many as there are observed values. Dates are
    datetime, durations are continuous in seconds, and all numbers are continuous. Categories that
    never occur are not levels, since nothing can be learnt about them (a completed column still
    has them).

    By values, numbers are told apart further. They are binary if only 0 and 1 occur, and bounded
    from 0 to 1 if they are shares. Whole numbers, of an integer dtype or in a column with missing
    values (for which pandas turns integers into floats), are binary or ordinal if they are codes
    (1 and 2, or 1 to 5; see :func:`absentia.data.columns.codes.code_kind`), and otherwise a count
    if they start at 0, 1 or 2 and end at 100 or below. Numbers above 0 are positive if their
    skewness exceeds 1 and taking logs at least halves it.

    >>> df = pd.DataFrame({"visits": [0, 3, 1], "stage": ["I", "II", "I"]})
    >>> schema = infer_schema(df, {"stage": {"kind": "ordinal", "levels": ["I", "II", "III"]}})
    >>> [column.kind for column in schema]
    ['count', 'ordinal']

    Args:
        df: n rows, p columns.
        declared: the kinds of some columns by name, which take precedence over inferred ones: the
            name of a kind, a mapping with "kind" and "levels", "lower", "upper" or "top", or a
            :class:`Column`.
        by: "dtype" or "values".

    Raises:
        ValueError: a column has an unknown type or text with too many distinct values, a declared
            column or kind does not exist, or the values contradict a declared kind.
    """
    given = columns_of(df)
    schema = schema_of(given, declared, by)
    for name in declared or ():
        encoded(given[name], schema[name])  # refuses values that contradict the declared kind
    return schema


def schema_of(
    given: Mapping[str, Present],
    declared: Mapping[str, Declaration] | None = None,
    by: Literal["dtype", "values"] = "values",
) -> Schema:
    """Infer the schema of columns given by name; see :func:`infer_schema`.

    That the values agree with a declared kind is left to :meth:`Schema.encode_columns`.
    """
    if by not in ("dtype", "values"):
        raise InputError(f"by is {by!r}; give 'dtype' or 'values'.")
    declared = {} if declared is None else declared
    check_declared_names(declared, tuple(given))
    return Schema(
        tuple(column_of(present, declared.get(name), by) for name, present in given.items())
    )


def check_declared_names(declared: Iterable[str], names: tuple[str, ...]) -> None:
    """Refuse a declaration of a column that the table does not have."""
    unknown = [name for name in declared if name not in names]
    if unknown:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise InputError(
            f"the schema names column {unknown[0]!r}, but the columns of the table are {shown}."
        )
