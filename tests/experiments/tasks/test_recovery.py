"""The recovery experiment: what it draws, and that one cell recovers."""

from dataclasses import replace

import numpy as np
import pytest

from absentia.experiments.runner import Spec, plan
from absentia.experiments.runner.running import run_cell
from absentia.experiments.tasks.recovery import complete_table, masked, recovery_table

SPEC = Spec.named("recovery")
SCENARIOS = {scenario.name: scenario.arguments for scenario in SPEC.scenarios}


@pytest.mark.parametrize("name", SCENARIOS)
def test_values_go_missing_by_the_mechanism(name):
    table = complete_table(0, 4000)
    gone = masked(table, SCENARIOS[name], 0).isna()
    truth = SCENARIOS[name]["coefficients"]
    assert set(gone.columns[gone.any()]) == set(truth)
    assert (gone[list(truth)].mean() > 0.05).all()
    if name == "self-masking":
        rate = gone["a"].to_numpy(float)
        expected = 1 / (1 + np.exp(3.0 - table["a"]))
        error = (rate - expected).mean()
        assert abs(error) < 4 * np.sqrt((expected * (1 - expected)).mean() / 4000)


@pytest.mark.slow
def test_intervals_hold_the_truth_of_a_small_cell():
    (cell,) = (
        cell
        for cell in plan(SPEC, "full")
        if cell.column == "at random" and cell.configuration["seed"] == 1
    )
    small = {
        "table": {**cell.configuration["table"], "rows": 600},
        "fit": {**cell.configuration["fit"], "steps": 400},
    }
    found = run_cell(replace(cell, configuration={**cell.configuration, **small}))
    for one in found["coefficients"].values():
        assert abs(one["estimate"] - one["truth"]) < 4 * one["sd"]
        assert 0.02 < one["sd"] < 0.5
    rows = recovery_table([(cell.method, cell.column, found)] * 2)
    assert ["at random", "a ~ w"] in [row[:2] for row in rows]
    held = round(found["metrics"]["coverage"] * len(found["coefficients"]))
    assert rows[-1][-1] == f"{2 * held} of {2 * len(found['coefficients'])}"
