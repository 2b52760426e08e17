"""Whatever goes wrong: exit status 2, one line that says what to do, nothing printed or written."""

import io
import json
import os
import re
import shlex
import sys
import tempfile

import jsonschema
import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import absentia as ab
from absentia.cli import app
from absentia.cli.console import _Literal
from absentia.cli.documents import schema_of
from absentia.cli.one_line_errors import one_line_errors
from absentia.cli.words import at_the_shell, speak_of

FAILURES = {
    "impute none.csv --out o.csv": "no such file",
    "impute t.doc --out o.csv": "unknown suffix",
    "impute none/*.parquet --out o": "check the path, or the pattern",
    "impute parts --out o": "no .parquet file",
    "impute broken --out o": "not a Parquet file",
    "impute empty.csv --out o.csv": "the file is empty",
    "impute header.csv --out o.csv": "0 rows",
    "impute bytes.csv --out o.csv": "not text",
    "impute twice.csv --out o.csv": "occurs 2 times",
    "impute gaps.csv --out o.csv": "no observed value",
    "impute t.csv --out o.doc": "unknown suffix",
    "impute t.csv --out parts": "unknown suffix",
    "impute t.csv --out t.csv": "would be overwritten",
    "impute t.csv --out o.csv --report parts": "it is a folder",
    "impute t.csv --out o.csv --checkpoint parts": "it is a folder",
    "impute t.csv --out o.csv --leave-out nobody": "'nobody'",
    "impute t.csv --out o.csv --leave-out y,x": "give --leave-out y --leave-out x",
    "impute t.csv --out o.csv --id nobody": "it has y, x",
    "impute t.csv --out o.csv --covariate nobody": "'nobody'",
    "impute t.csv --out o.csv --covariate y": "must be complete",
    "impute t.csv --out o.csv --missing 'nobody ~ y'": "does not have",
    "impute t.csv --out o.csv --missing 'y ~ nobody'": "no column 'nobody'",
    "impute t.csv --out o.csv --missing 'y ~~'": "neither of the form",
    "impute t.csv --out o.csv --missing y": "column ~ y",
    "impute t.csv --out o.csv --sign up": "'high'",
    "impute t.csv --out o.csv --sign nobody=high": "'nobody'",
    "impute t.csv --out o.csv --schema none.toml": "cannot be read",
    "impute t.csv --out o.csv --schema bad.toml": "not valid TOML",
    "impute t.csv --out o.csv --schema kind.toml": "'colour' is unknown",
    "impute t.csv --out o.csv --schema other.toml": "'nobody'",
    "impute t.csv --out o.csv --fitted parts": "no saved model",
    "impute t.csv --out o.csv --slope-prior x": "weak, flat",
    "impute t.csv --out o.csv --digits x": "'observed', 'all'",
    "impute t.csv --out o.csv --draws 9999999999": "memory",
    "impute t.csv --out o.csv --jobs 2": "part by part",
    "impute t.csv --out o.csv --interval 1": "--interval is 1",
    "impute t.csv --out o.csv --interval .999": "needs 2000 draws",
    "impute t.csv --out o.csv --calibrate odds": "give --interval 0.9",
    "impute t.csv --out - --interval .9": "files of their own",
    "impute t.csv --out o.csv --sep abc": "one character",
    "impute t.csv --out o.csv --encoding klingon": "unknown",
    "impute t.csv --out o.csv --skip 1000": "no column names",
    "impute t.csv --out o.csv --sheet 1": "not an Excel file",
    "impute t.csv --out o.csv --date-format x": "has no day",
    "inspect t.csv --out t.csv": "Not a directory",
    "inspect t.csv --schema bad.toml": "not valid TOML",
    "pool none.csv 'y ~ x'": "no such file",
    "pool t.csv 'y ~ x'": "no column 'imputation'",
    "pool t.csv 'y x'": "(Missing operator between `y` and `x`); write",
    "report t.csv --fitted parts": "no saved model",
    "sensitivity t.csv 'y ~ x' --column y": "either --slopes or --delta",
    "sensitivity t.csv 'y ~ x' --column nobody --delta 0,1": "no modelled column",
    "sensitivity t.csv 'y ~ x' --column x --delta 0,1": "has no missing value",
    "sensitivity t.csv 'y ~ x' --column y --delta a:b": "FROM:TO:STEP",
    "sensitivity t.csv 'y ~ x' --column y --delta 1:-1:1": "--delta is '1:-1:1'; give FROM",
    "sensitivity t.csv 'y ~ x' --column y --delta nan": "--delta is 'nan'; give FROM",
    "sensitivity t.csv y --column y --delta 0,1": "'y ~ 1'",
    "sensitivity t.csv 'y ~ x' --column y --delta 0,1 --term w": "Intercept, x",
    "sensitivity t.csv 'y ~ x' --column y --delta 0,1 --picture p.doc": "no PNG file",
    "reproduce nobody": "no experiment",
    "results commands --out none": "no results",
    "tune nobody": "no sweep",
    "schema nobody": "no schema",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 2)), columns=["y", "x"])
    frame.loc[::4, "y"] = np.nan
    frame.to_csv("t.csv", index=False)
    for name, text in {
        "empty.csv": "", "header.csv": "a,b\n", "twice.csv": "a,a\n1,2\n",
        "gaps.csv": "a,b\n,1\n,2\n,3\n", "bad.toml": "y = [", "kind.toml": 'y = "colour"\n',
        "other.toml": 'nobody = "continuous"\n', "bytes.csv": "a\x00b",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    (tmp_path / "parts").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.parquet").write_text("nothing")
    return tmp_path


@pytest.mark.parametrize("command", FAILURES)
def test_a_failure_is_one_line_with_status_2_and_leaves_nothing(place, command):
    before = sorted(place.rglob("*"))
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 2, done.output
    assert FAILURES[command] in done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert "Traceback" not in done.output
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("impute t.csv", "--out"), ("impute t.csv --out", "--out"),
        ("impute t.csv --out o.csv --nonsense", "--nonsense"),
        ("impute t.csv --out o.csv --multipel 5", "--multiple"),
        ("impute t.csv --out o.csv --model banana", "banana"),
        ("impute t.csv --out o.csv --steps 0", "--steps"),
        ("impute t.csv --out o.csv --steps abc", "--steps"), ("pool t.csv", "absentia pool"),
        ("inspect t.csv --by nonsense", "nonsense"), ("nonsense", "nonsense"), ("schema", "schema"),
        ("--nonsense", "--nonsense"), ("fit", "argument 'file'"),
    ],
)  # fmt: skip
def test_words_that_are_no_option_or_value_are_one_line_too(place, command, named):
    done = CliRunner().invoke(app, shlex.split(command), prog_name="absentia")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert "--help lists what there is" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["inspect t.csv", "inspect t.csv --json"])
def test_a_full_disk_below_standard_output_is_one_line(place, command, monkeypatch, capsys):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit, match="2"):
        app(shlex.split(command))
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "error: cannot write standard output: No space left on device"


def test_streams_that_a_shell_has_closed_are_named(place, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit, match="2"):
        app(["inspect", "-"])
    assert "error: standard input is closed" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit, match="2"):
        app(["inspect", "t.csv", "--json"])
    assert "error: standard output is closed" in capsys.readouterr().err


def test_a_reader_that_has_read_enough_is_no_mistake(capsys):
    with pytest.raises(typer.Exit) as ended, one_line_errors(document=True):
        raise BrokenPipeError(32, "Broken pipe")
    assert ended.value.exit_code == 1
    assert capsys.readouterr() == ("", "")


def test_colons_are_no_emoji_and_tables_have_room_on_narrow_screens(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    for stderr in (False, True):
        shown = _Literal(stderr=stderr)
        assert shown.size.width == 76
        with shown.capture() as said:
            shown.print("y ~ x:m:z, -1:-1:1")
        assert said.get() == "y ~ x:m:z, -1:-1:1\n"


def test_a_program_reads_what_was_typed_wrong(place):
    done = CliRunner().invoke(app, ["impute", "t.csv", "--nonsense", "--json"])
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.exit_code == 2
    assert done.stderr == f"error: {document['error']}\n"
    jsonschema.validate(document, schema_of("error"))


def test_errors_of_reading_name_arguments_in_python_and_options_at_the_shell(place):
    (place / "semi.csv").write_text("x;y\n1;2\n")
    with pytest.raises(ab.AbsentiaError, match=r"give sep=';'"):
        ab.read_table(place / "semi.csv")
    done = CliRunner().invoke(app, ["inspect", str(place / "semi.csv")])
    assert "give --sep ';'" in done.stderr
    done = CliRunner().invoke(app, ["inspect", str(place / "t.csv"), "--sheet", "2"])
    assert "no --sheet; drop it" in done.stderr


@pytest.mark.parametrize(
    ("said", "at_impute"),
    [
        ("give parameters='bootstrap', or more", "give --parameters bootstrap, or more"),
        ("leave out sign= and prior_scale=", "leave out --sign and prior_scale="),
        ("by name: sign={'crp mg': 'high'}", "by name: --sign 'crp mg=high'"),
        ("impute with draws=20 or more", "impute with --draws 20 or more"),
        ("out='folder' for them", "--out folder for them"),
        ("use decoder='linear'", "use decoder='linear'"),
        ("column 'seed=3' has no value", "column 'seed=3' has no value"),
        ("--sign 'crp=<0.5' and --seed=2", "--sign 'crp=<0.5' and --seed=2"),
        ("leave out slope_prior=0.5.", "leave out --slope-prior 0.5."),
        ("give seed=[1, 2]", "give seed=[1, 2]"),
        ("look at slope_sensitivity", "look at absentia sensitivity"),
        ("tables of multiple_imputation", "tables of absentia impute --multiple"),
    ],
)
def test_texts_of_the_library_name_the_options_of_the_command(said, at_impute):
    commands = typer.main.get_command(app).commands
    speak_of(commands["impute"].params)
    assert at_the_shell(said) == at_impute
    speak_of(commands["fit"].params)  # whose settings are in a file, as sep=";"
    assert at_the_shell("give sep=';' or parameters='fixed'") == (
        "give sep=';' or parameters='fixed'"
    )


def test_a_command_says_its_own_options(place):
    (place / "two.csv").write_text("a,b\n1.5,\n,3.5\n2.5,4.5\n3,5\n")
    options = ["impute", "two.csv", "--out", "o.csv", "--missingness", "limit", "--sign", "a=high"]
    done = CliRunner().invoke(app, options)
    assert "--missingness limit needs to know which side is hidden in column 'b'" in done.stderr
    assert "give --sign high where" in done.stderr
    assert not re.search(r"\b(sign|missingness)=", done.stderr)


def test_help_and_version_end_well():
    assert CliRunner().invoke(app, ["--version"]).exit_code == 0
    assert CliRunner().invoke(app, ["impute", "--help"]).exit_code == 0
    shown = CliRunner().invoke(app, [])
    assert "Commands" in shown.output


def test_a_full_disk_is_found_before_the_fit(place, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    before = os.listdir()
    done = CliRunner().invoke(app, ["impute", "t.csv", "--out", "o.csv"])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: cannot write 'o.csv': No space left on device")
    assert os.listdir() == before


def test_formulas_and_signs_of_complete_columns_are_warned_of(place):
    quick = ["--steps", "2", "--particles", "10"]
    for option, value in (("--missing", "x ~ y"), ("--sign", "x=high")):
        done = CliRunner().invoke(app, ["impute", "t.csv", "--out", "o.csv", option, value, *quick])
        assert done.exit_code == 0
        assert f"no value of 'x' is missing, so that {option}" in done.stderr
