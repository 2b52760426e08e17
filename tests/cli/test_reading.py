"""How a table is read at the command line: gaps, words, marks, digits, blank rows."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.data import table_reading
from absentia.data.columns.present import Present
from absentia.data.csv import gaps
from absentia.data.csv.format import CSVFormat
from absentia.data.table_reading import typed_table

QUICK = ["--steps", "10", "--particles", "50"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def written(folder, columns, name="table.csv", mark=","):
    rows = [mark.join(columns), *(mark.join(row) for row in zip(*columns.values(), strict=True))]
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def fields(path):
    return pd.read_csv(path, dtype=str, na_filter=False)


def cycle(*values, n=40):
    return [values[k % len(values)] for k in range(n)]


def numbers(gap="", n=40, seed=0):
    values = 50 + 10 * np.random.default_rng(seed).normal(size=n)
    return [gap if k % 5 == 0 else f"{value:.1f}" for k, value in enumerate(values)]


@pytest.mark.parametrize("command", ["inspect", "impute"])
def test_a_csv_is_read_once_and_each_column_examined_once(tmp_path, monkeypatch, command):
    days = [f"2024-05-{k % 28 + 1:02d}" for k in range(40)]
    columns = {"area": numbers(), "land": cycle("DE", "FR"), "day": days}
    path, counts = written(tmp_path, columns), Counter()

    def count(owner, name, key=None):
        func = getattr(owner, name)

        def counted(*arguments, **options):
            counts[name if key is None else (name, key(*arguments))] += 1
            return func(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    count(table_reading, "read_csv")
    count(gaps, "spelled_by", key=lambda fields, *_: tuple(fields))
    count(CSVFormat, "is_number", key=lambda _, field: field)
    count(CSVFormat, "number_of", key=lambda _, field: field)
    count(Present.__dict__["family"], "func", key=lambda present: present.name)
    options = ["--out", tmp_path / "out.csv", "--sign", "high", *QUICK]
    result = invoke(command, path, *(options if command == "impute" else []))
    assert result.exit_code == 0, result.output
    assert counts["read_csv"] == 1
    assert sum(name == "spelled_by" for name, _ in counts.keys() - {"read_csv"}) == 3
    assert {counts["func", name] for name in columns} == {1}
    assert set(counts.values()) == {1}


def test_words_among_text_are_answers_and_are_named(tmp_path):
    path = written(
        tmp_path,
        {
            "area": numbers(),
            "alley": cycle("None", "Gravel", "Paved", ""),
            "land": cycle("NA", "DE"),
        },
    )
    out = tmp_path / "out.csv"
    result = invoke("impute", path, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "'None' is read as an answer in 10 fields of alley" in result.stdout
    assert "--na-values None" in result.stdout
    before, after = fields(path), fields(out)
    seen = (before != "").to_numpy()
    assert (before.to_numpy()[seen] == after.to_numpy()[seen]).all()
    assert set(after["alley"]) <= {"None", "Gravel", "Paved"}


def test_words_by_which_a_file_marks_gaps_are_missing_unless_they_are_kept(tmp_path):
    path = written(tmp_path, {"area": numbers(gap="NA"), "land": cycle("NA", "DE", "FR")})
    out = tmp_path / "out.csv"
    result = invoke("impute", path, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "'NA' is read as missing in 8 fields of area" in result.stdout
    assert "'NA' is read as missing in 14 fields of land, of text" in result.stdout
    assert set(fields(out)["land"]) == {"DE", "FR"}
    result = invoke("impute", path, "--out", out, "--keep-na", *QUICK)
    assert "'NA' is read as missing in 8 fields of area" in result.stdout
    assert fields(out)["land"].tolist() == cycle("NA", "DE", "FR")
    assert not (fields(out)["area"] == "NA").any()


def test_what_else_is_missing_is_told_for_all_columns_or_one(tmp_path):
    columns = {"income": cycle("-99", "31.5", "28", "40", "35.25"), "change": cycle("-99.0", "3")}
    path = written(tmp_path, columns)
    frame = typed_table(path, CSVFormat(na_values=("-99",))).frame
    assert frame.isna().sum().tolist() == [8, 20]
    frame = typed_table(path, CSVFormat(na_values=("income=-99",))).frame
    assert frame.isna().sum().tolist() == [8, 0]
    out = tmp_path / "out.csv"
    result = invoke(
        "impute", path, "--out", out, "--na", "income=-99", "--na-values", "nowhere", *QUICK
    )
    assert result.exit_code == 0, result.output
    assert "'-99' is read as missing in 8 fields of income" in result.stdout
    assert "--na-values nowhere does not occur" in result.stdout
    assert not (fields(out)["income"] == "-99").any()
    assert fields(out)["change"].tolist() == columns["change"]


def test_what_else_is_missing_in_parquet(tmp_path):
    path, out = tmp_path / "t.parquet", tmp_path / "o.parquet"
    frame = pd.DataFrame({"bmi": [-99 if k % 4 == 0 else 20 + k for k in range(40)]})
    frame["job"] = cycle("cook", "?", "clerk", "cook")
    frame.to_parquet(path)
    shown = invoke("inspect", path)
    assert "--na-values bmi=-99" in shown.stdout
    asked = ["--na-values", "bmi=-99", "--na", "?", "--na", "no"]
    result = invoke("impute", path, "--out", out, *asked, *QUICK)
    assert result.exit_code == 0, result.output
    assert "'-99' is read as missing in 10 fields of bmi" in result.stdout
    assert "'?' is read as missing in 10 fields of job" in result.stdout
    assert "--na-values no does not occur" in result.stdout
    filled = pd.read_parquet(out)
    seen = (frame["bmi"] != -99).to_numpy()
    assert (filled["bmi"][seen] == frame["bmi"][seen]).all()
    assert (filled["bmi"][~seen] > -60).all()
    assert set(filled["job"]) == {"cook", "clerk"}
    refused = invoke("impute", path, "--out", out, "--decimal", ",", *QUICK)
    assert refused.exit_code == 2
    assert "is a Parquet file" in refused.stderr


def test_a_level_of_the_fitted_model_stays_an_answer(tmp_path):
    first = written(tmp_path, {"x": numbers(), "land": cycle("NA", "DE", "FR", "")})
    fit = tmp_path / "fit"
    done = invoke("impute", first, "--out", tmp_path / "a.csv", "--save", fit, *QUICK)
    assert done.exit_code == 0, done.output
    new = written(tmp_path, {"x": ["NA", "1.5"], "land": ["NA", "DE"]}, name="new.csv")
    out = tmp_path / "b.csv"
    done = invoke("impute", new, "--out", out, "--fitted", fit, "--particles", 50)
    assert done.exit_code == 0, done.output
    assert fields(out)["land"].tolist() == ["NA", "DE"]
    assert fields(out)["x"].tolist()[1] == "1.5"
    assert fields(out)["x"].tolist()[0] != "NA"


LONG = [str(9_007_199_254_740_993 + 2 * k) for k in range(40)]


@pytest.mark.parametrize("came", [".csv", ".parquet"])
@pytest.mark.parametrize("goes", [".csv", ".parquet"])
def test_long_identifiers_keep_their_digits(tmp_path, came, goes):
    ids = [None if k == 3 else int(one) for k, one in enumerate(LONG)]
    zips = [f"{k:05d}" for k in range(40)]
    frame = pd.DataFrame({"x": pd.to_numeric(numbers()), "zip": zips})
    frame.insert(0, "id", pd.array(ids, dtype="Int64"))
    path, out = tmp_path / f"in{came}", tmp_path / f"out{goes}"
    if came == ".csv":
        frame.to_csv(path, index=False)
    else:  # without what pandas writes beside it, as other programs do
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pandas(frame).replace_schema_metadata(None), path)
    result = invoke("impute", path, "--out", out, "--id", "id", "--leave-out", "zip", *QUICK)
    assert result.exit_code == 0, result.output
    for name in (out, tmp_path / f"out-rows{goes}"):
        after = fields(name) if goes == ".csv" else pd.read_parquet(name)
        found = [None if pd.isna(v) or v == "" else int(v) for v in after["id"]]
        assert found == ids
    assert (fields(out) if goes == ".csv" else pd.read_parquet(out))["zip"].tolist() == zips


def test_integers_of_other_widths_keep_their_type_where_some_are_missing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    kinds = {"a": pa.uint8(), "b": pa.int32(), "c": pa.uint64()}
    columns = {name: pa.array([1, None, 2**8 - 1], kind) for name, kind in kinds.items()}
    pq.write_table(pa.table({**columns, "d": pa.array([0.5, None, 1.0])}), path)
    found = typed_table(path).frame
    assert [str(t) for t in found.dtypes] == ["UInt8", "Int32", "UInt64", "float64"]
    assert found["c"].tolist()[2] == 255


def test_blank_rows_at_the_end_are_no_people(tmp_path):
    path = written(tmp_path, {"x": numbers(), "y": numbers(seed=1)})
    path.write_text(path.read_text() + ",\n , \n\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    result = invoke("impute", path, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "2 rows at the end with nothing in them" in result.stdout
    assert len(fields(out)) == len(fields(tmp_path / "out-rows.csv")) == 40
    assert "(40 rows" in result.stdout


def test_a_row_without_values_between_others_stays(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1.5,2\n,\n2.5,3\n,\n")
    assert len(typed_table(path).frame) == 3
    path.write_text('x\n1.5\n\n2.5\n""\n\n')  # of one column a quoted field is a value
    assert typed_table(path).frame["x"].isna().tolist() == [False, True, False, True]


def test_nothing_to_impute_is_said_and_nothing_fitted(tmp_path):
    path = written(tmp_path, {"x": cycle("-99", "1.50", "2.25", "3.1"), "y": cycle("007", "010")})
    out = tmp_path / "out.csv"
    report = tmp_path / "report.html"
    result = invoke("impute", path, "--out", out, "--report", report, "--draws", 2)
    assert result.exit_code == 0, result.output
    assert "no value is missing" in result.stderr
    assert "--na-values" in result.stderr
    assert "bound" not in result.stdout
    assert out.read_text() == path.read_text()
    assert {p.name for p in tmp_path.iterdir()} == {"table.csv", "out.csv"}


def test_numbers_and_dates_written_in_another_way_are_read_by_options(tmp_path):
    columns = {
        "temp": [f.replace(".", ",") for f in numbers()],
        "price": cycle("1.200", "12.500,5", "", "900"),
        "day": cycle("03/02/2023", "", "31/12/2022", "04/06/2023"),
        "who": [f"p{k}" for k in range(40)],
    }
    path = written(tmp_path, columns, mark=";")
    marks = ["--sep", ";", "--decimal", ",", "--thousands", ".", "--date-format", "%d/%m/%Y"]
    out = tmp_path / "out.csv"
    result = invoke("impute", path, "--out", out, "--id", "who", *marks, *QUICK)
    assert result.exit_code == 0, result.output
    after = pd.read_csv(out, dtype=str, na_filter=False, sep=";")
    for name, given in columns.items():
        assert all(v in (b, "") or b for v, b in zip(given, after[name], strict=True))
        assert [b for v, b in zip(given, after[name], strict=True) if v] == [v for v in given if v]
    assert after["temp"].str.fullmatch(r"-?\d+(,\d+)?").all()
    assert after["day"].str.fullmatch(r"\d\d/\d\d/\d{4}").all()
    again = pd.read_csv(out, sep=";", decimal=",", thousands=".")
    assert 40 < again["temp"].mean() < 60
    rows = pd.read_csv(tmp_path / "out-rows.csv", sep=";", decimal=",")
    assert rows.columns[0] == "who"
    assert rows["ess"].dtype == float
    report = invoke("inspect", path, *marks)
    assert report.exit_code == 0
    assert "datetime" in report.stdout


def test_a_column_in_the_plain_way_among_others_stays_so(tmp_path):
    columns = {"a": cycle('"1,5"', '"2,25"', "3", "7"), "b": cycle("1.5", "2.25", "-99.0", "")}
    path = written(tmp_path, columns)
    frame = typed_table(path, CSVFormat(decimal=",", na_values=("-99",))).frame
    assert frame["a"].iloc[:3].tolist() == [1.5, 2.25, 3.0]
    assert frame["b"].iloc[:2].tolist() == [1.5, 2.25]
    assert frame["b"].isna().sum() == 20
    out = tmp_path / "out.csv"
    result = invoke("impute", path, "--out", out, "--decimal", ",", "--na", "-99", *QUICK)
    assert result.exit_code == 0, result.output
    assert fields(out)["b"].str.fullmatch(r"-?\d+\.\d+").all()
    # where points part thousands, 1.5 is no number
    assert typed_table(path, CSVFormat(decimal=",", thousands=".")).frame["b"].dtype.kind == "O"


QUIET = {
    "zip": [f"0{8000 + 37 * k}" for k in range(40)],
    "temp": [f"{36 + k / 10:.1f}".replace(".", ",") for k in range(40)],
    "when": cycle("03/02/2023", "", "04/01/2023"),
    "sex": cycle("M", "F", "m", "M "),
    "big": LONG,
    "age": numbers(),
}


@pytest.mark.parametrize(
    ("option", "columns"),
    [
        ("--id zip", ["zip"]),
        ("--decimal ,", ["temp"]),
        ("--date-format %d/%m/%Y", ["when"]),
        ("--leave-out sex", ["sex"]),
        ("--id big", ["big"]),
        ("--na-values age=-99", []),
    ],
)
@pytest.mark.thin(3)
def test_columns_that_are_not_what_they_seem_are_named_with_the_option(tmp_path, option, columns):
    age = ["-99" if k % 4 == 0 else f for k, f in enumerate(QUIET["age"])]
    table = {name: [f'"{v}"' for v in QUIET[name]] for name in columns}
    path = written(tmp_path, {**table, "age": QUIET["age"] if columns else age})
    shown = invoke("inspect", path)
    result = invoke("impute", path, "--out", tmp_path / "o.csv", *QUICK)
    assert f"give {option}" in shown.stdout or f"(or {option})" in shown.stdout
    assert option in result.output
    # and the option cures it
    again = invoke("impute", path, "--out", tmp_path / "o.csv", *option.split(), *QUICK)
    assert again.exit_code == 0, again.output
    assert option not in again.output
    assert sum(option in line for line in result.stderr.splitlines()) == 1


def test_a_refusal_names_all_columns_and_their_options(tmp_path):
    path = written(tmp_path, {name: [f'"{v}"' for v in column] for name, column in QUIET.items()})
    result = invoke("impute", path, "--out", tmp_path / "o.csv", *QUICK)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    for option in ("--leave-out zip", "--leave-out big", "--decimal ,"):
        assert option in result.stderr
    assert "--date-format" in result.stdout


def test_a_wide_table_takes_a_line_a_column(tmp_path):
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(30, 60)).round(2)
    wide[rng.random(wide.shape) < 0.2] = np.nan
    wide[:, 50:] = [7.0] * 10
    path = tmp_path / "wide.csv"
    pd.DataFrame(wide, columns=[f"x{j}" for j in range(60)]).to_csv(path, index=False)
    quick = ["--out", tmp_path / "o.csv", "--steps", 2, "--particles", 20]
    asked = invoke("impute", path, *quick)
    assert asked.exit_code == 0, asked.output
    why = [line for line in asked.stdout.splitlines() if line.startswith("why missing: ")]
    assert 1 <= len(why) <= 6  # columns of which the same is said share a line
    assert sum(len(re.findall(r"x\d+", line)) for line in why) >= 20
    result = invoke("impute", path, *quick, "--missingness", "self-masking")
    assert result.exit_code == 0, result.output
    equations = re.findall(r"logit P\((x\d+) missing\)", result.stdout)
    assert len(equations) == 50  # after the fit
    assert result.stdout.count("\n") <= 50 + 30  # a table of the first columns too
    assert result.stderr.count("is 7 in every row") == 1
    assert "likewise x51, x52" in result.stderr
    shown = invoke("inspect", path)
    assert shown.stdout.count("\n") <= 60 + 70
    assert len(re.findall(r"^│ x\d+ ", shown.stdout, flags=re.MULTILINE)) >= 60


def test_columns_share_a_line_only_if_they_share_the_cure(tmp_path):
    """One survey has 9 in its items and -9 in its hours."""
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((300, 7)) < 0.1, 9, rng.integers(1, 6, (300, 7)))
    frame = pd.DataFrame(codes, columns=[f"item{k}" for k in range(7)])
    frame["hours"] = np.where(rng.random(300) < 0.1, -9, rng.integers(20, 40, 300))
    frame.to_csv(tmp_path / "survey.csv", index=False)
    said = invoke("inspect", tmp_path / "survey.csv").stdout
    assert "--na-values item0=9; likewise item1, item2" in said
    assert said.count("'hours' is -9") == said.count("give --na-values hours=-9") == 1
