"""Files that are written: never over each other, over what is read or into a model's folder."""

import os
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.cli.paths import check_model_folder, check_outputs, check_writable
from absentia.data.system.files import TableError
from absentia.data.table_writing import write_tables


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def contents(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1.5,2\n2.5,\n,1\n")
    (tmp_path / "schema.toml").write_text('a = "continuous"\n')
    os.link("t.csv", "hard.csv")
    os.symlink("t.csv", "soft.csv")
    os.link("schema.toml", "schema.html")
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    (model / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("dear diary")
    return tmp_path


CLASHES = [
    "--out o.csv --report o.csv",
    "--out o.csv --report ./o-rows.csv",
    "--out o.csv --report o-draws.csv --draws 2",
    "--out o.csv --checkpoint o.csv",
    "--out o.csv --report r.html --checkpoint r.html",
    "--out o.csv --report o.csv/r.html",
    "--out o.csv --report t.csv",
    "--out o.csv --checkpoint t.csv",
    "--out o.csv --checkpoint hard.csv",
    "--out hard.csv",
    "--out soft.csv",
    "--out o.csv --report hard.csv",
    "--out o.csv --schema schema.toml --report schema.html",
    "--out o.csv --schema schema.toml --checkpoint schema.toml",
    "--out new/o.csv --save new",
    "--out o.csv --save new --report new/r.html",
    "--out o.csv --save new --checkpoint new/weights.safetensors",
    "--out o.csv --save o.csv",
    "--out o.csv --save .",
    "--out o.csv --save full",
    "--out o.csv --save model",
    "--out o.csv --report model/model.json",
    "--out o.csv --checkpoint model/weights.safetensors",
    "--out o.csv --fitted model --report model/r.html",
    "--out model/o.csv --fitted model",
    f"--out {'o' * 260}.csv",
    "--out o.csv --report /dev/null",
]


@pytest.mark.parametrize("options", CLASHES)
def test_outputs_that_clash_are_refused_before_any_work(place, options):
    before = contents(place)
    result = invoke("impute", "t.csv", *options.split())
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    said = ("would be overwritten", "written twice", "would be written into", "cannot", "holds")
    assert any(words in result.stderr for words in said)
    assert contents(place) == before
    assert not (place / "new").exists()


@pytest.mark.parametrize("out", ["t.csv", "hard.csv", "model/model.json", "full"])
def test_the_report_of_a_fit_overwrites_nothing(place, out):
    before = contents(place)
    result = invoke("report", "t.csv", "--fitted", "model", "--out", out)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert contents(place) == before


def test_what_does_not_clash_is_allowed(place):
    outputs = [("--out", Path("o.csv")), ("--report", Path("r/r.html")), ("--checkpoint", None)]
    check_outputs([Path("t.csv"), None], outputs, {"--save": Path("new"), "--fitted": None})
    check_outputs([Path("full/diary.txt")], [("--out", Path("full/o.csv"))])
    assert not Path("r").exists()  # nothing is made before it is needed
    check_writable(Path("o.csv"))


def test_what_a_killed_save_left_is_no_hindrance(tmp_path):
    (tmp_path / f"weights-{'0' * 8}-1-{'0' * 12}.safetensors").write_bytes(b"")
    (tmp_path / ".model.absentia-01234567-1-0123456789ab.json").write_bytes(b"")
    check_model_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds.*things"):
        check_model_folder(tmp_path)


def test_several_tables_are_written_all_or_none(tmp_path, monkeypatch):
    first, second = tmp_path / "a.csv", tmp_path / "b.parquet"
    first.write_text("old")
    good, bad = pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]})

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(TableError, match=r"b\.parquet.*written"):
        write_tables({first: good, second: bad})
    assert contents(tmp_path) == {first: b"old"}
    monkeypatch.undo()
    write_tables({first: good, second: bad})
    assert first.read_text() == "a\n1\n"
    assert pd.read_parquet(second)["a"].tolist() == [1]
