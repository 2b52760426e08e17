"""Rates, patterns and associations, against loops and other libraries."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from absentia.data import infer_schema
from absentia.data.patterns import (
    associations,
    co_missing,
    is_monotone,
    missing_rates,
    patterns,
)


@pytest.fixture
def frame():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(80, 4)), columns=list("abcd"))
    table["job"] = rng.choice(["x", "y", "z"], 80)
    table.loc[table["a"] + rng.normal(size=80) > 0.5, ["b", "c"]] = np.nan
    table.loc[rng.random(80) < 0.2, "c"] = np.nan
    table.loc[(table["job"] == "x") & (rng.random(80) < 0.7), "d"] = np.nan
    return table


def test_rates_and_patterns_by_counting(frame):
    rates = missing_rates(frame)
    for name in frame:
        assert rates.loc[name, "missing"] == sum(pd.isna(v) for v in frame[name])
        assert rates.loc[name, "rate"] == pytest.approx(rates.loc[name, "missing"] / 80)
    counts = {}
    for _, row in frame.iterrows():
        key = ", ".join(name for name in frame if pd.isna(row[name])) or "complete"
        counts[key] = counts.get(key, 0) + 1
    found = patterns(frame)
    assert found["rows"].to_dict() == counts
    assert found["rows"].is_monotonic_decreasing
    assert found["share"].sum() == pytest.approx(1)


def test_pairs_against_scikit_learn(frame):
    found = co_missing(frame)
    assert found["phi"].abs().is_monotonic_decreasing
    gone = frame.isna()
    for first, second in itertools.combinations("bcd", 2):
        row = found.loc[f"{first}, {second}"]
        assert row["phi"] == pytest.approx(matthews_corrcoef(gone[first], gone[second]))
        assert row["both"] == (gone[first] & gone[second]).sum()
        assert row["expected"] == pytest.approx(gone[first].mean() * gone[second].mean() * 80)
    assert len(found) == 3  # a and job are never missing


def test_associations_against_scikit_learn_and_by_hand(frame):
    found = associations(frame)
    assert found["strength"].is_monotonic_decreasing
    found = found.set_index(["missing", "with"])
    for target, other in [("b", "a"), ("c", "b"), ("d", "c")]:
        seen = frame[other].notna()
        auc = roc_auc_score(frame.loc[seen, target].isna(), frame.loc[seen, other])
        assert found.loc[(target, other), "value"] == pytest.approx(auc)
        assert found.loc[(target, other), "rows"] == seen.sum()
    table = pd.crosstab(frame["d"].isna(), frame["job"]).to_numpy()
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    v = np.sqrt(((table - expected) ** 2 / expected).sum() / table.sum())
    assert found.loc[("d", "job"), "value"] == pytest.approx(v)
    assert found.loc[("d", "job"), "measure"] == "V"


def test_values_by_their_schema():
    frame = pd.DataFrame({"n": [1, 2, 3, 4] * 5, "v": [None, None, 1.0, 2.0] * 5})
    schema = infer_schema(frame, {"n": {"kind": "ordinal", "levels": [4, 3, 2, 1]}})
    assert associations(frame, schema)["value"].item() == 1.0
    assert associations(frame)["value"].item() == 0.0


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ([[0, 0], [0, 1], [1, 1]], True),
        ([[0, 1], [1, 0]], False),
        ([[0, 0], [0, 0]], True),
        ([[1, 0], [0, 0], [1, 1]], True),
    ],
    ids=["staircase", "crossed", "complete", "unsorted"],
)
def test_monotone(gone, expected):
    frame = pd.DataFrame(np.where(np.array(gone) == 1, np.nan, 1.0), columns=["a", "b"])
    assert is_monotone(frame) is expected


def test_a_table_without_gaps_has_nothing_to_say():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert co_missing(frame).empty
    assert associations(frame).empty
    assert patterns(frame).index.tolist() == ["complete"]
