"""Sweeps: they resume, choose by the bound, and say what mattered."""

import json
import platform

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.experiments.tuning import Sweep, importances, tune
from absentia.experiments.tuning.study import study_of

optuna = pytest.importorskip("optuna")

TOY = """
title = "A toy"
trials = 5
[table]
name = "ring"
make = "gaussian_2d"
n = 60
[amputation]
name = "above_mean"
[method]
kind = "not-miwae"
model = {sign = "+"}
fit = {steps = 20, particles = 3}
[search."model.latent_dim"]
low = 1
high = 3
[search."fit.learning_rate"]
low = 1e-4
high = 1e-1
log = true
[search."model.hidden"]
choice = [[4], [4, 4]]
"""


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    return path


@pytest.mark.slow
def test_a_sweep_is_run_and_goes_on_where_it_was(toy, tmp_path):
    sweep, folder = Sweep.named(str(toy)), tmp_path / "out"
    first = tune(sweep, folder, trials=3)
    assert len(first) == 3
    whole = tune(sweep, folder)
    pd.testing.assert_frame_equal(whole.head(3), first)
    assert set(whole["state"]) <= {"COMPLETE", "PRUNED"}
    complete = whole[whole["state"] == "COMPLETE"]
    best = json.loads((folder / "best.json").read_text())
    chosen = complete.loc[complete["bound"].idxmax()]
    assert best == {key: json.loads(chosen[key]) for key in sweep.search}
    assert best["model.hidden"] in ([4], [4, 4])
    assert complete["rmse"].between(0.1, 5).all()
    assert {path.name for path in folder.iterdir()} >= {"trials.csv", "importance.csv", "sweep.png"}
    again = tune(sweep, tmp_path / "again")  # the same seed, the same sweep
    columns = ["state", "bound", "rmse", *sweep.search]
    pd.testing.assert_frame_equal(again[columns], whole[columns])


def test_the_parameter_that_matters_is_found(toy, tmp_path):
    """Trials whose bound is known to follow the rate, and hardly the latent size."""
    sweep, folder = Sweep.named(str(toy)), tmp_path / "out"
    study, rng = study_of(sweep, folder), np.random.default_rng(0)
    search = {
        "model.latent_dim": optuna.distributions.IntDistribution(1, 3),
        "fit.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "model.hidden": optuna.distributions.CategoricalDistribution(["[4]", "[4, 4]"]),
    }
    for _ in range(40):
        rate, size = float(10 ** rng.uniform(-4, -1)), int(rng.integers(1, 4))
        bound = np.log10(rate) + 0.05 * size
        hidden = str(rng.choice(["[4]", "[4, 4]"]))
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(search, (size, rate, hidden), strict=True)),
                distributions=search,
                value=bound,
                user_attrs={"rmse": -bound},
            )
        )
    found = importances(sweep, folder)
    assert found.index[0] == "fit.learning_rate"
    assert found.loc["fit.learning_rate", "importance"] > 0.9
    assert found.loc["fit.learning_rate", "correlation with bound"] > 0.95
    assert found.loc["fit.learning_rate", "correlation with rmse"] < -0.95
    assert np.isnan(found.loc["model.hidden", "correlation with bound"])
    assert found["importance"].sum() == pytest.approx(1.0)


def test_a_table_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    frame.loc[frame["a"] > 0.5, "a"] = np.nan
    frame.to_csv(tmp_path / "own.csv", index=False)
    path = tmp_path / "own.toml"
    start = TOY.index("[table]")
    body = TOY[:start] + TOY[TOY.index("[method]") :]
    path.write_text('file = "own.csv"\n' + body)  # beside the sweep, wherever that is read from
    found = tune(Sweep.named(str(path)), tmp_path / "out", trials=2)
    assert found["rmse"].isna().all()
    assert found["bound"].notna().all()


def test_the_command(toy, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["tune", str(toy), "--trials", "2", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "best bound on held-out rows" in result.output
    refused = CliRunner().invoke(app, ["tune", "nothing"])
    assert refused.exit_code == 2 or refused.exit_code == 1
    assert "no sweep 'nothing'; choose from white" in refused.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("low = 1\n", "low = 9\n"), "low below high"),
        (('"model.latent_dim"', '"latent_dim"'), "'model.NAME' nor 'fit.NAME'"),
        (('title = "A toy"', ""), "'title' is missing"),
        (("[table]", 'file = "a.csv"\n[table]'), "give either file"),
        (("trials = 5", "trials = "), "is not TOML"),
    ],
)
def test_what_is_refused(toy, change, message):
    toy.write_text(TOY.replace(*change))
    with pytest.raises(ValueError, match=message):
        Sweep.named(str(toy))


def test_the_sweep_that_comes_with_it():
    sweep = Sweep.named("white")
    assert sweep.trials == 30
    assert "fit.learning_rate" in sweep.search


def test_settings_that_fail_do_not_end_the_sweep(toy, tmp_path):
    odd = '[search."model.activation"]\nchoice = ["tanh", "none such"]\n'
    toy.write_text(TOY + odd)
    sweep, folder = Sweep.named(str(toy)), tmp_path / "out"
    with pytest.warns(UserWarning, match="trials failed"):
        found = tune(sweep, folder, trials=6)
    failed = found[found["state"] == "FAIL"]
    assert 0 < len(failed) < 6
    assert set(failed["model.activation"]) == {'"none such"'}
    assert len(found) == 6
    assert failed["error"].notna().all()
    with pytest.raises(ValueError, match="trials is 0"):
        tune(sweep, folder, trials=0)


@pytest.mark.slow
def test_two_processes_share_the_trials(toy, tmp_path):
    sweep, folder = Sweep.named(str(toy)), tmp_path / "out"
    found = tune(sweep, folder, jobs=2, trials=6)
    assert 6 <= len(found) <= 7
    drawn = found["fit.learning_rate"]
    assert drawn.nunique() == len(drawn)  # none is another's double


def test_a_killed_trial_is_run_anew(toy, tmp_path):
    sweep, folder = Sweep.named(str(toy)), tmp_path / "out"
    study = study_of(sweep, folder)
    study.ask().set_user_attr("process", [platform.node(), 2**22 + 1])  # no such process
    found = tune(sweep, folder, trials=2)
    assert found["state"].tolist()[0] == "FAIL"
    assert (found["state"] != "FAIL").sum() == 2


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            '"model.missingness"]\nchoice = ["ignorable", "linear"]',
            "'missingness=ignorable' leaves",
        ),
        ('"model.alpha"]\nlow = 0.5\nhigh = 2.0', "'model.alpha'.*power"),
    ],
)
def test_bounds_that_cannot_be_compared_are_refused_before_the_first_trial(
    tmp_path, search, message
):
    path = tmp_path / "toy.toml"
    head = TOY.split("[search")[0].replace('model = {sign = "+"}', "model = {}")
    head = head.replace('"not-miwae"', '"gnr"' if "alpha" in search else '"not-miwae"')
    path.write_text(f"{head}[search.{search}\n")
    with pytest.raises(ValueError, match=message):
        tune(Sweep.named(str(path)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
