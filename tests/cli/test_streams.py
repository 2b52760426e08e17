"""Tables that come from standard input and go to standard output, Excel and compressed text."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app

QUICK = ["--model", "ppca", "--particles", "50"]


def invoke(*arguments, **options):
    return CliRunner().invoke(app, [str(a) for a in arguments], **options)


@pytest.fixture
def text():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame((rng.normal(size=(40, 2)) + 5).round(2), columns=["income", "bmi"])
    frame.loc[::4, "income"] = np.nan
    return frame.to_csv(index=False)


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_gives_the_completed_table_and_nothing_else(text, packed):
    given = gzip.compress(text.encode()) if packed else text
    done = invoke("impute", "-", "--out", "-", *QUICK, input=given)
    assert done.exit_code == 0, done.stderr
    filled = pd.read_csv(io.StringIO(done.stdout))
    assert filled.shape == (40, 2)
    assert not filled.isna().any(axis=None)
    assert "bound" in done.stderr
    assert invoke("inspect", "-", input=given).exit_code == 0


def test_what_a_pipe_cannot_do_is_said(text):
    done = invoke("impute", "-", "--out", "-", "--draws", 2, *QUICK, input=text)
    assert done.exit_code == 2
    assert "--out FILE" in done.stderr
    assert done.stdout == ""
    empty = invoke("impute", "-", "--out", "-", *QUICK, input="")
    assert empty.exit_code == 2
    assert "standard input is empty" in empty.stderr


def test_a_table_without_gaps_is_passed_on(text):
    whole = "\n".join(line for line in text.splitlines() if not line.startswith(",")) + "\n"
    done = invoke("impute", "-", "--out", "-", *QUICK, input=whole)
    assert done.exit_code == 0
    assert done.stdout == whole


def test_from_tabs_to_compressed_text(text, tmp_path):
    table, out = tmp_path / "t.tsv", tmp_path / "o.csv.gz"
    table.write_text(text.replace(",", "\t"))
    done = invoke("impute", table, "--out", out, "--draws", 2, *QUICK)
    assert done.exit_code == 0, done.output
    first = gzip.decompress(out.read_bytes()).decode()
    assert first.startswith("income,bmi\n")
    assert (tmp_path / "o-rows.csv.gz").exists()
    assert len(pd.read_csv(tmp_path / "o-draws.csv.gz")) == 80
    assert invoke("impute", table, "--out", out, *QUICK).exit_code == 0
    assert gzip.decompress(out.read_bytes()).decode() == first


def test_from_excel_to_excel(text, tmp_path):
    pytest.importorskip("openpyxl")
    table, out = tmp_path / "t.xlsx", tmp_path / "o.xlsx"
    frame = pd.read_csv(io.StringIO(text))
    with pd.ExcelWriter(table) as book:
        frame.to_excel(book, sheet_name="data", index=False)
        frame.to_excel(book, sheet_name="old", index=False)
    done = invoke("impute", table, "--out", out, *QUICK)
    assert done.exit_code == 0, done.output
    assert "also 'old'; give --sheet NAME" in done.stdout
    filled = pd.read_excel(out)
    seen = frame["income"].notna()
    assert (filled["income"][seen] == frame["income"][seen]).all()
    again = invoke("impute", table, "--out", out, "--sheet", "new", *QUICK)
    assert again.exit_code == 2
    assert "'data', 'old'" in again.stderr
