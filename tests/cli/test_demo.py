"""``absentia demo`` writes what it says."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.experiments.demo import run_demo


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def figures_of(folder):
    return json.loads((folder / "figures.json").read_text())


@pytest.mark.slow
def test_demo_writes_what_it_says(tmp_path):
    size = ("--steps", "9", "--particles", "9", "--seed", "3")
    result = invoke("demo", "--out", tmp_path / "demo", *size)
    assert result.exit_code == 0, result.output
    figures = figures_of(tmp_path / "demo")
    assert figures["missing_cells"] == 3405
    scores = {score["method"].strip(): score for score in figures["scores"]}
    assert scores["column mean"]["rmse"] == pytest.approx(1.8198, abs=1e-4)
    assert scores["MICE"]["rmse"] < 1.1
    table = pd.read_csv(tmp_path / "demo" / "imputed.csv")
    assert table.shape == (569, 30)
    assert (tmp_path / "demo" / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert [score["method"] for score in figures["scores"]][:5] == [
        "column mean",
        "MICE",
        "MIWAE",
        "PPCA",
        "not-MIWAE-PPCA",
    ]
    # the command takes two processes; one finds the same
    run_demo(tmp_path / "one", 3, 9, 9, False, lambda line: None, processes=1)
    one = figures_of(tmp_path / "one")
    for score in (*figures["scores"], *one["scores"]):
        del score["seconds"]
    assert one == figures
    texts = [(tmp_path / name / "imputed.csv").read_text() for name in ("demo", "one")]
    assert texts[0] == texts[1]
