"""Description of missing values without a model: rates, patterns and associations."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import pandas as pd

from .columns.column import Column
from .columns.present import columns_of
from .columns.types import column_names
from .errors import InputError
from .schema import Schema, check_declared_names, schema_of

if TYPE_CHECKING:
    from .incomplete import IncompleteData

#: what these functions read; for an IncompleteData, its modelled columns without the covariates
Table: TypeAlias = "pd.DataFrame | IncompleteData"


def missing_rates(table: Table) -> pd.DataFrame:
    """Count each column's missing values: one row per column, with "missing" and "rate".

    >>> missing_rates(pd.DataFrame({"a": [1, None], "b": [1, 2]}))
            missing  rate
    column
    a             1   0.5
    b             0   0.0

    Raises:
        ValueError: the table has no row or no column.
    """
    missing = missing_mask(table)
    result = pd.DataFrame({"missing": missing.sum(), "rate": missing.mean()})
    return result.rename_axis("column")


def patterns(table: Table) -> pd.DataFrame:
    """Count which columns are missing together, the most frequent pattern first.

    The index "pattern" names the missing columns, or is "complete"; names that could be mistaken
    for that, or that contain a comma, are quoted. "rows" is the number of rows with the pattern,
    "share" their share of all rows, and "columns" the number of missing columns.

    >>> patterns(pd.DataFrame({"a": [1, None, None], "b": [1, None, None]}))
              rows     share  columns
    pattern
    a, b         2  0.666667        2
    complete     1  0.333333        0

    Raises:
        ValueError: the table has no row or no column.
    """
    missing = missing_mask(table)
    masks, counts = pattern_masks(missing)
    names = [repr(name) if "," in name or name == "complete" else name for name in missing.columns]
    labels = [", ".join(names[j] for j in np.flatnonzero(mask)) or "complete" for mask in masks]
    return pd.DataFrame(
        {"rows": counts, "share": counts / len(missing), "columns": masks.sum(1)},
        index=pd.Index(labels, name="pattern"),
    )


def pattern_masks(missing: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows (m, p) of a missing mask (n, p), and their counts (m,).

    The most frequent pattern comes first; equally frequent ones are ordered by the number of
    missing columns.
    """
    masks, counts = np.unique(missing.to_numpy(dtype=bool), axis=0, return_counts=True)
    order = np.lexsort((masks.sum(1), -counts))
    return masks[order], counts[order]


def co_missing(table: Table) -> pd.DataFrame:
    """List pairs of columns that go missing together, the strongest association first.

    "both" counts the rows in which both are missing, "expected" is the count expected under
    independence, "phi" the correlation of the two masks, and "log_odds" the log odds ratio with a
    half added to every count (Haldane, 1956). Columns that are always or never missing are left
    out.

    >>> pairs = co_missing(pd.DataFrame({"a": [1, None, None, 2], "b": [1, None, None, 2]}))
    >>> pairs[["first", "second", "both", "expected", "phi"]]
      first second  both  expected  phi
    0     a      b     2       1.0  1.0

    Raises:
        ValueError: the table has no row or no column.
    """
    missing = missing_mask(table)
    varied = missing.loc[:, (missing.any() & ~missing.all()).to_numpy()]
    names, n = np.array(varied.columns, dtype=object), len(varied)
    mask = varied.to_numpy(dtype=np.float64)
    i, j = np.triu_indices(len(names), k=1)
    totals, both = mask.sum(0), (mask.T @ mask)[i, j]
    first, second = totals[i], totals[j]
    expected = first * second / n
    phi = (both - expected) * n / np.sqrt(first * second * (n - first) * (n - second))
    neither = n - first - second + both
    odds = (both + 0.5) * (neither + 0.5) / ((first - both + 0.5) * (second - both + 0.5))
    result = pd.DataFrame(
        {
            "first": names[i],
            "second": names[j],
            "both": both.astype(int),
            "expected": expected,
            "phi": phi,
            "log_odds": np.log(odds),
        }
    )
    result = result.sort_values("phi", key=lambda v: -v.abs(), kind="stable")
    return result.reset_index(drop=True)


def associations(table: Table, schema: Schema | None = None) -> pd.DataFrame:
    """Measure how missingness of each column is associated with other columns, strongest first.

    "measure" is "AUC" for numbers and ordered levels: the probability that, of two rows, the one
    in which the column is missing has the higher value (0.5 means no association). It is "V",
    Cramer's V, for levels without an order. "strength" makes both comparable: |2 AUC - 1|, or V.
    "smd" is the standardised difference of the means (missing minus present, divided by the pooled
    sd; Cohen, 1988), NaN for levels. "rows" counts the rows in which the other column is observed.

    >>> frame = pd.DataFrame({"a": [1, 2, None, None], "b": [1.0, 2.0, 3.0, 4.0]})
    >>> associations(frame)[["missing", "with", "measure", "value", "smd"]].round(2)
      missing with measure  value   smd
    0       a    b     AUC    1.0  2.83

    Args:
        table: n rows.
        schema: what the columns are; only columns that it names are considered as explanations.
            Without it, the schema of an IncompleteData, or one inferred from the dtypes.

    Raises:
        ValueError: no row, or no column; without a schema, a column of no known type.
    """
    missing = missing_mask(table)
    if not isinstance(table, pd.DataFrame):
        return associated(missing, table.values, table.schema)
    given = columns_of(table)
    kinds = schema_of(given, by="dtype") if schema is None else schema
    check_declared_names(kinds.names, tuple(given))
    return associated(missing, kinds.encode_columns(given), kinds)


def associated(missing: pd.DataFrame, values: np.ndarray, kinds: Schema) -> pd.DataFrame:
    """Measure associations as :func:`associations` does, for columns that have been encoded.

    Args:
        missing: (n, p) missing mask.
        values: (n, q) encoded values of those columns that may explain others.
        kinds: the schema of these q columns.
    """
    parts = [_explained_by(column, values[:, k], missing) for k, column in enumerate(kinds)]
    result = pd.concat([_NOTHING, *(part for part in parts if len(part))])
    result = result.sort_values("strength", ascending=False, kind="stable")
    return result.reset_index(drop=True).astype({"rows": int})


def is_monotone(table: Table) -> bool:
    """Whether the columns can be ordered so that a row that lacks one also lacks all later ones.

    >>> is_monotone(pd.DataFrame({"a": [1, 2, None], "b": [1, None, None]}))
    True

    Raises:
        ValueError: the table has no row or no column.
    """
    missing = missing_mask(table).to_numpy()
    order = np.argsort(missing.sum(0), kind="stable")
    later = missing[:, order]
    return bool((later[:, 1:] >= later[:, :-1]).all())


def missing_mask(table: Table) -> pd.DataFrame:
    """Return the missing mask (n, p) of the table: booleans, True where a value is missing."""
    if not isinstance(table, pd.DataFrame):
        result = pd.DataFrame(np.isnan(table.values), columns=list(table.columns))
    else:
        result = table.isna()
        result.columns = pd.Index(column_names(table.columns))
    if 0 in result.shape:
        rows, columns = result.shape
        raise InputError(f"the table has {rows} rows and {columns} columns; give some of each.")
    return result


_NOTHING = pd.DataFrame(
    {name: pd.Series(dtype=object) for name in ("missing", "with", "measure")}
    | {name: pd.Series(dtype=float) for name in ("value", "strength", "smd", "rows")}
)


def _explained_by(column: Column, values: np.ndarray, missing: pd.DataFrame) -> pd.DataFrame:
    """Associate the missingness of every column with the values (n,) of one column."""
    seen = ~np.isnan(values)
    value, mask = values[seen], missing.to_numpy(dtype=np.float64)[seen]
    n, k = len(value), mask.sum(0)
    kept = (missing.columns != column.name) & (k > 0) & (k < n)
    if not kept.any() or value.min() == value.max():
        return _NOTHING
    mask, k = mask[:, kept], k[kept]
    smd = np.full(len(k), np.nan)
    if column.kind == "categorical" and column.num_values > 2:
        measure, found = "V", _cramers_v(value, mask)
        strength = found
    else:
        # Mann and Whitney's U by one ranking for all masks
        found = (pd.Series(value).rank().to_numpy() @ mask - k * (k + 1) / 2) / (k * (n - k))
        measure, strength = "AUC", np.abs(2 * found - 1)
        if not column.levels and np.isfinite(value).all():
            smd = _standardised_difference(value, mask)
    parts = {"missing": missing.columns[kept], "with": column.name, "measure": measure}
    return pd.DataFrame(parts | {"value": found, "strength": strength, "smd": smd, "rows": n})


def _cramers_v(codes: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Compute Cramer's V of codes (n,) with each of the masks (n, m)."""
    indicators = codes[:, None] == np.unique(codes)
    counts, k, n = indicators.T @ masks, masks.sum(0), len(codes)
    expected = indicators.sum(0)[:, None] * (k / n)
    present = indicators.sum(0)[:, None] - expected
    # with two groups, missing and present, the deviations of one mirror those of the other
    squares = (counts - expected) ** 2 * (1 / expected + 1 / present)
    return cast(np.ndarray, np.sqrt(squares.sum(0) / n))


def _standardised_difference(value: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Compute Cohen's d of values (n,) between the rows of each mask (n, m) and the other rows."""
    scaled = (value - value.mean()) / value.std()  # or squares of dates would cancel
    k, n = masks.sum(0), len(value)
    high, low = scaled @ masks / k, scaled @ (1 - masks) / (n - k)
    within = np.sum(scaled**2) - k * high**2 - (n - k) * low**2
    pooled = np.sqrt(np.clip(within, 0, None) / max(n - 2, 1))
    usable = (pooled > 1e-9) & (n > 2)
    return np.where(usable, (high - low) / np.where(usable, pooled, 1.0), np.nan)
