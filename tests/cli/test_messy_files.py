"""Messy files: what is typed wrong first, what the program says, and the way to a pooled table."""

import shlex

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app

N = 60


def invoke(*arguments):
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    return done.exit_code, done.stdout, done.stderr


def notes(*arguments):
    code, out, error = invoke("inspect", *arguments)
    assert code == 0, error
    return [line for line in out.splitlines() if line.startswith("note: ")]


@pytest.fixture
def hospital(tmp_path):
    """Semicolons, decimal commas, days first, a title line, codes, empty rows between others."""
    rng = np.random.default_rng(0)
    age = rng.normal(62, 14, N).round()
    stay = (6 + 0.1 * (age - 62) + rng.normal(0, 1, N)).round(1)
    lines = ["Klinik Süd;;;;", "Patient;Aufnahme;Alter;Liegetage;CRP"]
    for k in range(N):
        spelled = "" if rng.random() < 1 / (1 + np.exp(6 - stay[k])) else f"{stay[k]}"
        crp = "-99" if k % 11 == 5 else f"{rng.gamma(2, 9):.1f}"
        day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=3 * k)
        row = [f"{k:05d}", day.strftime("%d/%m/%Y"), f"{age[k]:.0f}", spelled, crp]
        lines.append(";".join(row).replace(".", ","))
        if k % 25 == 24:
            lines.append(";;;;")
    path = tmp_path / "hospital.csv"
    path.write_text("\r\n".join(lines), encoding="cp1252")
    return path


def test_every_mistake_with_the_hospital_names_the_next_option(hospital):
    given = []
    for option in ("--encoding cp1252", "--sep ';'", "--skip 1"):
        code, _, error = invoke("inspect", hospital, *given)
        assert (code, error.count("\n")) == (2, 1)
        assert option in error
        given += shlex.split(option)
    said = " ".join(notes(hospital, *given))
    for option in ("--drop-empty", "--id Patient", "--date-format %d/%m/%Y", "--decimal ,"):
        assert option in said
    given += ["--drop-empty", "--date-format", "%d/%m/%Y", "--decimal", ","]
    said = " ".join(notes(hospital, *given))
    assert "--na-values CRP=-99" in said
    assert "2 rows with nothing in them left out" in said
    given += ["--na-values", "CRP=-99"]
    _, out, _ = invoke("inspect", hospital, *given)
    assert "absentia impute needs --leave-out Patient, or" in " ".join(out.split())


def test_from_the_hospital_to_a_pooled_table_by_the_printed_command(hospital, tmp_path):
    options = ["--encoding", "cp1252", "--sep", ";", "--skip", 1, "--drop-empty", "--decimal", ",",
               "--date-format", "%d/%m/%Y", "--na-values", "CRP=-99", "--id", "Patient",
               "--leave-out", "Aufnahme"]  # fmt: skip
    out = tmp_path / "filled.csv"
    why = ["--model", "ppca", "--steps", 5, "--multiple", 3, "--parameters", "bootstrap"]
    code, said, error = invoke("impute", hospital, "--out", out, *options, *why)
    assert code == 0, error
    (hint,) = [line for line in said.splitlines() if "absentia pool" in line]
    words = shlex.split(hint.partition("absentia ")[2])
    assert words[2] == "y ~ x"
    code, said, error = invoke(*(w if w != "y ~ x" else "Liegetage ~ Alter" for w in words))
    assert code == 0, error
    assert f"over 3 tables of {N} rows" in " ".join(said.split())
    assert "complete cases" in said
    assert out.read_text("cp1252").startswith("Patient;Aufnahme;Alter")


def test_codes_of_a_survey_are_named_where_they_are_near_the_answers(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"respid": np.arange(10_001, 10_001 + 4 * N)})
    frame["income"] = rng.permutation(np.arange(4 * N) * 20 + 400)
    frame["trust"] = rng.integers(1, 6, 4 * N)
    frame.loc[::9, "income"], frame.loc[1::9, "income"], frame.loc[::7, "trust"] = 98, 99, 99
    path = tmp_path / "survey.csv"
    frame.to_csv(path, index=False)
    said = " ".join(notes(path))
    for option in (
        "--id respid",
        "--na-values income=98 --na-values income=99",
        "--na-values trust=99",
    ):
        assert option in said


def test_limits_of_a_laboratory_name_the_mechanism_at_the_shell(tmp_path):
    crp = np.random.default_rng(2).gamma(1, 3, N).round(1)
    frame = pd.DataFrame({"sample": [f"S-{k:03d}" for k in range(N)], "x": np.arange(N) % 7 + 0.5})
    frame["crp"] = ["<0.5" if value < 0.5 else str(value) for value in crp]
    path = tmp_path / "lab.csv"
    frame.to_csv(path, index=False)
    said = " ".join(notes(path))
    assert "impute --missingness limit --sign crp=low" in said
    assert "--na-values 'crp=<0.5'" in said
    _, out, _ = invoke("inspect", path)
    assert "--leave-out crp" not in out  # there is another cure


def test_a_limit_that_the_file_states_is_that_of_the_model(tmp_path):
    age = np.random.default_rng(2).normal(50, 9, N).round(1)
    dose = np.minimum(age + np.random.default_rng(3).normal(300, 40, N), 1000).round(1)
    frame = pd.DataFrame({"age": age, "dose": [">400" if d > 400 else str(d) for d in dose]})
    path, out = tmp_path / "lab.csv", tmp_path / "filled.csv"
    frame.to_csv(path, index=False)
    options = ["--na-values", "dose=>400", "--missingness", "limit", "--steps", 20, "--out", out]
    for sign in ("dose=high", "high", "dose=>400"):
        code, said, errors = invoke("impute", path, "--sign", sign, *options)
        assert code == 0, errors
        assert ("limit of 'dose': 400" in said) == (sign != "dose=>400")
        assert pd.read_csv(out).loc[dose > 400, "dose"].min() > 400
    code, _, errors = invoke("impute", path, "--sign", "dose=>350", *options)
    assert code == 2
    assert "beyond it" in errors


def test_marks_of_thousands_and_decimals_are_named_together(tmp_path):
    path = tmp_path / "firms.tsv"
    sales = np.random.default_rng(3).lognormal(7.5, 0.4, N)
    spelled = [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in sales]
    rows = "".join(f"F{k}\t{one}\t{k % 5}\n" for k, one in enumerate(spelled))
    path.write_text(f"Firma\tUmsatz\tn\n{rows}")
    assert "--decimal , --thousands ." in " ".join(notes(path))
    more = ["--decimal", ",", "--thousands", "."]
    assert "Umsatz" not in " ".join(notes(path, *more))


def test_words_of_a_narrow_table_are_not_broken(tmp_path):
    path = tmp_path / "t.csv"
    names = "".join(f"word-{k:03d},{k % 2}\n" for k in range(N))
    path.write_text(f"a long name of a column,flag\n{names}")
    _, out, _ = invoke("inspect", path)
    assert "categories" in out
    assert "distinct" in out
