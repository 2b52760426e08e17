"""Constant columns, which are not modelled and whose missing values get the one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..layout import Layout, schemas_of
from ..schema import Schema
from ..standardiser import Standardiser
from .rounding import nearly_constant


def with_constants(schema: Schema, values: np.ndarray) -> Schema:
    """Add to the schema the value of each constant column among the values (n, p).

    A single row does not make a column of numbers constant.
    """
    columns = []
    for j, column in enumerate(schema):
        seen = values[~np.isnan(values[:, j]), j]
        enough = len(seen) > 0 and (len(values) > 1 or len(column.levels) == 1)
        finite = enough and bool(np.isfinite(seen).all())
        only = float(seen[0]) if finite and nearly_constant(seen) else None
        columns.append(replace(column, constant=only))
    return Schema(tuple(columns))


@dataclass(frozen=True)
class Part:
    """Names, scale and kinds of some columns of a layout."""

    columns: tuple[str, ...]
    scaler: Standardiser
    schema: Schema
    covariate_schema: Schema | None = None


def varying_names(schema: Schema) -> tuple[str, ...]:
    """List the columns that have several values; all columns if every column is constant."""
    return tuple(c.name for c in schema if c.constant is None) or schema.names


def part_of(layout: Layout, names: Sequence[str]) -> Part:
    """Select some columns of a layout (of data, or of a fit)."""
    places = [layout.columns.index(name) for name in names]
    kinds, covariates = schemas_of(layout)
    return Part(tuple(names), layout.scaler.select(places), kinds.select(names), covariates)


def varying_of(layout: Layout, count: int | None) -> Layout:
    """Select the columns of a layout that are not constant, if there are ``count`` of them.

    Otherwise the layout is returned as it is.
    """
    if layout.schema is None or len(layout.columns) == count:
        return layout
    names = varying_names(layout.schema)
    return part_of(layout, names) if len(names) == count else layout


def whole_table(values: np.ndarray, schema: Schema, names: Sequence[str]) -> np.ndarray:
    """Combine values (..., q) of the columns ``names`` with the schema's constants: (..., p)."""
    table = np.empty((*values.shape[:-1], len(schema)))
    for j, column in enumerate(schema):
        inside = column.name in names
        table[..., j] = values[..., list(names).index(column.name)] if inside else column.constant
    return table
