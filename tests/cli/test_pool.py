"""Multiple imputation at the shell, and pooled regressions of its tables."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from typer.testing import CliRunner

import absentia as ab
from absentia.cli import app
from absentia.cli.documents import schema_of


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def imputed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imputed")
    rng = np.random.default_rng(0)
    n = 80
    x = rng.normal(size=n)
    frame = pd.DataFrame({"y": 2 + x + rng.normal(size=n), "x": x}).round(3)
    frame["who"] = [f"p{k}" for k in range(n)]
    frame["site"] = rng.choice(["north", "south"], n)
    frame.loc[rng.random(n) < 1 / (1 + np.exp(-2 * frame["x"])), "y"] = np.nan
    frame.to_csv(folder / "t.csv", index=False)
    done = invoke(
        "impute", folder / "t.csv", "--out", folder / "filled.csv", "--id", "who", "--leave-out",
        "site", "--missing", "y ~ y", "--multiple", 5, "--particles", 50,
        "--formula", "y ~ x + site", "--formula", "y ~ 1",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, frame, done


def test_tables_their_twins_at_random_and_flags_are_written(imputed):
    folder, frame, done = imputed
    draws, at_random = (
        pd.read_csv(folder / f"filled-{name}.csv") for name in ("draws", "at-random")
    )
    for tables in (draws, at_random):
        assert tables["imputation"].value_counts().to_dict() == dict.fromkeys(range(1, 6), 80)
        assert not tables.isna().any(axis=None)
    hidden = frame["y"].isna().to_numpy()
    own = draws["y"].to_numpy().reshape(5, 80)[:, hidden]
    assert (own[0] != own[1]).all()
    flags = pd.read_csv(folder / "filled-imputed.csv")
    assert list(flags.columns) == list(frame.columns)
    assert (flags["y"] == hidden.astype(int)).all()
    assert not flags.drop(columns="y").any(axis=None)
    assert "Normal approximation of their posterior" in done.stdout
    assert "absentia pool" in done.stdout


def test_the_answer_is_that_of_python_beside_two_others(imputed, tmp_path):
    folder, frame, _ = imputed
    out = tmp_path / "pooled.csv"
    done = invoke("pool", folder / "filled-draws.csv", "y ~ x + site", "--out", out)
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out, index_col="term")
    for key, name in (("", "draws"), ("at_random_", "at-random")):
        tables = pd.read_csv(folder / f"filled-{name}.csv").groupby("imputation")
        pooled = ab.pool(tables, "y ~ x + site").table
        assert list(found.index) == list(pooled.index)
        assert np.allclose(found[f"{key}estimate"], pooled["estimate"])
        assert np.allclose(found[f"{key}se"], pooled["se"])

    # impute --formula has printed the same of the same tables
    printed = [line for line in done.stdout.splitlines() if line.startswith("│ ")]
    assert len(printed) == 6
    assert set(printed) < set(imputed[2].stdout.splitlines())
    complete = smf.ols("y ~ x + site", frame).fit()
    assert np.allclose(found["complete_cases_estimate"], complete.params[found.index])
    assert f"complete cases ({frame['y'].notna().sum()} rows)" in " ".join(done.stdout.split())
    assert "fmi" in done.stdout
    document = json.loads(invoke("pool", folder / "filled-draws.csv", "y ~ x", "--json").stdout)
    jsonschema.Draft202012Validator(schema_of("pool")).validate(document)
    assert document["regression"] == "linear regression"


def test_weights_and_a_logistic_regression(imputed):
    folder, _, _ = imputed
    draws = folder / "filled-draws.csv"
    table = pd.read_csv(draws)
    table.insert(1, "w", 1.0 + np.arange(len(table)) % 4)
    table.to_csv(folder / "weighted-draws.csv", index=False)
    done = invoke(
        "pool", folder / "weighted-draws.csv", "site ~ y", "--family", "binomial", "--weights", "w"
    )
    assert done.exit_code == 0, done.output
    assert "of site = south" in done.stdout
    assert "were not found beside the draws" in done.stdout


def test_tables_of_mice_with_the_incomplete_one_as_number_0(imputed, tmp_path):
    folder, frame, _ = imputed
    tables = pd.read_csv(folder / "filled-draws.csv").rename(columns={"imputation": ".imp"})
    tables = pd.concat([frame.assign(**{".imp": 0}), tables])
    tables.to_csv(tmp_path / "long.csv", index=False)
    done = invoke("pool", tmp_path / "long.csv", "y ~ x")
    assert done.exit_code == 0, done.output
    assert "over 5 tables of 80 rows" in " ".join(done.stdout.split())
    assert f"complete cases ({frame['y'].notna().sum()} rows)" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{t}.csv", "y ~ x"], "no column 'imputation'"),
        (["{t}-draws.csv", "y ~ nobody"], "reads column 'nobody'"),
        (["{t}-draws.csv", "y ~ x", "--weights", "nobody"], "reads column 'nobody'"),
        (["{t}-draws.csv", "y"], "left side"),
        (["{t}-draws.csv", "who ~ x"], "left side"),
        (["{t}-draws.csv", "y ~ x", "--level", "95"], "level is 95"),
        (["{t}-draws.csv", "y ~ x + I(2*x)"], "linearly dependent"),
        (["{t}-draws.csv", "y ~ x", "--out", "{t}-draws.csv"], "would be overwritten"),
        (["{t}-draws.csv", "y ~ x", "--out", "{t}.doc"], "unknown suffix"),
        (["{t}-draws.csv", "y ~ x", "--imputed", "{t}-draws.csv"], "-imputed"),
        (["{t}-nothing.csv", "y ~ x"], "no such file"),
    ],
)
def test_what_is_refused(imputed, arguments, message):
    folder, _, _ = imputed
    done = invoke("pool", *(a.format(t=folder / "filled") for a in arguments))
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--multiple", 5, "--draws", 5], "write the same file"),
        (["--multiple", 1], "5 or more"),
        (["--parameters", "bootstrap"], "belongs to --multiple"),
        (["--formula", "y ~ x"], "give --multiple 20"),
        (["--multiple", 5, "--weights", "x"], "give --formula"),
        (["--multiple", 5, "--formula", "y ~ nobody"], "'nobody'"),
        (["--multiple", 5, "--formula", "y ~ ("], "cannot be read"),
    ],
)
def test_options_of_multiple_imputation_that_clash(imputed, tmp_path, options, message):
    folder, _, _ = imputed
    done = invoke("impute", folder / "t.csv", "--out", tmp_path / "o.csv", *options)
    assert done.exit_code == 2
    assert message in done.stderr
