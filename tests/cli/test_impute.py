"""The command line: the main job, what it writes, and what it says to bad input."""

import gzip
import json
import os

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.data import IncompleteData
from absentia.inference import fit
from absentia.models import PPCA

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


@pytest.mark.slow
def test_intervals_of_missing_cells_are_written_and_calibrated(tmp_path):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(50, 1)) + 0.7 * rng.normal(size=(50, 2))
    frame = pd.DataFrame(rows, columns=["a", "b"]).round(3)
    frame["arm"] = rng.choice(["x", "y"], 50)
    frame.loc[::4, "a"] = np.nan
    path, page = tmp_path / "t.csv", tmp_path / "page.html"
    frame.to_csv(path, index=False)
    command = ["impute", path, "--model", "ppca", "--schema", "infer", "--interval", ".8"]
    command += ["--steps", "4", "--particles", "20"]  # five refits follow
    for name, more in {"own": [], "held": ["--calibrate", "odds", "--report", page]}.items():
        result = invoke(*command, "--out", tmp_path / f"{name}.csv", *more)
        assert result.exit_code == 0, result.output
    own, held = (pd.read_csv(tmp_path / f"{n}-intervals.csv") for n in ("own", "held"))
    gone = frame["a"].isna().to_numpy()
    for ends in (own, held):
        assert (ends["a_lower"].notna() == gone).all()
        assert list(ends.columns) == ["a_lower", "a_upper"]
    assert (held["a_lower"] <= own["a_lower"])[gone].all()
    assert (held["a_upper"] >= own["a_upper"])[gone].all()
    text = page.read_text()
    assert "Do intervals of missing values hold?" in text
    numbers = json.loads(page.with_suffix(".json").read_text())["tables"]
    assert numbers["intervals"][0]["column"] == "a"
    assert "fit" in numbers["columns"][0]["margin"]


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
    "blank file": ("\n\n", "no column names"),
    "header only": ("a,b\n", "row"),
    "header and blank rows": ("a,b\n,\n,\n", "row"),
    "no header": ("1.5,2\n2.5,3\n3,\n", "the first line holds numbers"),
    "no header, repeated": ("1,1\n2,3\n3,\n", "occurs 2 times"),
    "other separator": ("a;b\n1;2\n2;\n", "give --sep ';'"),
    "tabs": ("a\tb\n1\t2\n2\t\n", "give --sep '\\t'"),
    "long row": ("a,b\n1,2\n2,3,4\n", "line 3 has 3 fields"),
    "short row": ("a,b\n1,2\n2\n", "line 3 has 1 fields"),
    "open quote": ('a,b\n1,"2\n2,3\n', "as CSV"),
    "zero bytes": ("a,b\n1,\0\n2,3\n", "zero bytes"),
    "zero bytes above": ("\0\0\0,b\n1,2\n2,3\n", "zero bytes"),
    "latin-1": ("a,größe\n1,2\n2,\n".encode("latin-1"), "--encoding cp1252"),
    "utf-16": ("a,größe\n1,2\n2,\n".encode("utf-16"), "--encoding utf-16"),
    "gzip": (gzip.compress(b"a,b\n1,2\n2,\n"), "compressed by gzip"),
    "spreadsheet": (b"PK\x03\x04xl/workbook.xml", "a spreadsheet"),
    "Parquet": (b"PAR1....PAR1", "name it .parquet"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0", "not text"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables_meet_one_line_and_write_nothing(tmp_path, kind):
    text, expected = BAD_TABLES[kind]
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = set(tmp_path.iterdir())
    result = invoke("impute", path, "--out", tmp_path / "filled.csv", *QUICK)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing.csv", "no such file"),
        ("folder.csv", "not a file"),
        ("table.gz", "unknown suffix '.gz'"),
        ("table.json", "give a .csv, .tsv, .parquet or .xlsx file"),
        ("table.xls", "save it as .xlsx or CSV"),
        ("cut.csv.gz", "damaged"),
        ("text.csv.gz", "not compressed by gzip"),
        ("text.parquet", "not a Parquet file"),
        ("cut.parquet", "not a Parquet file"),
        ("nought.parquet", "the file is empty"),
        ("pipe.csv", "not a file"),
    ],
)
@pytest.mark.parametrize("command", ["impute", "inspect", "report"])
def test_files_that_are_no_tables_meet_one_line(table, tmp_path, command, name, expected):
    _, frame = table
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n")[:-12])
    (tmp_path / "text.csv.gz").write_text("a,b\n1,2\n")
    for suffix in ("gz", "json", "xls"):
        (tmp_path / f"table.{suffix}").write_bytes(b"PK\x03\x04")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n")
    frame.to_parquet(tmp_path / "cut.parquet")
    whole = (tmp_path / "cut.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "nought.parquet").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.csv")
    more = {"impute": ["--out", tmp_path / "o.csv"], "report": ["--fitted", saved(tmp_path)]}
    result = invoke(command, tmp_path / name, *more.get(command, []))
    assert result.exit_code == 2
    assert name in result.stderr
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "o.csv").exists()


def saved(folder):
    data = IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    fitted = fit(PPCA(data, latent_dim=1), data, steps=1, validation=0.0, progress=False)
    fitted.save(folder / "fitted")
    return folder / "fitted"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--sep", ",,"], "separator"),
        (["--decimal", "x"], "decimal mark"),
        (["--decimal", ",", "--thousands", ","], "both"),
        (["--thousands", "1"], "thousands"),
        (["--encoding", "utf-99"], "encoding 'utf-99' is unknown"),
        (["--encoding", "base64"], "unknown"),
        (["--date-format", "dd/mm/yyyy"], "has no day"),
        (["--id", "nobody"], "no column 'nobody' (--id)"),
        (["--leave-out", "nobody"], "no column 'nobody' (--leave-out)"),
        (["--id", "age", "--covariate", "age"], "both name column 'age'"),
        (["--leave-out", "age", "--leave-out", "income", "--id", "bmi"], "--leave-out for those"),
        (["--learning-rate", "0"], "--learning-rate is 0"),
    ],
)
def test_options_of_reading_are_checked_before_any_work(table, tmp_path, options, expected):
    path, _ = table
    result = invoke("impute", path, "--out", tmp_path / "o.csv", *options, "--steps", 10**7)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


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
        (["--out", "{tmp}/filled.csv", "--missingness", "limit"], "give --sign high or --sign low"),
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


MIXED = """id,income,visits,smokes,job,seen,w
p0,10.5,3,True,clerk,2020-01-03,0.1
p1,,1,False,cook,2020-02-01,0.2
p2,12.25,,True,,2020-03-05,0.3
p3,9.75,2,,clerk,,0.4
p4,,0,False,cook,2020-05-09,0.5
p5,30.5,4,True,clerk,2020-06-30,0.6
p6,20.0,,False,,2020-07-01,0.7
p7,11.0,2,True,cook,2020-08-08,0.8
"""


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text(MIXED)
    schema = tmp_path / "schema.toml"
    schema.write_text('income = "positive"\nvisits = "count"\n')
    return path, schema


def test_tables_of_several_kinds_by_formulas(mixed, tmp_path):
    path, schema = mixed
    out = tmp_path / "filled.csv"
    result = invoke(
        "impute", path, "--out", out, "--leave-out", "id", "--leave-out", "seen",
        "--schema", schema, "--covariate", "w", "--draws", 2,
        "--missing", "income ~ +log(income) + w", "--missing", "visits ~ visits + smokes", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for said in ("positive", "logit P(income missing)", "R[visits]", "log(income)", "learnt:"):
        assert said in result.output
    before, filled = pd.read_csv(path), pd.read_csv(out)
    draws = pd.read_csv(tmp_path / "filled-draws.csv")
    for table in (filled, *(part for _, part in draws.groupby("imputation"))):
        assert set(table["smokes"]) <= {True, False}
        assert set(table["job"]) <= {"clerk", "cook"}
        assert (table["income"] > 0).all()
        assert (table["visits"] == table["visits"].round()).all()
    assert list(filled.columns) == list(before.columns)
    assert filled["id"].tolist() == before["id"].tolist()
    seen = before["income"].notna()
    assert (filled["income"][seen] == before["income"][seen]).all()


def test_a_saved_mixed_model_takes_new_rows(mixed, tmp_path):
    path, schema = mixed
    model, out = tmp_path / "model", tmp_path / "filled.csv"
    common = ["--leave-out", "id", "--leave-out", "seen"]
    first = invoke(
        "impute", path, "--out", out, "--schema", schema, "--save", model, *common, *QUICK
    )
    assert first.exit_code == 0, first.output
    new = tmp_path / "new.csv"
    new.write_text("w,job,smokes,visits,income\n0.3,,True,,\n")
    again = tmp_path / "again.csv"
    result = invoke("impute", new, "--out", again, "--fitted", model, "--particles", 50)
    assert result.exit_code == 0, result.output
    assert list(pd.read_csv(again).columns) == ["w", "job", "smokes", "visits", "income"]


REFUSED = {
    "formula with name": (["--missing", "w ~ w", "--missingness", "linear"], "drop --missingness"),
    "formula with sign": (
        ["--missing", "w ~ w", "--sign", "high"],
        "drop --missingness",
    ),
    "unknown column": (["--missing", "wage ~ w"], "column 'wage'"),
    "unknown term": (["--missing", "income ~ wage"], "there is no column 'wage'"),
    "bad formula": (["--missing", "income ~ ("], "cannot be read"),
    "free text": ([], "column 'id' has 8 distinct strings"),
    "schema column": (["--schema", "{bad}"], "names column 'wage'"),
    "schema file": (["--schema", "nowhere.toml"], "cannot be read"),
    "covariate with gaps": (["--covariate", "income"], "covariate 'income', row 1"),
    "unknown covariate": (["--covariate", "wage"], "covariate 'wage'"),
    "at random": (
        ["--model", "ppca", "--missing", "w ~ w"],
        "missing at random",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line(mixed, tmp_path, name):
    path, _ = mixed
    bad = tmp_path / "bad.toml"
    bad.write_text('wage = "positive"\n')
    options, message = REFUSED[name]
    options = [str(bad) if option == "{bad}" else option for option in options]
    left = [] if name == "free text" else ["--leave-out", "id", "--leave-out", "seen"]
    result = invoke("impute", path, "--out", tmp_path / "o.csv", *left, *options, *QUICK)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "o.csv").exists()


def test_draws_that_no_memory_holds_are_refused_before_the_fit(table, tmp_path):
    path, _ = table
    out = tmp_path / "o.csv"
    # a fit of so many steps would not end within the test's time
    refused = invoke("impute", path, "--out", out, "--draws", 10**12, "--steps", 10**9)
    assert refused.exit_code == 2
    assert "--draws 1000000000000" in refused.stderr
    assert "memory" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not out.exists()
