"""CSV fields: what types they spell out, and that what is not imputed comes back verbatim."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.cli.fields import read_fields
from absentia.data import infer_schema

QUICK = ["--steps", "20", "--particles", "50"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def written(folder, text):
    path = folder / "table.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (["1", "", "3"], "i"),
        (["+1", "", "7"], "i"),
        (["+1", "", "007"], "O"),
        (["1", "", "3.0"], "f"),
        (["1", "", "1e3"], "f"),
        (["90071992547409930", "", "1"], "i"),
        (["90071992547409930907", "", "1"], "O"),
        (["90071992547409930907", "3", "1"], "O"),
        (["2024-05-31", "", "2023-01-01"], "M"),
        (["2024-05-31 08:30", "", "2023-01-01 09:00"], "M"),
        (["2024-13-31", "", "2023-01-01"], "O"),
        (["31.05.2024", "", "01.01.2023"], "O"),
        (["yes", "", "no"], "O"),
    ],
)
def test_types_are_those_that_the_fields_spell(tmp_path, fields, kind):
    path = written(tmp_path, "a,b\n" + "".join(f"{f},1\n" for f in fields))
    found = read_fields(path).frame["a"]
    assert found.dtype.kind == kind
    assert found.isna().tolist() == [not f for f in fields]
    if kind == "i":  # to the last digit
        assert found.dropna().tolist() == [int(f) for f in fields if f]


def test_a_declared_kind_goes_before(tmp_path):
    path = written(tmp_path, "day\n2024-05-31\n\n2023-01-01\n".replace("\n\n", '\n""\n'))
    assert read_fields(path).frame["day"].dtype.kind == "M"
    declared = {"day": {"kind": "categorical"}}
    assert read_fields(path, declared).frame["day"].dtype.kind == "O"
    earlier = infer_schema(pd.DataFrame({"day": ["a", "b"]}))
    assert read_fields(path, like=earlier).frame["day"].dtype.kind == "O"


def test_observed_fields_come_back_verbatim(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["id,code,price,day,paid,visits,note"]
    for i in range(60):
        price = "" if i % 5 == 0 else f"{rng.normal(5):.3f}0"
        day = "" if i % 7 == 0 else f"2024-05-{1 + i % 28:02d}"
        paid = "" if i % 6 == 0 else ("TRUE" if rng.random() < 0.5 else "FALSE")
        visits = "" if i % 4 == 0 else f"{rng.poisson(3)}"
        lines.append(f"{i:05d},{rng.choice(['007', '012'])},{price},{day},{paid},{visits},n{i}")
    path = written(tmp_path, "\n".join(lines) + "\n")
    out = tmp_path / "filled.csv"
    result = invoke(
        *("impute", path, "--out", out, "--draws", 2),
        *("--leave-out", "id", "--leave-out", "note", "--missingness", "self-masking", *QUICK),
    )
    assert result.exit_code == 0, result.output
    before = pd.read_csv(path, dtype=str, na_filter=False)
    for name, copies in (("filled.csv", 1), ("filled-draws.csv", 2)):
        after = pd.read_csv(tmp_path / name, dtype=str, na_filter=False)
        for k in range(copies):
            one = after.iloc[60 * k : 60 * (k + 1)].reset_index(drop=True)[before.columns]
            gone = (before == "").to_numpy()
            assert (one.to_numpy()[~gone] == before.to_numpy()[~gone]).all()
            assert one["visits"].str.fullmatch(r"\d+").all()
            assert one["paid"].isin(["TRUE", "FALSE"]).all()
            assert one["day"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
            assert not (one["price"] == "").any()


def test_a_column_that_cannot_be_modelled_meets_the_option_that_helps(tmp_path):
    lines = ["name,x"] + [f"n{i},{i if i % 3 else ''}" for i in range(120)]
    path = written(tmp_path, "\n".join(lines) + "\n")
    out = tmp_path / "filled.csv"
    result = invoke("impute", path, "--out", out, *QUICK)
    assert result.exit_code == 2
    assert "--leave-out name" in result.stderr
    assert "--schema" in result.stderr
    assert not out.exists()
    assert invoke("impute", path, "--out", out, "--leave-out", "name", *QUICK).exit_code == 0


@pytest.mark.parametrize("option", ["--schema", "--checkpoint"])
def test_what_is_read_is_not_overwritten(tmp_path, option):
    path = written(tmp_path, "a,b\n1.5,2\n2.5,\n")
    schema = tmp_path / "filled-rows.csv"
    schema.write_text("")
    given = schema if option == "--schema" else path
    result = invoke("impute", path, "--out", tmp_path / "filled.csv", option, given, *QUICK)
    assert result.exit_code == 2
    assert "would be overwritten" in result.stderr
    assert path.read_text() == "a,b\n1.5,2\n2.5,\n"
