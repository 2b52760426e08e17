"""The command line: the main job, what it writes, and what it says to bad input."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app

QUICK = ["--steps", "20", "--particles", "50"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)) + 5, columns=["age", "income", "bmi"])
    frame.loc[frame["income"] > 5.3, "income"] = np.nan
    path = tmp_path / "patients.csv"
    frame.to_csv(path, index=False)
    return path, frame


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_impute_completes_the_table_and_keeps_observed_cells(table, tmp_path, suffix):
    path, frame = table
    out = tmp_path / f"filled{suffix}"
    result = invoke("impute", path, "--out", out, "--sign", "high", "--draws", "3", *QUICK)
    assert result.exit_code == 0, result.output
    read = pd.read_csv if suffix == ".csv" else pd.read_parquet
    filled, rows, draws = (
        read(out),
        read(tmp_path / f"filled-rows{suffix}"),
        read(tmp_path / f"filled-draws{suffix}"),
    )
    assert not filled.isna().any().any()
    seen = frame.notna().to_numpy()
    assert (filled.to_numpy()[seen] == frame.to_numpy()[seen]).all()
    assert len(rows) == 40
    assert {"ess", "khat"} <= set(rows.columns)
    assert draws["imputation"].value_counts().to_dict() == {1: 40, 2: 40, 3: 40}
    hidden = draws["income"].to_numpy().reshape(3, 40)[:, frame["income"].isna()]
    assert (hidden[0] != hidden[1]).all()


def test_columns_left_out_and_complete_columns_come_back_as_read(table, tmp_path):
    path, frame = table
    frame.insert(0, "id", [f"p{i}" for i in range(40)])
    frame.insert(2, "visits", range(40))
    frame.to_csv(path, index=False)
    out = tmp_path / "filled.csv"
    result = invoke("impute", path, "--out", out, "--leave-out", "id", "--draws", 2, *QUICK)
    assert result.exit_code == 0, result.output
    filled, draws = pd.read_csv(out), pd.read_csv(tmp_path / "filled-draws.csv")
    assert list(filled.columns) == list(frame.columns)
    pd.testing.assert_frame_equal(filled[["id", "visits"]], frame[["id", "visits"]])
    assert list(draws.columns) == ["imputation", *frame.columns]
    assert invoke("impute", path, "--out", out, "--leave-out", "no", *QUICK).exit_code == 2


def test_same_seed_same_file_other_seed_another(table, tmp_path):
    path, _ = table
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.csv"
        assert invoke("impute", path, "--out", out, "--seed", seed, *QUICK).exit_code == 0
        texts.append(out.read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_a_saved_model_imputes_as_the_fit_did(table, tmp_path):
    path, _ = table
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    saved = tmp_path / "model"
    assert invoke("impute", path, "--out", first, "--save", saved, *QUICK).exit_code == 0
    again = invoke("impute", path, "--out", second, "--fitted", saved, "--particles", "50")
    assert again.exit_code == 0
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("model", "mechanism"),
    [
        ("not-miwae", "self-masking-probit"),
        ("not-miwae", "linear"),
        ("not-miwae-ppca", "nonlinear"),
        ("miwae", None),
        ("ppca", None),
    ],
)
def test_every_model_runs(table, tmp_path, model, mechanism):
    path, _ = table
    out = tmp_path / "filled.csv"
    options = ["--model", model, *(["--missingness", mechanism] if mechanism else [])]
    result = invoke("impute", path, "--out", out, *options, *QUICK)
    assert result.exit_code == 0, result.output
    assert not pd.read_csv(out).isna().any().any()


BAD_TABLES = {
    "all-missing column": ("a,b\n1,\n2,\n", "column 'b'"),
    "text in a numeric column": ("a,b\n1,2\n2,high\n", "'high'"),
    "infinity": ("a,b\n1,2\n2,inf\n", "column 'b'"),
    "duplicate names": ("a,a\n1,2\n", "'a'"),
    "empty file": ("", "empty"),
    "header only": ("a,b\n", "row"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables_meet_one_line_and_write_nothing(tmp_path, kind):
    text, expected = BAD_TABLES[kind]
    path = tmp_path / "table.csv"
    path.write_text(text)
    before = set(tmp_path.iterdir())
    result = invoke("impute", path, "--out", tmp_path / "filled.csv", *QUICK)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_a_truncated_parquet_file_is_named(table, tmp_path):
    _, frame = table
    path = tmp_path / "table.parquet"
    frame.to_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])
    result = invoke("impute", path, "--out", tmp_path / "filled.csv", *QUICK)
    assert result.exit_code == 2
    assert "table.parquet" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--out", "{tmp}/filled.xls"], ".xls"),
        (["--out", "{tmp}/patients.csv/filled.csv"], "cannot write"),
        (["--out", "{tmp}/filled.csv", "--sign", "high", "--missingness", "linear"], "--sign"),
        (["--out", "{tmp}/patients.csv"], "would be overwritten"),
        (["--out", "{tmp}/f.csv", "--save", "{tmp}/patients.csv/model"], "cannot write"),
        (["--out", "{tmp}/f.csv", "--checkpoint", "{tmp}/patients.csv/c"], "cannot write"),
        (["--out", "{tmp}/f.csv", "--model", "ppca", "--sign", "high"], "missing at random"),
        (["--out", "{tmp}/f.csv", "--fitted", "{tmp}/nothing"], "--steps has no effect"),
    ],
)
def test_unusable_options_are_refused_before_the_fit(table, tmp_path, arguments, expected):
    path, _ = table
    result = invoke("impute", path, *(a.format(tmp=tmp_path) for a in arguments), *QUICK)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n2,3\n4,1\n", "a,b\n1,2\n2,2\n4,\n", "a,b\n1,2\n,\n4,1\n", "a,b\n1,2\n"],
    ids=["no missing value", "constant column", "all-missing row", "one row"],
)
def test_odd_tables_are_imputed_all_the_same(tmp_path, text):
    path, out = tmp_path / "table.csv", tmp_path / "filled.csv"
    path.write_text(text)
    result = invoke("impute", path, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    filled, given = pd.read_csv(out), pd.read_csv(path)
    assert np.isfinite(filled.to_numpy()).all()
    seen = given.notna().to_numpy()
    assert (filled.to_numpy()[seen] == given.to_numpy()[seen]).all()


def test_demo_writes_what_it_says(tmp_path):
    result = invoke("demo", "--out", tmp_path / "demo", "--steps", "20")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "demo" / "figures.json").read_text())
    assert figures["missing_cells"] == 3405
    scores = {score["method"].strip(): score for score in figures["scores"]}
    assert scores["column mean"]["rmse"] == pytest.approx(1.8198, abs=1e-4)
    assert scores["MICE"]["rmse"] < 1.1
    table = pd.read_csv(tmp_path / "demo" / "imputed.csv")
    assert table.shape == (569, 30)
    assert (tmp_path / "demo" / "picture.png").read_bytes().startswith(b"\x89PNG")
