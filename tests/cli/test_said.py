"""What ``absentia impute`` says beside the table it writes: at random, outside, on what grounds."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Skewed values, hidden completely at random, and a column that does not go with them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"cost": rng.gamma(1.0, 5.0, 200).round(2), "age": rng.integers(20, 80, 200)}
    )
    frame.loc[rng.random(200) < 0.3, "cost"] = np.nan
    path = tmp_path_factory.mktemp("said") / "cost.csv"
    frame.to_csv(path, index=False)
    return path


def test_what_an_answer_rests_on_is_said(table, tmp_path):
    out = tmp_path / "filled.csv"
    told = ["--missingness", "self-masking"]
    result = invoke("impute", table, "--out", out, "--steps", 30, "--particles", 100, *told)
    assert result.exit_code == 0, result.output
    said = [line for line in result.stderr.splitlines() if "why 'cost' is missing" in line]
    assert len(said) == 1
    assert said[0].startswith("warning: nothing but the shape of the decoder")
    assert "Warning:" not in result.stderr  # a sentence, no line of code
    heading, row = [line for line in result.stdout.splitlines() if line.startswith("  ")][-2:]
    assert heading.split() == ["means", "of", "missing", "observed", "imputed", "at", "random"]
    assert row.split()[0] == "cost"
    assert "weights good in" in result.stdout
    assert "reliable" not in result.output
    assert "weights_good" in pd.read_csv(tmp_path / "filled-rows.csv")


def test_where_nothing_is_assumed_the_odds_of_each_column_are_said(table, tmp_path):
    out = tmp_path / "filled.csv"
    result = invoke("impute", table, "--out", out, "--steps", 30, "--particles", 100, "--json")
    assert result.exit_code == 0, result.output
    assert "why values are missing is not assumed" in result.stderr
    assert re.search(r"why missing: cost: .*(do not say|own value)", result.stderr)
    assert "probit" not in result.stderr  # equations whose terms may be absent say nothing
    assert [line.split(":")[0] for line in json.loads(result.stdout)["odds"]] == ["cost"]
    listed = invoke("impute", table, "--out", out, "--model", "forest")
    for name in ("auto", "not-miwae-mixture", "not-miwae-ppca", "miwae"):
        assert name in listed.stderr
    assert "self-masking" in invoke("impute", table, "--out", out, "--missingness", "me").stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--slope-prior", "strong"], "--slope-prior is 'strong'; give weak, flat or a positive"),
        (["--slope-prior", "0"], "--slope-prior is '0'"),
        (["--slope-prior", "1", "--missing", "cost ~ cost"], "belongs to --missingness self-mask"),
        (["--slope-prior", "1", "--model", "ppca"], "--slope-prior, or leave --model out"),
    ],
)
def test_a_prior_without_a_place_is_refused(table, tmp_path, options, message):
    result = invoke("impute", table, "--out", tmp_path / "o.csv", "--steps", 5, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "o.csv").exists()


def test_the_prior_arrives(table, tmp_path):
    quick = ["--steps", 3, "--particles", 20]
    told = ["--missingness", "self-masking"]
    for prior, more, shrunk in (("weak", told, True), ("0.3", [], True), ("flat", [], False)):
        out = tmp_path / "o.csv"
        result = invoke("impute", table, "--out", out, "--slope-prior", prior, *quick, *more)
        assert result.exit_code == 0, result.output
        assert ("shrunk towards 0" in result.stdout) is shrunk
