"""The report at the command line: beside an imputation, and of a saved fit."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.cli.documents import schema_of

QUICK = ["--steps", "40", "--particles", "50"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)) + 5, columns=["income", "bmi"])
    frame.loc[frame["income"] > 5.3, "income"] = np.nan
    frame.insert(0, "id", [f"p{k}" for k in range(60)])
    path = tmp_path / "patients.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def multiple(tmp_path_factory):
    """The files and the document of a multiple imputation with a regression and a page."""
    folder = tmp_path_factory.mktemp("multiple")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60).round(2), "site": ["n", "s"] * 30})
    frame["y"] = (2 + frame["x"] + rng.normal(size=60)).round(2)
    frame.loc[rng.random(60) < 1 / (1 + np.exp(1 - frame["x"])), "y"] = np.nan
    frame.to_csv(folder / "t.csv", index=False)
    done = invoke(
        "impute", folder / "t.csv", "--out", folder / "f.csv", "--leave-out", "site", "--missing",
        "y ~ x", "--multiple", 3, "--parameters", "bootstrap", *QUICK, "--formula", "y ~ x + site",
        "--report", folder / "r.html", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, frame, done


@pytest.mark.slow
def test_a_page_beside_a_multiple_imputation_has_its_answers_and_means(multiple):
    folder, frame, done = multiple
    document = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schema_of("impute")).validate(document)
    page = json.loads((folder / "r.json").read_text())
    jsonschema.Draft202012Validator(schema_of("page")).validate(page)
    (answer,) = document["answers"]
    assert answer["estimates"] == page["tables"]["pooled"]
    # the files lead absentia pool to the same numbers
    again = invoke("pool", folder / "f-draws.csv", "y ~ x + site", "--json")
    for one, other in zip(json.loads(again.stdout)["estimates"], answer["estimates"], strict=True):
        assert one["term"] == other["term"]
        assert {k: one[k] for k in one if k != "term"} == pytest.approx(
            {k: other[k] for k in one if k != "term"}
        )
    assert "y ~ x + site (linear regression), pooled over 3 tables" in " ".join(done.stderr.split())
    draws = pd.read_csv(folder / "f-draws.csv")
    (mean,) = page["tables"]["multiple"]
    assert mean["mean"] == pytest.approx(draws["y"].mean(), abs=0.01)  # which are rounded
    assert mean["observed"] == pytest.approx(frame["y"].mean())
    at_random = pd.read_csv(folder / "f-at-random.csv")
    assert mean["at_random"] == pytest.approx(at_random["y"].mean(), abs=0.01)
    text = (folder / "r.html").read_text()
    for part in ("complete cases (", "Means over 3 tables", "refitted to rows sampled"):
        assert part in text


@pytest.mark.slow
def test_a_page_beside_the_imputation_and_one_of_the_saved_fit(table, tmp_path):
    first, second, fit = tmp_path / "a.html", tmp_path / "b.html", tmp_path / "fit"
    done = invoke(
        "impute", table, "--out", tmp_path / "f.csv", "--leave-out", "id", "--missing",
        "income ~ +income", "--save", fit, "--report", first, *QUICK,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "logit P(income missing)" in first.read_text()
    assert f"report: {first}" in done.output.replace("\n", "")
    again = invoke(
        "report", table, "--fitted", fit, "--out", second, "--particles", 50, "--title", "Pay",
        "--formula", "income ~ bmi", "--multiple", 2, "--column", "income", "--delta", "0,1",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    text = second.read_text()
    for part in (
        "logit P(income missing)",
        "<h1>Pay</h1>",
        "income ~ bmi: 2 tables",
        "shifts tried",
    ):
        assert part in text
    tables = json.loads(second.with_suffix(".json").read_text())["tables"]
    assert {"pooled", "sensitivity"} <= set(tables)


def test_what_is_refused(table, tmp_path):
    fit = tmp_path / "fit"
    done = invoke(
        "impute", table, "--out", tmp_path / "f.csv", "--leave-out", "id", "--save", fit, *QUICK
    )
    assert done.exit_code == 0, done.output
    frame = pd.read_csv(table).drop(columns="bmi")
    less = tmp_path / "less.csv"
    frame.to_csv(less, index=False)
    for arguments, message in (
        (("report", less, "--fitted", fit), "no column 'bmi', to which the model"),
        (("report", table, "--fitted", tmp_path / "none"), "holds no saved model"),
        (("report", table, "--fitted", fit, "--out", table), "would be overwritten"),
        (("report", table, "--fitted", fit, "--out", table / "r.html"), "cannot write"),
        (("report", table, "--fitted", fit, "--delta", "0,1"), "need --column"),
        (("report", table, "--fitted", fit, "--column", "bmi", "--delta", "0"), "--formula"),
        (("report", table, "--fitted", fit, "--formula", "income ~ no"), "'no'"),
    ):
        refused = invoke(*arguments)
        assert refused.exit_code == 2, refused.output
        assert message in refused.stderr
    page = invoke("impute", table, "--out", tmp_path / "g.csv", "--report", table, *QUICK)
    assert page.exit_code == 2
    assert "would be overwritten" in page.stderr
