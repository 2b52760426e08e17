"""Tables larger than memory at the command line: patterns and folders of Parquet files."""

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from tests.parts import people, written_in_parts

QUICK = ["--particles", "50", "--missingness", "self-masking", "--steps", "20"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def folder(tmp_path):
    frame = people(60)
    return written_in_parts(frame, tmp_path / "data", 3), frame


def test_a_pattern_is_completed_into_a_folder(folder, tmp_path):
    data, frame = folder
    out, fit = tmp_path / "filled", tmp_path / "fit"
    result = invoke(
        "impute", data / "*.parquet", "--out", out, "--id", "id", "--draws", 2, "--interval", 0.9,
        "--save", fit, *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    filled = pd.read_parquet(out)
    assert filled["id"].tolist() == frame["id"].tolist()
    assert not filled.isna().any(axis=None)
    seen = frame["income"].notna()
    assert (filled["income"][seen] == frame["income"][seen]).all()
    assert pd.read_parquet(tmp_path / "filled-rows")["id"].tolist() == frame["id"].tolist()
    assert len(pd.read_parquet(tmp_path / "filled-draws")) == 120
    assert (
        "income_lower"
        in pq.read_schema(tmp_path / "filled-intervals" / "part-000000.parquet").names
    )
    assert "60 rows, weights good in" in result.output
    again = tmp_path / "again"
    result = invoke(
        "impute", data, "--out", again, "--id", "id", "--fitted", fit, "--particles", 50
    )
    assert result.exit_code == 0, result.output
    assert pd.read_parquet(again)["income"].notna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "x.parquet"], "--out x.parquet must be a folder"),
        (["--out", "x", "--na-values", "-99"], "--na-values belongs to a table in memory"),
        (["--out", "x", "--digits", "2"], "--digits belongs to a table in memory"),
        (["--out", "x", "--report", "r.html"], "--report belongs to a table in memory"),
        (["--out", "x", "--leave-out", "note"], "has no column 'note' (--leave-out)"),
    ],
)
def test_options_of_tables_in_memory_are_refused(folder, options, message):
    result = invoke("impute", folder[0], *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_folder_is_not_written_into_itself(folder):
    result = invoke("impute", folder[0], "--out", folder[0] / "filled", *QUICK)
    assert result.exit_code == 2
    assert "lies in the folder that is read" in " ".join(result.output.split())


def test_jobs_belong_to_parts(folder, tmp_path):
    result = invoke("impute", folder[0] / "0.parquet", "--out", tmp_path / "o.csv", "--jobs", 2)
    assert result.exit_code == 2
    assert "--jobs belongs to a table that is read part by part" in " ".join(result.output.split())
