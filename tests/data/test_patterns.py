"""Rates, patterns and associations, against loops and other libraries."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from scipy.stats.contingency import association
from sklearn.metrics import matthews_corrcoef, roc_auc_score
from statsmodels.datasets import anes96
from statsmodels.stats.contingency_tables import Table2x2

from absentia.data import IncompleteData, infer_schema
from absentia.data.amputation import above_mean
from absentia.data.datasets import uci as real
from absentia.data.patterns import (
    associations,
    co_missing,
    is_monotone,
    missing_rates,
    patterns,
)
from absentia.inference.plots.patterns import draw_missingness


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
    assert found.loc["complete", "columns"] == 0
    assert found.loc["b, c", "columns"] == 2


def test_names_that_could_be_mistaken_are_quoted():
    frame = pd.DataFrame(
        {"a, b": [None, 1, 1, 1.0], "a": [1, None, 1, 1], "b": [1, None, 1, 1]}
    ).assign(complete=[1, 1, None, 1])
    found = set(patterns(frame).index)
    assert found == {"'a, b'", "a, b", "'complete'", "complete"}
    assert set(co_missing(frame)["first"]) == {"a, b", "a", "b"}


def test_pairs_against_scikit_learn_and_statsmodels(frame):
    found = co_missing(frame)
    assert found["phi"].abs().is_monotonic_decreasing
    gone = frame.isna()
    found = found.set_index(["first", "second"])
    for first, second in itertools.combinations("bcd", 2):
        row = found.loc[(first, second)]
        assert row["phi"] == pytest.approx(matthews_corrcoef(gone[first], gone[second]))
        assert row["both"] == (gone[first] & gone[second]).sum()
        assert row["expected"] == pytest.approx(gone[first].mean() * gone[second].mean() * 80)
        counts = pd.crosstab(gone[first], gone[second]).to_numpy() + 0.5
        assert row["log_odds"] == pytest.approx(Table2x2(counts, shift_zeros=False).log_oddsratio)
    assert len(found) == 3  # a and job are never missing


def by_hand(frame, schema):
    """Every association by one call a pair."""
    values = pd.DataFrame(schema.encode(frame), columns=frame.columns)
    rows = {}
    for target, other in itertools.permutations(frame.columns, 2):
        seen = frame[other].notna().to_numpy()
        absent, value = frame[target].isna().to_numpy()[seen], values[other].to_numpy()[seen]
        if absent.all() or not absent.any() or len(set(value)) < 2:
            continue
        if schema[other].kind == "categorical" and schema[other].num_values > 2:
            found = association(pd.crosstab(absent, value).to_numpy(), method="cramer")
            rows[target, other] = ("V", found, found)
        else:
            high = mannwhitneyu(value[absent], value[~absent]).statistic
            found = high / (absent.sum() * (~absent).sum())
            rows[target, other] = ("AUC", found, abs(2 * found - 1))
    return rows


def check_against_loops(frame, schema):
    found, expected = associations(frame, schema), by_hand(frame, schema)
    assert found["strength"].is_monotonic_decreasing
    assert len(found) == len(expected) > 0
    for row in found.itertuples():
        measure, value, strength = expected[row.missing, row._2]
        assert row.measure == measure
        assert (row.value, row.strength) == pytest.approx((value, strength), abs=1e-12)


def test_associations_against_loops(frame):
    check_against_loops(frame, infer_schema(frame))


def test_associations_in_a_survey_of_counts_and_grades():
    whole = anes96.load_pandas().data[["TVnews", "selfLR", "age", "educ", "income", "vote"]]
    frame = whole.copy()
    rng = np.random.default_rng(0)
    for name in ("TVnews", "educ", "vote"):
        scaled = (whole[name] - whole[name].mean()) / whole[name].std()
        frame.loc[rng.random(len(frame)) < 1 / (1 + np.exp(1 - 2 * scaled)), name] = np.nan
    kinds = {"selfLR": "ordinal", "educ": "ordinal", "income": "categorical"}
    check_against_loops(frame, infer_schema(frame, kinds))


def test_associations_in_a_real_table_with_its_high_values_hidden():
    whole = real.load("breast").iloc[:, :8]
    frame = whole.where(above_mean(whole).mask)
    check_against_loops(frame, infer_schema(frame, by="dtype"))
    # the size of a nucleus hides its area and goes with its texture little
    found = associations(frame).set_index(["missing", "with"])["strength"]
    hidden = frame.columns[frame.isna().any()]
    assert found[(hidden[0], hidden[1])] < found[(hidden[0], "mean_concave_points")]


def test_auc_and_difference_of_means_by_hand(frame):
    found = associations(frame).set_index(["missing", "with"])
    for target, other in [("b", "a"), ("c", "b"), ("d", "c")]:
        seen = frame[other].notna()
        auc = roc_auc_score(frame.loc[seen, target].isna(), frame.loc[seen, other])
        assert found.loc[(target, other), "value"] == pytest.approx(auc)
        assert found.loc[(target, other), "rows"] == seen.sum()
        absent = frame.loc[frame[target].isna(), other].dropna()
        present = frame.loc[frame[target].notna(), other].dropna()
        squares = (len(absent) - 1) * absent.var() + (len(present) - 1) * present.var()
        pooled = np.sqrt(squares / (len(absent) + len(present) - 2))
        expected = (absent.mean() - present.mean()) / pooled
        assert found.loc[(target, other), "smd"] == pytest.approx(expected)
    assert np.isnan(found.loc[("d", "job"), "smd"])
    # far from zero, as dates in seconds are
    far = associations(frame.assign(a=frame["a"] + 1e9)).set_index(["missing", "with"])
    assert far.loc[("b", "a"), "smd"] == pytest.approx(found.loc[("b", "a"), "smd"], rel=1e-5)


def test_values_by_their_schema():
    frame = pd.DataFrame({"n": [1, 2, 3, 4] * 5, "v": [None, None, 1.0, 2.0] * 5})
    schema = infer_schema(frame, {"n": {"kind": "ordinal", "levels": [4, 3, 2, 1]}})
    assert associations(frame, schema)["value"].item() == 1.0
    assert associations(frame)["value"].item() == 0.0


def test_columns_that_the_schema_does_not_name_explain_nothing(frame):
    found = associations(frame, infer_schema(frame[["b", "a"]]))
    assert set(found["with"]) == {"a", "b"}
    assert set(found["missing"]) == {"b", "c", "d"}


def test_data_read_before_say_the_same(frame):
    data = IncompleteData.from_frame(frame)
    for function in (missing_rates, patterns, co_missing, associations):
        pd.testing.assert_frame_equal(function(data), function(frame))
    assert is_monotone(data) is is_monotone(frame)


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


def test_monotone_is_an_order_of_the_columns_that_exists():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        gone = rng.random((3, 4)) < 0.4
        frame = pd.DataFrame(np.where(gone, np.nan, 1.0), columns=list("abcd"))
        some = any(
            (gone[:, order][:, 1:] >= gone[:, order][:, :-1]).all()
            for order in itertools.permutations(range(4))
        )
        assert is_monotone(frame) is some
        seen.add(some)
    assert seen == {True, False}


def test_a_table_without_gaps_has_nothing_to_say():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert co_missing(frame).empty
    assert associations(frame).empty
    assert patterns(frame).index.tolist() == ["complete"]


@pytest.mark.parametrize("function", [missing_rates, patterns, co_missing, associations])
@pytest.mark.parametrize("shape", [(0, 2), (2, 0)], ids=["no row", "no column"])
def test_empty_tables_are_refused(function, shape):
    with pytest.raises(ValueError, match=f"{shape[0]} rows and {shape[1]} columns"):
        function(pd.DataFrame(np.ones(shape), columns=list("ab")[: shape[1]]))


@pytest.mark.parametrize("columns", [1, 3, 45])
@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
@pytest.mark.thin(4)
def test_the_figure_of_odd_tables(tmp_path, columns, rate):
    rng = np.random.default_rng(0)
    values = np.where(rng.random((60, columns)) < rate, np.nan, 1.0)
    frame = pd.DataFrame(values, columns=[f"cost, ${j}$ {'_' * j}" for j in range(columns)])
    draw_missingness(frame, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
