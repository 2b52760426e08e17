"""Coverage of what the commands print: true values, what counts as covered, and one real cell."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from absentia.experiments.runner import Spec, plan, run, table_of
from absentia.experiments.tasks.commands import TRUTH, _scores, commands_table
from absentia.experiments.tasks.coverage import simulate


def test_the_true_values_are_those_of_a_large_table():
    frame = simulate(0, 300_000, slope=0.0)  # missing completely at random
    for formula, truth in TRUTH.items():
        found = smf.ols(formula, frame.dropna()).fit().params
        for term, value in truth.items():
            assert found[term] == pytest.approx(value, abs=0.01)


def test_what_is_missing_by_x_is_missing_at_random():
    frame = simulate(0, 300_000, by="x", centre=0.2)
    slopes = smf.ols("y ~ x + w", frame.dropna()).fit().params
    assert slopes["Intercept"] == pytest.approx(1.0, abs=0.01)
    own = smf.ols("y ~ x + w", simulate(0, 300_000).dropna()).fit().params
    assert own["Intercept"] < 0.9


def test_the_pooled_interval_is_the_printed_one_and_the_others_are_normal():
    row = pd.Series(
        {"estimate": 1.0, "se": 0.1, "lower": 0.7, "upper": 1.3, "at_random_estimate": 1.0,
         "at_random_se": 0.1, "complete_cases_estimate": 1.0, "complete_cases_se": 0.1}
    )  # fmt: skip
    found = _scores(row, 1.25)
    assert found["pooled_covers"] == 1.0
    assert found["at_random_covers"] == found["complete_cases_covers"] == 0.0
    assert found["pooled_error"] == pytest.approx(-0.25)
    cells = [("commands", "own", {"terms": {"t": _scores(row, truth)}}) for truth in (1.25, 1.5)]
    head, pooled, *_ = commands_table(cells)
    told = dict(zip(head, pooled, strict=True))
    assert (told["coverage"], told["bias"], told["files"]) == ("0.500", "-0.375", "2")
    assert float(told["sd of estimates"]) == pytest.approx(np.std([0.25, 0.5], ddof=1), abs=1e-3)


@pytest.mark.slow
def test_a_cell_runs_the_commands(tmp_path):
    spec = replace(Spec.named("commands"), budgets={"tiny": {"seeds": 1, "impute": {"m": 5}}})
    assert run(spec, "tiny", tmp_path) == []
    table = table_of(spec, "tiny", tmp_path)
    assert (table.found, table.planned) == (2, 2)
    own = plan(spec, "tiny")[0].result(tmp_path)["terms"]["y ~ 1: Intercept"]
    assert abs(own["pooled_error"]) < abs(own["complete_cases_error"])
