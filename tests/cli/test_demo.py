"""``absentia demo`` writes what it says."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.slow
def test_demo_writes_what_it_says(tmp_path):
    result = invoke("demo", "--out", tmp_path / "demo", "--steps", "9", "--particles", "9")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "demo" / "figures.json").read_text())
    assert figures["missing_cells"] == 3405
    scores = {score["method"].strip(): score for score in figures["scores"]}
    assert scores["column mean"]["rmse"] == pytest.approx(1.8198, abs=1e-4)
    assert scores["MICE"]["rmse"] < 1.1
    table = pd.read_csv(tmp_path / "demo" / "imputed.csv")
    assert table.shape == (569, 30)
    assert (tmp_path / "demo" / "picture.png").read_bytes().startswith(b"\x89PNG")
