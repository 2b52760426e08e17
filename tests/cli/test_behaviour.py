"""What commands print and how imputed values are written: quiet, JSON, digits, flags, versions."""

import json
import logging

import jsonschema
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import absentia as ab
from absentia.cli import app
from absentia.cli.console import console
from absentia.cli.documents import schema_names, schema_of
from absentia.cli.finish import decimals_of
from absentia.cli.pace import lines_on_the_way, say_how_long


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.normal(30, 5, 50).round(1), "bmi": rng.normal(25, 3, 50)})
    frame["visits"] = rng.integers(0, 9, 50)
    frame.loc[::4, ["income", "bmi"]] = np.nan
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    return path, frame


def validate(document, name):
    jsonschema.Draft202012Validator(schema_of(name)).validate(document)


def run(table, tmp_path, *options):
    out = tmp_path / "o.csv"
    done = invoke("impute", table[0], "--out", out, "--model", "ppca", "--particles", 50, *options)
    assert done.exit_code == 0, done.output
    return out, done


def test_the_version_is_printed():
    done = invoke("--version")
    assert (done.exit_code, done.stdout) == (0, f"absentia {ab.__version__}\n")


def test_quiet_prints_nothing_but_warnings_and_verbose_what_is_logged(table, tmp_path):
    _, done = run(table, tmp_path, "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
    level = logging.getLogger("absentia").level
    _, done = run(table, tmp_path, "--verbose")
    assert "refined" in done.stderr
    assert "bound" in done.stdout
    assert not console.quiet
    assert logging.getLogger("absentia").level == level


def test_json_is_all_that_stands_on_standard_output(table, tmp_path):
    _, done = run(table, tmp_path, "--json", "--flags")
    document = json.loads(done.stdout)
    validate(document, "impute")
    assert document["imputed_cells"] == 26
    assert set(document["files"]) == {"completed", "rows", "imputed"}
    assert "bound" in done.stderr
    assert not console.stderr
    inspected = json.loads(invoke("inspect", table[0], "--json").stdout)
    validate(inspected, "inspect")
    assert [one["column"] for one in inspected["columns"]] == ["income", "bmi", "visits"]
    curve = invoke(
        "sensitivity", table[0], "income ~ 1", "--column", "income", "--delta", "0,1", "--multiple",
        2, "--json",
    )  # fmt: skip
    document = json.loads(curve.stdout)
    validate(document, "sensitivity")
    assert [one["at"] for one in document["curve"]] == [0.0, 1.0]
    assert document["supported"] is None
    assert document["in_words"]


def test_a_mistake_is_a_document_too(table, tmp_path):
    done = invoke("impute", table[0], "--out", tmp_path / "o.csv", "--id", "nobody", "--json")
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    validate(document, "error")
    assert document["exit_code"] == 2
    assert document["error"] in done.stderr
    both = invoke("impute", table[0], "--out", "-", "--json")
    assert "print on standard output" in both.stderr


def test_imputed_values_have_the_decimals_of_their_column(table, tmp_path):
    _, frame = table
    hidden = frame["income"].isna()
    out, _ = run(table, tmp_path, "--draws", 2)
    usual = pd.read_csv(out)
    for name in (out, tmp_path / "o-draws.csv"):
        values = pd.read_csv(name)["income"]
        assert (values.round(1) == values).all()
    assert (usual["bmi"][hidden].round(3) != usual["bmi"][hidden]).any()
    exact = pd.read_csv(run(table, tmp_path, "--digits", "all")[0])["income"]
    assert (exact[hidden].round(1) == usual["income"][hidden]).all()
    assert (exact[hidden].round(1) != exact[hidden]).any()
    whole = pd.read_csv(run(table, tmp_path, "--digits", 0)[0])
    assert (whole[["income", "bmi"]][hidden] % 1 == 0).all(axis=None)
    assert (whole["bmi"][~hidden] == frame["bmi"][~hidden]).all()
    refused = invoke("impute", table[0], "--out", out, "--digits", "few")
    assert refused.exit_code == 2
    assert "'observed', 'all'" in refused.stderr


def test_flags_and_indicators_tell_imputed_cells(table, tmp_path):
    path, frame = table
    out, _ = run(table, tmp_path, "--flags", "--add-indicator")
    flags = pd.read_csv(tmp_path / "o-imputed.csv")
    assert (flags == frame.isna().astype(int)).all(axis=None)
    filled = pd.read_csv(out)
    more = ["missingindicator_income", "missingindicator_bmi"]
    assert list(filled.columns) == [*frame.columns, *more]
    assert (filled[more].to_numpy() == frame[["income", "bmi"]].isna().to_numpy()).all()
    frame.rename(columns={"visits": more[0]}).to_csv(path, index=False)
    refused = invoke("impute", path, "--out", out, "--add-indicator", "--model", "ppca")
    assert refused.exit_code == 2
    assert "rename it" in refused.stderr


def test_decimals_are_those_of_all_observed_values():
    assert decimals_of(np.array([1.0, 2.5, 3.25])) == 2
    assert decimals_of(np.array([10.0, 20.0])) == 0
    assert decimals_of(np.array([1 / 3, 1.0])) is None
    assert decimals_of(np.array([1e-9, 2e-9])) is None
    assert decimals_of(np.array([])) is None


def test_a_line_now_and_then_where_there_is_no_bar(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("absentia.cli.pace.time.monotonic", lambda: now[0])
    show = lines_on_the_way()
    for step in range(6):
        now[0] += 4.0
        show({"step": step, "validation_bound": float("nan"), "train_bound": -1.5})
    said = capsys.readouterr().err.splitlines()
    assert said == ["fit: step 2, bound -1.500, 12 s", "fit: step 5, bound -1.500, 24 s"]


@pytest.mark.parametrize("settings", [{}, {"learning_rate": 1e-2}])
def test_the_time_is_estimated_for_large_tables_only(capsys, settings):
    rng = np.random.default_rng(0)
    small, large = (
        ab.IncompleteData.from_numpy(
            np.where(rng.random((n, 5)) < 0.2, np.nan, rng.normal(size=(n, 5)))
        )
        for n in (50, 4000)
    )
    for data in (small, large):
        model = ab.PPCA(data)
        before = {name: one.clone() for name, one in model.state_dict().items()}
        say_how_long(model, data, settings, seed=0)
        assert all((before[name] == one).all() for name, one in model.state_dict().items())
    said = capsys.readouterr().out
    assert said.count("the fit will take about") == 1


def test_schemas_are_those_of_json_schema_and_are_printed(tmp_path):
    assert schema_names() == [
        "error", "impute", "inspect", "page", "pool", "report", "sensitivity"
    ]  # fmt: skip
    for name in schema_names():
        jsonschema.Draft202012Validator.check_schema(schema_of(name))
        assert json.loads(invoke("schema", name).stdout) == schema_of(name)
        # nothing is let through that is not described
        with pytest.raises(jsonschema.ValidationError):
            validate({"command": name, "something": 1}, name)
    refused = invoke("schema", "fit")
    assert refused.exit_code == 2
    assert "give one of error, impute" in refused.stderr


def test_a_table_without_gaps_has_a_document_of_the_same_schema(tmp_path):
    path = tmp_path / "whole.csv"
    path.write_text("a,b\n1.5,2\n2.5,4\n0.5,3\n")
    document = json.loads(invoke("impute", path, "--out", tmp_path / "o.csv", "--json").stdout)
    validate(document, "impute")
    assert (document["imputed_cells"], "bound" in document) == (0, False)
    assert "nothing" in document["warnings"][0]
