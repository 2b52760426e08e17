"""The recovery experiment: what it draws, and that one cell recovers."""

import numpy as np
import pytest

from absentia.experiments import recovery


@pytest.mark.parametrize("name", recovery.MECHANISMS)
def test_values_go_missing_by_the_mechanism(name):
    table = recovery.complete_table(0, 4000)
    gone = recovery.masked(table, name, 0).isna()
    _, truth = recovery.MECHANISMS[name]
    assert set(gone.columns[gone.any()]) == set(truth)
    assert (gone[list(truth)].mean() > 0.05).all()
    if name == "self-masking":
        rate = gone["a"].to_numpy(float)
        expected = 1 / (1 + np.exp(3.0 - table["a"]))
        error = (rate - expected).mean()
        assert abs(error) < 4 * np.sqrt((expected * (1 - expected)).mean() / 4000)


def test_intervals_hold_the_truth_of_a_small_cell(monkeypatch):
    monkeypatch.setattr(
        recovery, "SETTINGS", {"steps": 400, "learning_rate": 1e-2, "particles": 10}
    )
    cell = recovery.run_cell("at random", 1, rows=600)
    for found in cell["coefficients"].values():
        assert abs(found["estimate"] - found["truth"]) < 4 * found["sd"]
        assert 0.02 < found["sd"] < 0.5
    assert "at random | a ~ w |" in recovery.table_of([cell, {**cell, "seed": 2}])
