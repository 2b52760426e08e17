"""The coverage experiment: its truth, its analysis, and that what is done is not done again."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.formula.api as smf

from absentia.experiments.runner import Spec, plan, run, table_of
from absentia.experiments.tasks.coverage import MEAN, SLOPE, analyse, simulate


def test_the_true_values_are_those_of_a_large_table():
    rng = np.random.default_rng(0)
    common = rng.normal(size=400_000)
    x, w = (0.7 * common + 0.51**0.5 * rng.normal(size=400_000) for _ in range(2))
    y = MEAN + 0.6 * x + 0.5 * w
    slope = np.cov(x, y)[0, 1] / x.var()
    assert slope == pytest.approx(SLOPE, abs=5e-3)


def test_the_analysis_is_least_squares():
    frame = simulate(1, 500).dropna()
    estimate, variance = analyse(frame)
    theirs = smf.ols("y ~ x", frame).fit()
    assert estimate["slope"] == pytest.approx(theirs.params["x"])
    assert variance["slope"] == pytest.approx(theirs.bse["x"] ** 2)
    assert variance["mean"] == pytest.approx(frame["y"].sem() ** 2)


@pytest.mark.slow
def test_a_cell_counts_and_a_changed_setting_is_another_cell(tmp_path):
    spec = Spec.named("coverage")
    budgets = {"tiny": {"seeds": 1, "fit": {"steps": 40}, "impute": {"m": 3}}}
    tiny = replace(spec, budgets=budgets)
    assert run(tiny, "tiny", tmp_path) == []
    table = table_of(tiny, "tiny", tmp_path)
    assert (table.found, table.planned) == (3, 3)
    rows = table.rows()
    assert [row[0] for row in rows[1::2]] == ["proper", "plug-in", "missing at random"]
    assert {row[-1] for row in rows[1:]} == {"1"}
    cell = plan(tiny, "tiny")[0]
    found = cell.result(tmp_path)
    assert 0.2 < found["missing"] < 0.7
    inside = abs(found["metrics"]["error_mean"]) < 1.9 * found["metrics"]["se_mean"]
    assert found["metrics"]["coverage_mean"] == 1 or not inside
    budgets = {"tiny": {**budgets["tiny"], "fit": {"steps": 41}}}
    assert table_of(replace(spec, budgets=budgets), "tiny", tmp_path).found == 0
