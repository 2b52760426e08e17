"""--sign: for all columns, or by name."""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.cli.impute_options import signs_of


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 2)) + 5, columns=["income", "bmi=kg"])
    frame.loc[frame["income"] > 5.3, "income"] = np.nan
    frame.loc[frame["bmi=kg"] < 4.7, "bmi=kg"] = np.nan
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_words_for_all_and_by_name():
    assert signs_of(None) is None
    assert signs_of(["free"]) is None
    assert signs_of(["high"]) == signs_of(["+"]) == "+"
    assert signs_of(["income=low", "bmi=kg=high", "age=free"]) == {
        "income": "-", "bmi=kg": "+", "age": "free",
    }  # fmt: skip


def test_a_direction_by_column_reaches_the_model(table, tmp_path):
    quick = ["--steps", "3", "--particles", "20"]
    signs = ["--sign", "income=high", "--sign", "bmi=kg=low"]
    result = invoke("impute", table, "--out", tmp_path / "filled.csv", *signs, *quick)
    assert result.exit_code == 0, result.output
    learnt = result.stdout.partition("learnt:")[2]
    # of log-odds of being missing: up with income, down with bmi
    assert re.search(r"P\(income missing\) = \S+ \+ ", learnt), learnt
    assert re.search(r"P\(bmi=kg missing\) = \S+ - ", learnt), learnt


@pytest.mark.parametrize(
    ("signs", "message"),
    [
        (["up"], "sign 'up' is not one of '+' or 'high'"),
        (["income=1"], "sign '1' of column 'income' is not one of"),
        (["high", "income=low"], "for all (--sign high), or each with its column"),
        (["income=low", "income=high"], "two directions for column 'income'"),
        (["incme=low"], "did you mean 'income'?"),
    ],
)
def test_what_is_refused_before_the_fit(table, tmp_path, signs, message):
    given = [part for sign in signs for part in ("--sign", sign)]
    result = invoke("impute", table, "--out", tmp_path / "filled.csv", *given)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "filled.csv").exists()
