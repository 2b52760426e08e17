"""Columns that are probably not what they seem: which are named, why, and with what cure."""

import datetime

import numpy as np
import pandas as pd
import pytest

from absentia.data.columns.sentinels import sentinel_in
from absentia.data.columns.suspects import identifiers, suspects

RNG = np.random.default_rng(0)
N = 40
NUMBERS = RNG.normal(50, 10, N).round(1)


def column(*values: object) -> list[object]:
    """The values again and again, N in all."""
    return [values[k % len(values)] for k in range(N)]


#: by kind: columns, part of the sentence, the Python cure, the option
CASES = [
    ("numbers as text", column("93%", "7 %", "88.5%"), "percentages", "rstrip", "--leave-out v"),
    ("numbers as text", column("36,6", "37,1", None), "decimal comma", ",", "--decimal ,"),
    ("numbers as text", column("1.234,5", "3,1"), "decimal", ",", "--decimal , --thousands ."),
    ("numbers as text", column("1,5", "-99", "12"), "decimal comma", ",", "--decimal ,"),
    ("numbers as text", column("1,200", "3", "12"), "separators", "", "--thousands ,"),
    ("numbers as text", column("1,200", "2,500", "11,000"), "separators", "", "--thousands ,"),
    ("numbers as text", column("$1,200", "$15", None), "amounts of money", "", "--leave-out v"),
    ("numbers as text", column("12 €", "1.50 €"), "amounts of money", "", "--leave-out v"),
    ("numbers as text", column("20 mg", "5mg"), "with a unit", "extract", "--leave-out v"),
    ("numbers as text", column("1.5", "2.25", "3"), "numbers", "to_numeric", "--leave-out v"),
    ("dates as text", column("03/02/2023", "04/01/2023"), "day or the month", "dayfirst=True",
     "--date-format %d/%m/%Y"),
    ("dates as text", column("03/22/2023", "04/01/2023"), "dates", "to_datetime",
     "--date-format %m/%d/%Y"),
    ("dates as text", column("31.12.23", "1.2.23"), "dates", "dayfirst=True",
     "--date-format %d.%m.%y"),
    ("dates as text", column("2023/02/01", "2024/05/06"), "dates", "to_datetime", "--leave-out v"),
    ("dates as text", column("3 Feb 2023", "14 March 2022"), "dates", "to_datetime",
     "--leave-out v"),
    ("dates as text", column(20230203, 20231201, 20220131), "dates as numbers", "to_datetime",
     "--leave-out v"),
    ("spelling", column("M", "M ", "m", "F"), "'M', 'M ' and 'm'", "casefold", "--leave-out v"),
    ("spelling", column("New York", "new  york"), "case or blanks", "casefold", "--leave-out v"),
    ("leading zeros", column("08654", "10115", "01067"), "'08654' starts with 0", "drop",
     "--leave-out v"),
    ("word among numbers", column("1.5", "?", "2", "3", "4", "5"), "'?'", "na_values={'v': '?'}",
     "--na-values 'v=?'"),
    ("digits lost", [2**53 + k for k in range(N)], "16 digits", "drop", "--leave-out v"),
    ("digits lost", [float(2**54 + 8 * k) for k in range(N)], "17 digits", "drop",
     "--leave-out v"),
    ("digits lost", [f"{10**18 + k}" for k in range(N)], "15 digits", "drop", "--leave-out v"),
    ("identifier", list(range(N)), "40 different whole numbers", "drop", "--leave-out v"),
    ("identifier", list(RNG.permutation(N) + 500), "identifier", "drop", "--leave-out v"),
    ("identifier", list(RNG.choice(90_000, N, replace=False) + 10_000), "identifier", "drop",
     "--leave-out v"),
    ("identifier", [f"person-{k}" for k in range(N)], "40 different strings", "drop",
     "--leave-out v"),
    ("constant", column(7.0, 7.0, None), "is 7 in every row", "drop", "--leave-out v"),
    ("constant", column("A"), "is 'A' in every row", "drop", "--leave-out v"),
    ("constant", [0.1 + 0.2 if k % 2 else 0.3 for k in range(N)], "constant|is 0.3", "drop",
     "--leave-out v"),
    ("empty", [None] * N, "no value", "drop", "--leave-out v"),
    ("nearly empty", [1.0, 2.0, *[None] * (N - 2)], "2 values in 40 rows", "drop",
     "--leave-out v"),
    ("codes", column(0, 1, 1, None), "whole numbers from 0 to 1", "'v': 'binary'",
     "--schema infer"),
    ("codes", column(1, 2, None, 3, 4, 5), "whole numbers from 1 to 5", "'v': 'ordinal'",
     "--schema infer"),
    ("codes", [*np.linspace(0, 1, N - 1), None], "shares from 0 to 1", "'bounded', 'lower': 0",
     "--schema infer"),
    ("sentinel", [-99, *NUMBERS[2:], -99], "-99 in 2 of 40", "na_values={'v': -99}",
     "--na-values v=-99"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "says", "python", "option"), CASES)
def test_suspicion_names_column_reason_and_cures(kind, values, says, python, option):
    frame = pd.DataFrame({"fine": NUMBERS, "v": values})
    found = suspects(frame)
    assert found[["column", "kind"]].to_numpy().tolist() == [["v", kind]]
    row = found.iloc[0]
    assert pd.Series([row["says"]]).str.contains(says).item()
    assert row["says"].startswith("'v' ")
    assert python in row["python"]
    assert row["option"] == option


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        column("low", "medium", "high"),
        column(True, False, None),
        column(0, 1, 1),
        column(1, 2, 3, 4, 5),
        column(-1, 0, 1),
        column("None", "Asthma"),
        column("F1", "F2", "12a"),
        list(RNG.integers(20, 60, N)),
        list(range(1980, 1980 + N)),
        list(RNG.lognormal(3, 2, N)),
        [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=k) for k in range(N)],
        pd.Categorical(column("a", "b")),
        [1e25 * k for k in range(N)],
        column(0.0, 0.5, 2.0, 7.25),
    ],
)
def test_what_is_as_it_seems_is_not_suspected(values):
    assert suspects(pd.DataFrame({"v": values})).empty


def test_cures_of_text_do_what_they_say():
    df = pd.DataFrame(
        {
            "share": column("93%", "7 %"),
            "temp": column("36,6", "37,1"),
            "price": column("$1,200", "$2,500.50"),
            "dose": column("20 mg", "5 mg"),
            "visit": column("03/02/2023", "25/02/2023"),
            "sex": column("M", "m ", "F"),
        }
    )
    for cure in suspects(df)["python"]:
        exec(cure, {"df": df, "pd": pd})  # these lines are the package's own
    assert df.loc[1].to_list() == [7.0, 37.1, 2500.5, 5.0, pd.Timestamp("2023-02-25"), "m"]
    assert df["share"][0] == 93.0
    assert set(df["sex"]) == {"m", "f"}


def test_the_spelling_in_the_file_counts():
    frame = pd.DataFrame({"zip": [8654, 10115, 1067] * 4})
    texts = pd.DataFrame({"zip": ["08654", "10115", "01067"] * 4})
    assert suspects(frame).empty
    assert suspects(frame, texts)["kind"].tolist() == ["leading zeros"]


def test_declared_columns_are_what_they_were_said_to_be():
    frame = pd.DataFrame({"zip": column("08654", "10115"), "bmi": [-99, -99, *NUMBERS[2:]]})
    found = suspects(frame, declared=["zip", "bmi"])
    assert found["column"].tolist() == ["bmi"]


def test_identifiers_are_listed():
    frame = pd.DataFrame(
        {
            "patient_id": column(11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21),
            "age": NUMBERS,
            "row": range(N),
            "zip": column("08654", "10115"),
        }
    )
    assert identifiers(frame) == ["patient_id", "row", "zip"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([31, 58, 44, 999, 999, 27, 40], 999),
        ([31, 58, 44, 9999, 9999, 27, 40], 9999),
        ([0, 3, 5, 2, -1, -1, 0.5], -1),
        ([1, 2, 3, 4, 5, 9, 9], 9),
        ([0, 1, 0, 1, 9, 9], 9),
        ([1, 2, 3, 4, 5, 88, 88], 88),
        ([1.2, 3, 2.2, 1.9, 2.7, 1e6, 1e6, 1e6], 1e6),
        ([31, 58, 44, 999, 27, 40], None),
        ([18, 80, 44, 99, 99, 27, 95], None),
        ([-1, 0, 1, -1, 0, 1], None),
        ([6.1, 6.5, 5.4, 6.9, 5.8, 0, 0, 0], None),
        ([0.1, 0.15, 0.05, 0.2, 0.12, 1, 1, 1], None),
        ([31, 58, 44, 27, 40, -55555, -55555, -55555], -55555),
        ([-9, -9, -8, 0, 3, 5, 7], None),
        ([-99, -99, 4.0, 4.0], None),
        ([1, 5, 2, 98, 99, 3], 99),
        ([1, 5, 2, -98, -99, -97, 3], -99),
        ([70, 91, 65, 88, 99, 98, 80], None),
        ([np.nan, np.nan], None),
    ],
)
def test_sentinels(values, found):
    sentinel = sentinel_in(np.array(values, dtype=float))
    assert (None if sentinel is None else sentinel.value) == found


def test_zero_below_all_others_is_a_suspicion_of_its_own():
    pressure = np.concatenate([RNG.normal(72, 12, 50).round(), np.zeros(4)])
    assert sentinel_in(pressure) is None
    assert sentinel_in(pressure, zero=True).times == 4
    assert suspects(pd.DataFrame({"pressure": pressure}))["kind"].tolist() == ["sentinel"]


def test_several_codes_at_one_end_are_named_together():
    frame = pd.DataFrame({"income": [1, 2, 3, 98, 4, 99, 5, 98, 2, 3, 1, 4]})
    (row,) = suspects(frame).itertuples()
    assert "99 or 98 in 3 of 12 rows" in row.says
    assert row.option == "--na-values income=99 --na-values income=98"
    assert "{'income': [99, 98]}" in row.python


def test_codes_near_the_other_values_are_known_by_how_often_they_occur():
    incomes = RNG.permutation(np.arange(200, 4800, 20.0))
    frame = pd.DataFrame({"income": np.r_[incomes, [98.0] * 9, [99.0] * 14]})
    (row,) = suspects(frame).itertuples()
    assert row.option == "--na-values income=98 --na-values income=99"
    for rare in (
        np.r_[incomes, 98.0, 99.0],  # as often as others
        np.r_[np.arange(0, 99.0), [99.0] * 30],  # scores cut off at 99: no gap
        np.r_[incomes, [150.0] * 30],  # no code
    ):
        assert sentinel_in(rare) is None


def test_infinite_numbers_are_no_constant():
    found = suspects(pd.DataFrame({"v": [1.0, np.inf, 2.0, 5.0]}))
    assert "constant" not in set(found["kind"])
