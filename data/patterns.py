"""Missing values described before any model: rates, patterns and associations."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from .columns.column import Column
from .columns.types import column_names
from .errors import InputError
from .incomplete import IncompleteData
from .schema import Schema, infer_schema

#: what these functions read; of an IncompleteData the modelled columns, not the covariates
Table = pd.DataFrame | IncompleteData


def missing_rates(table: Table) -> pd.DataFrame:
    """Count each column's missing values: one row per column, with "missing" and "rate".

    >>> missing_rates(pd.DataFrame({"a": [1, None], "b": [1, 2]}))
            missing  rate
    column
    a             1   0.5
    b             0   0.0

    Raises:
        ValueError: no row, or no column.
    """
    gone = gone_of(table)
    result = pd.DataFrame({"missing": gone.sum(), "rate": gone.mean()})
    return result.rename_axis("column")


def patterns(table: Table) -> pd.DataFrame:
    """Count which columns are missing together, the most frequent pattern first.

    Index "pattern" names the missing columns ("complete" where there is none; a name that could be
    mistaken is quoted); "rows" counts, "share" is of all rows, "columns" is how many are missing.

    >>> patterns(pd.DataFrame({"a": [1, None, None], "b": [1, None, None]}))
              rows     share  columns
    pattern
    a, b         2  0.666667        2
    complete     1  0.333333        0

    Raises:
        ValueError: no row, or no column.
    """
    gone = gone_of(table)
    masks, counts = pattern_masks(gone)
    names = [repr(name) if "," in name or name == "complete" else name for name in gone.columns]
    labels = [", ".join(names[j] for j in np.flatnonzero(mask)) or "complete" for mask in masks]
    return pd.DataFrame(
        {"rows": counts, "share": counts / len(gone), "columns": masks.sum(1)},
        index=pd.Index(labels, name="pattern"),
    )


def pattern_masks(gone: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows (m, p) of a boolean table (n, p), and their counts (m,).

    The most frequent first; of equally frequent ones, those with fewer columns missing.
    """
    masks, counts = np.unique(gone.to_numpy(dtype=bool), axis=0, return_counts=True)
    order = np.lexsort((masks.sum(1), -counts))
    return masks[order], counts[order]


def co_missing(table: Table) -> pd.DataFrame:
    """List pairs of columns that go missing together, the strongest association first.

    "both" counts rows where both are missing, "expected" is what independence would give, "phi"
    the correlation of the two masks, "log_odds" the log odds ratio with a half added to every
    count (Haldane, 1956). Columns that are always or never missing are left out.

    >>> pairs = co_missing(pd.DataFrame({"a": [1, None, None, 2], "b": [1, None, None, 2]}))
    >>> pairs[["first", "second", "both", "expected", "phi"]]
      first second  both  expected  phi
    0     a      b     2       1.0  1.0

    Raises:
        ValueError: no row, or no column.
    """
    gone = gone_of(table)
    varied = gone.loc[:, (gone.any() & ~gone.all()).to_numpy()]
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
    """Measure how each column's absence goes with other columns' values, strongest first.

    "measure" is "AUC" for numbers and ordered levels: the probability that a row in which the
    column is missing has the higher value (0.5 is no association); "V" for levels without order:
    Cramer's V. "strength" makes both comparable: |2 AUC - 1|, or V. "smd" is the standardised
    difference of the means (missing minus present, by the pooled sd; Cohen, 1988), NaN for levels.
    "rows" counts those in which the other column is seen.

    >>> frame = pd.DataFrame({"a": [1, 2, None, None], "b": [1.0, 2.0, 3.0, 4.0]})
    >>> associations(frame)[["missing", "with", "measure", "value", "smd"]].round(2)
      missing with measure  value   smd
    0       a    b     AUC    1.0  2.83

    Args:
        table: n rows.
        schema: what columns are; those it does not name are no explanation of others. That of an
            IncompleteData, or by their dtypes, when left out.

    Raises:
        ValueError: no row, or no column; without a schema, a column of no known type.
    """
    gone = gone_of(table)
    if isinstance(table, IncompleteData):
        kinds, values = table.schema, table.values
    else:
        kinds = infer_schema(table, by="dtype") if schema is None else schema
        values = kinds.encode(table.iloc[:, [list(gone.columns).index(c) for c in kinds.names]])
    parts = [_explained_by(column, values[:, k], gone) for k, column in enumerate(kinds)]
    result = pd.concat([_NOTHING, *(part for part in parts if len(part))])
    result = result.sort_values("strength", ascending=False, kind="stable")
    return result.reset_index(drop=True).astype({"rows": int})


def is_monotone(table: Table) -> bool:
    """Whether columns can be ordered so that a row that lacks one lacks all later ones.

    >>> is_monotone(pd.DataFrame({"a": [1, 2, None], "b": [1, None, None]}))
    True

    Raises:
        ValueError: no row, or no column.
    """
    gone = gone_of(table).to_numpy()
    order = np.argsort(gone.sum(0), kind="stable")
    later = gone[:, order]
    return bool((later[:, 1:] >= later[:, :-1]).all())


def gone_of(table: Table) -> pd.DataFrame:
    """Return the missing mask (n, p) of the table: booleans, True where a value is missing."""
    if isinstance(table, IncompleteData):
        result = pd.DataFrame(np.isnan(table.values), columns=list(table.columns))
    else:
        result = table.isna()
        result.columns = pd.Index(column_names(table.columns))
    if 0 in result.shape:
        raise InputError(f"the table has {len(result)} rows and {result.shape[1]} columns.")
    return result


_NOTHING = pd.DataFrame(
    {name: pd.Series(dtype=object) for name in ("missing", "with", "measure")}
    | {name: pd.Series(dtype=float) for name in ("value", "strength", "smd", "rows")}
)


def _explained_by(column: Column, values: np.ndarray, gone: pd.DataFrame) -> pd.DataFrame:
    """Associate every column's absence with one column's values (n,)."""
    seen = ~np.isnan(values)
    value, absent = values[seen], gone.to_numpy(dtype=np.float64)[seen]
    n, k = len(value), absent.sum(0)
    kept = (gone.columns != column.name) & (k > 0) & (k < n)
    if not kept.any() or value.min() == value.max():
        return _NOTHING
    absent, k = absent[:, kept], k[kept]
    smd = np.full(len(k), np.nan)
    if column.kind == "categorical" and column.num_values > 2:
        measure, found = "V", _cramers_v(value, absent)
        strength = found
    else:
        # Mann and Whitney's U by one ranking for all masks
        found = (rankdata(value) @ absent - k * (k + 1) / 2) / (k * (n - k))
        measure, strength = "AUC", np.abs(2 * found - 1)
        if not column.levels and np.isfinite(value).all():
            smd = _standardised_difference(value, absent)
    parts = {"missing": gone.columns[kept], "with": column.name, "measure": measure}
    return pd.DataFrame(parts | {"value": found, "strength": strength, "smd": smd, "rows": n})


def _cramers_v(codes: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Compute Cramer's V of codes (n,) with each of the masks (n, m)."""
    indicators = codes[:, None] == np.unique(codes)
    counts, k, n = indicators.T @ absent, absent.sum(0), len(codes)
    expected = indicators.sum(0)[:, None] * (k / n)
    present = indicators.sum(0)[:, None] - expected
    # with two groups, missing and present, the deviations of one mirror those of the other
    squares = (counts - expected) ** 2 * (1 / expected + 1 / present)
    return cast(np.ndarray, np.sqrt(squares.sum(0) / n))


def _standardised_difference(value: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Compute Cohen's d of values (n,) between the rows of each mask (n, m) and the others."""
    scaled = (value - value.mean()) / value.std()  # or squares of dates would cancel
    k, n = absent.sum(0), len(value)
    high, low = scaled @ absent / k, scaled @ (1 - absent) / (n - k)
    within = np.sum(scaled**2) - k * high**2 - (n - k) * low**2
    pooled = np.sqrt(np.clip(within, 0, None) / max(n - 2, 1))
    usable = (pooled > 1e-9) & (n > 2)
    return np.where(usable, (high - low) / np.where(usable, pooled, 1.0), np.nan)
