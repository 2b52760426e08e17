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
    (tmp_path / "other.toml").write_text('weight = "count"\n')
    for arguments, message in (
        ([tmp_path / "nothing.csv"], "no such file"),
        ([path, "--schema", tmp_path / "nothing.toml"], "cannot be read"),
        ([path, "--schema", tmp_path / "other.toml"], "weight"),
    ):
        result = invoke("inspect", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_columns_of_no_known_kind_are_shown_with_the_way_out(table, tmp_path):
    path, frame = table
    many = frame.loc[frame.index.repeat(2)].assign(name=[f"n{i}" for i in range(120)], empty=np.nan)
    many.to_csv(path, index=False)
    out = tmp_path / "report"
    result = invoke("inspect", path, "--out", out)
    assert result.exit_code == 0, result.output
    assert "--leave-out name --leave-out empty" in result.output
    columns = pd.read_csv(out / "columns.csv", index_col=0)
    assert list(columns.index) == list(many.columns)
    assert columns.loc["name", "kind"] == "unknown"
    assert "120 distinct strings" in columns.loc["name", "why"]
    assert "# column 'name'" in (out / "schema.toml").read_text()
    # the schema leaves those out that are unknown and declares the others
    names = set(Schema.read(out / "schema.toml"))
    assert names == set(many.columns) - {"name"}


def test_names_with_commas_and_brackets_are_printed_as_they_are(tmp_path):
    path = tmp_path / "odd[red].csv"
    values = [[1.0, 1.0, None], [None, None, 2.0], [None, 3.0, 3.5], [4.0, 4.0, 1.0]]
    frame = pd.DataFrame(values, columns=["a, b", "[bold]c", "complete"])
    frame.to_csv(path, index=False)
    out = tmp_path / "report"
    result = invoke("inspect", path, "--out", out)
    assert result.exit_code == 0, result.output
    for said in ("a, b", "[bold]c", "odd[red].csv"):
        assert said in result.output
    assert "'a, b', [bold]c" in set(pd.read_csv(out / "patterns.csv")["pattern"])


def test_kinds_by_types_or_by_values(table):
    path, _ = table
    assert "count" in invoke("inspect", path).output
    assert "count" not in invoke("inspect", path, "--by", "dtype").output


def test_all_files_or_none(table, tmp_path, monkeypatch):
    path, _ = table
    out = tmp_path / "report"

    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("absentia.inference.plots.patterns.draw_missingness", fails)
    result = invoke("inspect", path, "--out", out)
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    assert list(out.iterdir()) == []


def test_what_is_read_is_not_overwritten(table, tmp_path):
    path, _ = table
    out = tmp_path / "report"
    assert invoke("inspect", path, "--out", out).exit_code == 0
    before = (out / "schema.toml").read_text()
    result = invoke("inspect", path, "--schema", out / "schema.toml", "--out", out)
    assert result.exit_code == 2
    assert "would be overwritten" in result.stderr
    assert (out / "schema.toml").read_text() == before


def test_as_a_program(table):
    path, _ = table
    done = subprocess.run(
        [sys.executable, "-m", "absentia", "inspect", path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "patterns" in done.stdout
