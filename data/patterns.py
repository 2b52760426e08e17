"""What a table's missing values look like before any model: rates, patterns, associations."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu
from scipy.stats.contingency import association

from .numeric import column_names
from .schema import Schema, infer_schema


def missing_rates(frame: pd.DataFrame) -> pd.DataFrame:
    """How many values each column lacks: one row a column, "missing" and "rate".

    >>> missing_rates(pd.DataFrame({"a": [1, None], "b": [1, 2]}))
            missing  rate
    column
    a             1   0.5
    b             0   0.0
    """
    gone = _gone(frame)
    result = pd.DataFrame({"missing": gone.sum(), "rate": gone.mean()})
    return result.rename_axis("column")


def patterns(frame: pd.DataFrame) -> pd.DataFrame:
    """Which columns are missing together, the most frequent first.

    Index "pattern" names the missing columns ("complete" where there is none); "rows" counts,
    "share" is of all rows, "columns" is how many are missing.

    >>> patterns(pd.DataFrame({"a": [1, None, None], "b": [1, None, None]}))
              rows     share  columns
    pattern
    a, b         2  0.666667        2
    complete     1  0.333333        0
    """
    gone = _gone(frame)
    if not len(gone.columns):
        raise ValueError("the table has no column.")
    counts = gone.value_counts(sort=True)
    labels, sizes = [], []
    for key in counts.index:
        names = [name for name, missing in zip(gone.columns, key, strict=True) if missing]
        labels.append(", ".join(names) or "complete")
        sizes.append(len(names))
    return pd.DataFrame(
        {"rows": counts.to_numpy(), "share": counts.to_numpy() / len(frame), "columns": sizes},
        index=pd.Index(labels, name="pattern"),
    )


def co_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Pairs of columns that go missing together, the strongest association first.

    "both" counts rows where both are missing, "expected" what independence would give, "phi" is
    the correlation of the two masks. Pairs of columns that are always or never missing are left
    out.

    >>> co_missing(pd.DataFrame({"a": [1, None, None, 2], "b": [1, None, None, 2]}))["phi"].item()
    1.0
    """
    gone = _gone(frame)
    varied = [name for name in gone.columns if 0 < gone[name].mean() < 1]
    rows = []
    for first, second in itertools.combinations(varied, 2):
        a, b = gone[first].to_numpy(float), gone[second].to_numpy(float)
        phi = float(np.corrcoef(a, b)[0, 1])
        rows.append((f"{first}, {second}", int(a @ b), len(a) * a.mean() * b.mean(), phi))
    result = pd.DataFrame(rows, columns=["pair", "both", "expected", "phi"]).set_index("pair")
    return result.sort_values("phi", key=lambda v: -v.abs(), kind="stable")


def associations(frame: pd.DataFrame, schema: Schema | None = None) -> pd.DataFrame:
    """How the absence of a column goes with the values of the others, the strongest first.

    "measure" is "AUC" for numbers and ordered levels: the probability that a row in which the
    column is missing has the higher value (0.5 is no association); "V" for levels without order:
    Cramer's V. "strength" makes both comparable: |2 AUC - 1|, or V. "rows" counts those in which
    the other column is seen.

    >>> frame = pd.DataFrame({"a": [1, 2, None, None], "b": [1.0, 2.0, 3.0, 4.0]})
    >>> associations(frame)[["missing", "with", "measure", "value"]]
      missing with measure  value
    0       a    b     AUC    1.0
    """
    kinds = infer_schema(frame, by="dtype") if schema is None else schema
    gone, values = _gone(frame), kinds.encode(frame)
    rows = []
    for target in gone.columns:
        for k, column in enumerate(kinds):
            if column.name == target:
                continue
            seen = ~np.isnan(values[:, k])
            absent, value = gone[target].to_numpy()[seen], values[seen, k]
            if not 0 < absent.sum() < len(absent) or len(np.unique(value)) < 2:
                continue
            if column.kind == "categorical" and column.num_values > 2:
                table = pd.crosstab(absent, value).to_numpy()
                found, measure = float(association(table, method="cramer")), "V"
                strength = found
            else:
                high = mannwhitneyu(value[absent], value[~absent]).statistic
                found, measure = float(high / (absent.sum() * (~absent).sum())), "AUC"
                strength = abs(2 * found - 1)
            rows.append((target, column.name, measure, found, strength, int(seen.sum())))
    names = ["missing", "with", "measure", "value", "strength", "rows"]
    result = pd.DataFrame(rows, columns=names).sort_values("strength", ascending=False)
    return result.reset_index(drop=True)


def is_monotone(frame: pd.DataFrame) -> bool:
    """Whether columns can be ordered so that a row that lacks one lacks all later ones.

    >>> is_monotone(pd.DataFrame({"a": [1, 2, None], "b": [1, None, None]}))
    True
    """
    gone = _gone(frame).to_numpy()
    order = np.argsort(gone.sum(0), kind="stable")
    later = gone[:, order]
    return bool((later[:, 1:] >= later[:, :-1]).all())


def _gone(frame: pd.DataFrame) -> pd.DataFrame:
    result = frame.isna()
    result.columns = pd.Index(column_names(frame.columns))
    return result
