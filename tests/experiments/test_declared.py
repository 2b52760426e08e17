"""Specs and sweeps with unknown names or wrong types meet one line that names file and key."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.experiments.runner import Spec, plan, run
from absentia.experiments.runner.cells import file_names
from absentia.experiments.tuning.sweep import Sweep

SPEC = """
title = "A toy"
source = "nowhere"
tables = ["breast"]
[[scenario]]
name = "high"
amputation = "above_mean"
[budget.quick]
seeds = 1
[[method]]
name = "ours"
kind = "not-miwae"
model = {sign = "+", hidden = [4]}
fit = {steps = 3}
impute = {particles = 10}
"""
SWEEP = """
title = "mine"
trials = 1
[table]
file = "patients.csv"
[method]
kind = "not-miwae-ppca"
model = {sign = "+"}
fit = {steps = 3}
[search."fit.learning_rate"]
low = 1e-3
high = 1e-2
"""


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 3)), columns=list("abc"))
    frame.loc[frame["a"] > 0.5, "a"] = np.nan
    frame.to_csv(tmp_path / "patients.csv", index=False)
    return str(path)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('title = "A toy"', "title = 3", "'title' is 3; give text"),
        ('tables = ["breast"]', 'tables = ["moon"]', "'moon' is not one of banknote"),
        ('tables = ["breast"]', "tables = [1]", "is 1; give text"),
        ('tables = ["breast"]', 'table = "breast"', "'table' is 'breast'; give a list"),
        ('"above_mean"', '"above"', "amputation 'above' is not one of above_mean"),
        ('"above_mean"', '"above_mean"\nof = 2', r"scenario 'high': 'of' is not one of"),
        ("[[scenario]]", "[scenario]", "'scenario' is .*; give a list"),
        ("seeds = 1", 'seeds = "one"', "'seeds' is 'one'; give a whole number"),
        ("seeds = 1", "seeds = 0", "'seeds' is 0; give at least 1"),
        (
            "seeds = 1",
            "seeds = 1\nfit = {step = 2}",
            r"\[budget.quick\], fit: 'step' is not one of",
        ),
        ('"not-miwae"', '"notmiwae"', "kind 'notmiwae' is not one of gnr"),
        ('sign = "+"', "signs = 1", r"'ours', model: 'signs' is not one of .*sign"),
        ("hidden = [4]", "hidden = 4", "'hidden' is 4; give a list"),
        ("steps = 3", 'steps = "3"', "fit: 'steps' is '3'; give a whole number"),
        ("steps = 3", "steps = true", "'steps' is True; give a whole number"),
        ("steps = 3", "steps = -1", r"'ours', fit: steps is -1; give at least 1"),
        ("particles = 10", "particle = 10", "impute: 'particle' is not one of particles"),
        ('name = "ours"', "name = 1", "'name' is 1; give text"),
    ],
)
def test_a_spec(tmp_path, before, after, said):
    assert SPEC.count(before) == 1
    with pytest.raises(ValueError, match=f"^mine.toml.*{said}"):
        Spec.named(written(tmp_path, SPEC.replace(before, after)))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("trials = 1", "trials = 1.5", "'trials' is 1.5; give a whole number"),
        ("trials = 1", "trial = 1", "'trial' is not one of title, trials"),
        ('file = "patients.csv"', "file = 1", "'file' is 1; give text"),
        ('file = "patients.csv"', 'file = "gone.csv"', "there is no file '.*gone.csv'"),
        ('file = "patients.csv"', 'path = "patients.csv"', r"\[table\]: 'name' is missing"),
        ('file = "patients.csv"', 'name = "moon"', "'moon' is not one of banknote"),
        ("[method]", "[[method]]", "'method' is .*; give a table"),
        ("not-miwae-ppca", "not-miwae-pca", "kind 'not-miwae-pca' is not one of"),
        ("fit.learning_rate", "fit.rate", "search 'fit.rate': 'rate' is not one of particles"),
        ("fit.learning_rate", "model.size", "'size' is not one of .*latent_dim"),
        ("fit.learning_rate", "rate", "'model.NAME' nor 'fit.NAME'"),
        ("low = 1e-3", 'low = "small"', "'low' is 'small'; give a number"),
        ("high = 1e-2", "high = 1e-4", "low below high"),
        ("low = 1e-3\nhigh = 1e-2", "choice = []", "at least one value"),
        ("low = 1e-3\nhigh = 1e-2", "choice = [true]", "a choice is True; give a number"),
    ],
)
def test_a_sweep(tmp_path, before, after, said):
    assert SWEEP.count(before) == 1
    with pytest.raises(ValueError, match=f"^mine.toml.*{said}"):
        Sweep.named(written(tmp_path, SWEEP.replace(before, after)))


def test_the_table_of_a_sweep_may_be_a_file_beside_it(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    path = written(tmp_path, SWEEP)
    monkeypatch.chdir("/")
    for text in (SWEEP, SWEEP.replace("[table]\n", "")):
        assert Path(Sweep.named(written(tmp_path, text)).file) == tmp_path / "patients.csv"
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["tune", path, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert list(json.loads((out / "best.json").read_text())) == ["fit.learning_rate"]
    for change, said in (
        (("steps = 3", "steps = 4"), r"another [fit]: steps was 3 and is 4"),
        (('sign = "+"', 'sign = "-"'), r'another [model]: sign was "+" and is "-"'),
        (("high = 1e-2", "high = 1e-1"), "another search: fit.learning_rate was"),
    ):
        again = CliRunner().invoke(
            app, ["tune", written(tmp_path, SWEEP.replace(*change)), "--out", str(out)]
        )
        assert again.exit_code == 2
        assert said in again.output
        assert again.output.count("\n") == 1
    written(tmp_path, SWEEP)
    table = tmp_path / "patients.csv"
    table.write_text(table.read_text() + "1,2,3\n")
    again = CliRunner().invoke(app, ["tune", path, "--out", str(out)])
    assert "another content of the table; give another --out" in again.output
    shutil.copy(path, tmp_path / "other.toml")
    again = CliRunner().invoke(app, ["tune", str(tmp_path / "other.toml"), "--out", str(out)])
    assert "holds trials of sweep 'mine'" in again.output


def test_names_of_cells_are_distinct_and_none_is_hidden(tmp_path):
    text = """
title = "Names"
source = "nowhere"
[[table]]
name = ".ring"
make = "gaussian_2d"
n = 12
[[scenario]]
name = "high"
amputation = "above_mean"
[budget.quick]
seeds = 1
"""
    methods = ["self", "Self", "均值", "中位数", "a b", "a-b", "é", "x" * 300]
    for name in methods:
        text += f'[[method]]\nname = "{name}"\nkind = "mean"\n'
    spec, out = Spec.named(written(tmp_path, text)), tmp_path / "out"
    cells = plan(spec, "quick")
    assert run(spec, "quick", out) == []
    assert len(list(out.glob("[!.]*.json"))) == len(methods)
    assert all(cell.result(out) is not None for cell in cells)
    assert all(cell.name.isascii() and cell.name == cell.name.lower() for cell in cells)
    assert run(spec, "quick", out, say=lambda progress: pytest.fail("was run again")) == []


def test_a_name_keeps_its_file_whatever_stands_beside_it():
    alone = file_names(["均值"])["均值"]
    assert file_names(["mean", "均值", "Mean"])["均值"] == alone
    assert file_names(["not-MIWAE, self-masking known"]).popitem()[1] == (
        "not-miwae-self-masking-known"
    )


def test_tables_that_cannot_be_had_are_said_once_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("ABSENTIA_DATA_DIR", str(tmp_path))
    text = SPEC.replace('["breast"]', '["breast", "yeast", "banknote"]')
    done = CliRunner().invoke(
        app, ["reproduce", written(tmp_path, text), "--jobs", "1", "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "yeast.csv" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_one_reason_is_said_once(tmp_path):
    text = SPEC.replace("seeds = 1", "seeds = 3").replace('"above_mean"', '"circular_mask"')
    path = written(tmp_path, text.replace('"+"', '"+", latent_dim = 1'))
    done = CliRunner().invoke(
        app, ["reproduce", path, "--jobs", "1", "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1
    assert done.stderr.count("failed: ") == 1
    assert "3 cells failed for one reason" in done.stderr
