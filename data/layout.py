"""Names, kinds and row labels of a table: given, taken from earlier data, or by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import torch

from .checks import check_same_columns
from .columns.column import Column
from .columns.infer import Declaration, checked_declaration
from .columns.present import Present
from .columns.types import array_values, column_names
from .errors import InputError
from .schema import Schema, check_declared_names, schema_of
from .standardiser import Standardiser

#: what ``schema=`` may be: "infer", declarations by column, or a whole schema
SchemaLike = str | Mapping[str, Declaration] | Schema | None


class Layout(Protocol):
    """What ``like=`` needs of earlier data, or of a fit to them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names in the order of training."""

    @property
    def scaler(self) -> Standardiser:
        """The standardisation of training."""

    @property
    def schema(self) -> Schema | None:
        """The kinds of the columns; None where all of them are continuous."""

    @property
    def covariate_schema(self) -> Schema | None:
        """The kinds of the covariates; None where there are none."""


def names_for(p: int, columns: Sequence[Any] | None, like: Layout | None) -> tuple[str, ...]:
    """Return names of ``p`` columns: those given, else those of ``like``, else x0, x1, ...

    Raises:
        ValueError: the number of names is not ``p``, or a name occurs twice.
    """
    if columns is None and like is not None:
        if len(like.columns) != p:
            raise InputError(
                f"values have {p} columns, but the data of like= have {len(like.columns)}; give "
                "the same columns."
            )
        return tuple(like.columns)
    names = column_names(columns if columns is not None else (f"x{j}" for j in range(p)))
    if len(names) != p:
        raise InputError(
            f"{len(names)} column names were given for {p} columns; give one name for each column."
        )
    return names


def labels_for(n: int, index: Any) -> pd.Index:
    """Return labels of ``n`` rows: those given, else 0, 1, ...

    Raises:
        ValueError: the number of labels is not ``n``.
    """
    labels: pd.Index = pd.RangeIndex(n) if index is None else pd.Index(index)
    if len(labels) != n:
        raise InputError(
            f"{len(labels)} row labels were given for {n} rows; give one label for each row."
        )
    return labels


def schemas_of(like: Layout) -> tuple[Schema, Schema | None]:
    """Return the schemas of columns and covariates of earlier data, or of a fit to them."""
    kinds = Schema.continuous(like.columns) if like.schema is None else like.schema
    return kinds, like.covariate_schema


def resolved(given: Mapping[str, Present], schema: SchemaLike) -> Schema:
    """Return the schema of all columns of a table, covariates included."""
    declared, by = declarations_of(schema)
    return schema_of(given, declared, by)


def declarations_of(
    schema: SchemaLike,
) -> tuple[Mapping[str, Declaration], Literal["dtype", "values"]]:
    """Return the declarations that ``schema=`` holds, and from what other kinds are inferred."""
    if isinstance(schema, Schema):
        return {column.name: column for column in schema}, "dtype"
    if isinstance(schema, str) and schema == "infer":
        return {}, "values"
    return _declarations(schema, "'infer', "), "dtype"


def kinds_of_codes(names: tuple[str, ...], schema: Any) -> Schema:
    """Return the schema of an array of numbers and codes, whole or partly declared."""
    if isinstance(schema, Schema):
        check_same_columns(names, schema.names)
        return schema.select(names)
    declared = _declarations(schema)
    check_declared_names(declared, names)
    columns = []
    for name in names:
        details = checked_declaration(name, declared.get(name, "continuous"))
        if details["kind"] == "binary":
            details.setdefault("levels", (0, 1))
        columns.append(Column(name, why="declared" if name in declared else "numbers", **details))
    return Schema(tuple(columns))


def covariate_table(covariates: Any, n: int, known: Schema | None) -> pd.DataFrame:
    """Return covariates given beside an array as a table, in the order of ``known``.

    Raises:
        ValueError: covariates are lacking, have other columns, or do not have ``n`` rows.
    """
    if covariates is None:
        names = ", ".join(known.names) if known else ""
        raise InputError(
            f"the data of like= have the covariates {names}; give covariates= with these columns."
        )
    if isinstance(covariates, np.ndarray | torch.Tensor):
        values = array_values(covariates)
        labels = [f"w{k}" for k in range(values.shape[1])] if known is None else list(known.names)
        if values.shape[1] != len(labels):
            raise InputError(
                f"covariates have {values.shape[1]} columns; give {len(labels)}: "
                f"{', '.join(labels)}."
            )
        covariates = pd.DataFrame(values, columns=labels)
    if not isinstance(covariates, pd.DataFrame):
        raise InputError(
            f"covariates are a {type(covariates).__name__}; give a DataFrame or an array with {n} "
            "rows, or pass the whole table to from_frame."
        )
    if len(covariates) != n:
        raise InputError(
            f"covariates have {len(covariates)} rows, but the data have {n}; give one row for "
            "each row of the data."
        )
    if known is None:
        return covariates
    found = column_names(covariates.columns)
    check_same_columns(found, known.names)
    return covariates.iloc[:, [found.index(name) for name in known.names]]


def _declarations(schema: Any, also: str = "") -> dict[str, Declaration]:
    """Return the declarations by name, where the labels of columns need not be text."""
    if schema is None:
        return {}
    if not isinstance(schema, Mapping):
        raise InputError(
            f"schema is {schema!r}; give {also}a mapping from columns to kinds, or None."
        )
    return {str(name): what for name, what in schema.items()}


def split(
    whole: Schema, names: tuple[str, ...], covariates: Sequence[str]
) -> tuple[Schema, Schema | None]:
    """Split a schema into the schemas of the modelled columns and of the covariates.

    Raises:
        ValueError: a covariate is not a column of the table, or no column is left to model.
    """
    if isinstance(covariates, str):
        raise InputError(
            f"covariates is {covariates!r}; give a list of names, such as [{covariates!r}]."
        )
    chosen = list(dict.fromkeys(map(str, covariates)))
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise InputError(
            f"covariate {unknown[0]!r} is not a column of the table; it has {', '.join(names)}."
        )
    kinds = whole.select([name for name in names if name not in chosen])
    if not len(kinds):
        raise InputError("every column is a covariate; leave at least one column to be modelled.")
    return kinds, whole.select(chosen) if chosen else None
