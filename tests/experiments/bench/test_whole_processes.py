"""Benchmarks of whole processes: cells are kept, failures are said, tables are drawn from cells."""

import json

import numpy as np
import pandas as pd
import pytest

from absentia.data.errors import InputError
from absentia.experiments.bench import answers, growth, ours, peers, tables
from absentia.experiments.peers import Measured
from absentia.inference.plots.growth import Cost, plot_growth


def test_the_first_half_of_the_columns_loses_what_is_above_the_mean():
    truth, missing = peers.damaged("wine")
    assert truth.shape == (178, 13)
    expected = truth > truth.mean(0)
    assert (missing[:, :6] == expected[:, :6]).all()
    assert not missing[:, 6:].any()


def test_cells_are_measured_once_and_a_failure_does_not_stop_the_others(
    tmp_path, monkeypatch, capsys
):
    asked = []

    def measure(method, table, seed):
        asked.append(method)
        if method == "broken":
            raise InputError("'broken' did not complete the table: no memory")
        return Measured(np.where(np.isnan(table), np.nanmean(table, 0), table), 1.234, 56.7)

    monkeypatch.setattr(peers, "measure", measure)
    peers.measure_all(tmp_path, ["wine"], ["broken", "mean, fast"], [0])
    peers.measure_all(tmp_path, ["wine"], ["broken", "mean, fast"], [0])
    assert asked == ["broken", "mean, fast", "broken"]
    assert "no memory" in capsys.readouterr().err
    cell = json.loads((tmp_path / "wine--mean-fast--0.json").read_text())
    truth, missing = peers.damaged("wine")
    standard = ((np.nanmean(np.where(missing, np.nan, truth), 0) - truth) / truth.std(0))[missing]
    assert cell["rmse"] == pytest.approx(np.sqrt(np.mean(standard**2)), abs=1e-4)
    assert (cell["cpu_seconds"], cell["megabytes"]) == (1.23, 57)


def test_our_own_command_completes_a_table_as_the_peers_do(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(60, 3))
    x[:20, 0] = np.nan
    pd.DataFrame(x, columns=list("abc")).to_csv(tmp_path / "in.csv", index=False)
    made = tmp_path / "out.csv"
    ours.main(["MNARImputer, PPCA", str(tmp_path / "in.csv"), str(made), "--seed", "1"])
    completed = pd.read_csv(made)
    assert list(completed.columns) == ["a", "b", "c"]
    seen = ~np.isnan(x)
    np.testing.assert_allclose(completed.to_numpy()[seen], x[seen], rtol=1e-12)
    assert completed["a"].notna().all()


def test_the_time_is_that_of_the_first_bound_that_is_close_to_the_best():
    bounds = [-9.0, -5.003, -6.0, -5.0, -5.2]
    assert answers.time_within([1, 2, 3, 4, 5], bounds, 0.005) == 2
    assert answers.time_within([1, 2, 3, 4, 5], bounds, 0.001) == 4


def cell(**given):
    return {"table": "wine", "rmse": 1.0, "cpu_seconds": 2.0, "megabytes": 1500, **given}


def test_tables_hold_means_standard_errors_and_gaps(tmp_path):
    folder = tmp_path / "bench-peers"
    folder.mkdir()
    for seed, error in enumerate((1.0, 1.2)):
        text = json.dumps(cell(method="MNARImputer", rmse=error))
        (folder / f"{seed}.json").write_text(text)
    (folder / "2.json").write_text(json.dumps(cell(method="mice", table="breast")))
    rows, cells = tables.measured("bench-peers", tmp_path)
    assert cells == 3
    assert {len(row) for row in rows} == {10}
    assert [row[0] for row in rows] == ["method", "mice", "MNARImputer"]
    assert rows[2][1:5] == ["1.100 ± 0.100", "2.0 ± 0.0", "1,500", ""]
    assert rows[1][1:7] == ["", "", "", "1.000", "2.0", "1,500"]


def test_the_table_that_grows_loses_high_values_in_its_first_half():
    made = growth.table(4000, 5, seed=1)
    missing = np.isnan(made)
    assert not missing[:, 2:].any()
    assert missing[:, :2].mean() == pytest.approx(0.5, abs=0.03)
    assert np.nanmean(made[:, :2]) < -0.3
    np.testing.assert_allclose(made[:, 2:].std(0), 1, atol=0.05)


def test_growth_is_drawn_against_rows_and_against_columns():
    costs = [Cost(1000, 10, "fit", 1.0, 400.0), Cost(10_000, 10, "fit", 20.0, 500.0)]
    costs += [Cost(1000, 100, "fit", 5.0, 450.0), Cost(1000, 10, "impute", 2.0, 410.0)]
    rows, columns = plot_growth(costs).axes[:2]
    fits = [line for line in rows.get_lines() if line.get_label() == "fit"]
    assert [list(line.get_xydata().ravel()) for line in fits] == [[1000, 1.0, 10_000, 20.0]]
    fits = [line for line in columns.get_lines() if line.get_label() == "fit"]
    assert [list(line.get_xydata().ravel()) for line in fits] == [[10, 1.0, 100, 5.0]]


@pytest.mark.slow
def test_growth_is_measured_in_a_process_of_its_own_and_kept(tmp_path, capsys):
    options = ["--out", str(tmp_path), "--most-rows", "1000", "--most-columns", "10"]
    growth.main(options)
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())
    assert (found["rows"], found["columns"]) == (1000, 10)
    assert found["fit"]["megabytes"] > found["imports_megabytes"] > 100
    assert found["slope_per_sd"] == pytest.approx(-2.0, abs=1.0)  # of being seen
    capsys.readouterr()
    growth.main(options)
    assert capsys.readouterr().out == ""
