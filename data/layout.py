"""Names and kinds of columns, labels of rows: given, taken from earlier data, or found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from .infer import Declaration
from .numeric import column_names
from .schema import Schema, infer_schema
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


def schemas_of(like: Layout) -> tuple[Schema, Schema | None]:
    """The schema and the covariates' of earlier data, or of a fit to them."""
    schema = getattr(like, "schema", None)
    kinds = Schema.continuous(like.columns) if schema is None else schema
    return kinds, getattr(like, "covariate_schema", None)


def resolved(df: pd.DataFrame, names: tuple[str, ...], schema: Any) -> Schema:
    """The schema of all columns of a table, covariates included."""
    if isinstance(schema, Schema):
        declared: Mapping[str, Declaration] | None = {c.name: c for c in schema}
        return infer_schema(df, declared, by="dtype")
    if isinstance(schema, str) and schema != "infer":
        raise ValueError(f"schema is {schema!r}; use 'infer', a mapping by column, or None.")
    if isinstance(schema, str):
        return infer_schema(df)
    return infer_schema(df, schema, by="dtype")


def split(
    whole: Schema, names: tuple[str, ...], covariates: Sequence[str]
) -> tuple[Schema, Schema | None]:
    """The modelled columns' schema and the covariates'."""
    if isinstance(covariates, str):
        raise ValueError(f"covariates is {covariates!r}; give a list of names.")
    chosen = [str(name) for name in covariates]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise ValueError(f"covariate {unknown[0]!r} is no column; there are {', '.join(names)}.")
    kinds = whole.select([name for name in names if name not in chosen])
    if not len(kinds):
        raise ValueError("every column is a covariate; leave some to be modelled.")
    return kinds, whole.select(chosen) if chosen else None
