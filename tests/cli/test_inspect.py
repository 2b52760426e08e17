"""``absentia inspect``: what it prints, what it writes, what it refuses."""

import subprocess
import sys

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.data import IncompleteData, Schema


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(50, 10, 60).round(1),
            "visits": rng.poisson(2, 60),
            "job": rng.choice(["clerk", "cook", "none"], 60),
            "smokes": rng.random(60) < 0.4,
        }
    )
    frame["income"] = np.exp(rng.normal(size=60)) * 10
    frame.loc[frame["age"] > 55, ["income", "job"]] = None
    frame.loc[:4, "age"] = np.nan
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    return path, frame


def test_it_says_what_is_missing(table):
    path, frame = table
    result = invoke("inspect", path)
    assert result.exit_code == 0, result.output
    kinds = ("count", "positive", "categorical", "binary")
    for said in (*kinds, "income", "job", "AUC", "is not monotone", "MCAR"):
        assert said in result.output
    assert str(frame["income"].isna().sum()) in result.output


def test_it_writes_tables_a_schema_and_a_figure(table, tmp_path):
    path, frame = table
    out = tmp_path / "report"
    result = invoke("inspect", path, "--out", out)
    assert result.exit_code == 0, result.output
    assert {p.name for p in out.iterdir()} == {
        "columns.csv", "patterns.csv", "co-missing.csv", "associations.csv",
        "schema.toml", "missingness.png",
    }  # fmt: skip
    columns = pd.read_csv(out / "columns.csv", index_col=0)
    assert columns["missing"].to_dict() == frame.isna().sum().to_dict()
    assert pd.read_csv(out / "patterns.csv")["rows"].sum() == len(frame)
    image = matplotlib.image.imread(out / "missingness.png")
    assert image.shape[0] > 300
    assert image.std() > 0.05  # not a blank page
    schema = Schema.read(out / "schema.toml")
    again = IncompleteData.from_frame(pd.read_csv(path), schema=schema)
    assert again.schema["visits"].kind == "count"
    assert invoke("inspect", path, "--schema", out / "schema.toml").exit_code == 0


def test_a_complete_table(tmp_path):
    path = tmp_path / "whole.csv"
    path.write_text("a,b\n1,2.5\n2,3.5\n3,1.0\n")
    result = invoke("inspect", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "nothing is missing" in result.output


def test_what_it_refuses(table, tmp_path):
    path, _ = table
    names = pd.DataFrame({"name": [f"n{i}" for i in range(70)]})
    names.to_csv(tmp_path / "names.csv", index=False)
    for arguments, message in (
        ([tmp_path / "nothing.csv"], "no such file"),
        ([path, "--schema", tmp_path / "nothing.toml"], "cannot be read"),
        ([tmp_path / "names.csv"], "70 distinct strings"),
    ):
        result = invoke("inspect", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_as_a_program(table):
    path, _ = table
    done = subprocess.run(
        [sys.executable, "-m", "absentia.cli", "inspect", path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "patterns" in done.stdout
