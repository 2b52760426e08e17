"""The coverage experiment: its truth, its analysis, and that what is done is not done again."""

import json

import numpy as np
import pytest
import statsmodels.formula.api as smf

from absentia.experiments import coverage


def test_the_true_values_are_those_of_a_large_table():
    rng = np.random.default_rng(0)
    common = rng.normal(size=400_000)
    x, w = (0.7 * common + 0.51**0.5 * rng.normal(size=400_000) for _ in range(2))
    y = coverage.MEAN + 0.6 * x + 0.5 * w
    slope = np.cov(x, y)[0, 1] / x.var()
    assert slope == pytest.approx(coverage.SLOPE, abs=5e-3)


def test_the_analysis_is_least_squares():
    frame = coverage.simulate(1).dropna()
    estimate, variance = coverage.analyse(frame)
    theirs = smf.ols("y ~ x", frame).fit()
    assert estimate["slope"] == pytest.approx(theirs.params["x"])
    assert variance["slope"] == pytest.approx(theirs.bse["x"] ** 2)
    assert variance["mean"] == pytest.approx(frame["y"].sem() ** 2)


def test_it_runs_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "_FIT", {**coverage._FIT, "steps": 40})
    arguments = ["--datasets", "1", "--jobs", "1", "--out", str(tmp_path)]
    found = coverage.main(arguments)
    assert (found["data sets"] == 1).all()
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(stamps) == 1
    again = coverage.main(arguments)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert found.equals(again)
    assert "coverage" in capsys.readouterr().out
    cell = json.loads((tmp_path / "000.json").read_text())
    assert 0.2 < cell["missing"] < 0.7
