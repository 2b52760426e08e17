"""Tables in other formats than plain CSV: compressed, tabs, Excel, and what read_table says."""

import builtins
import datetime
import gzip

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.data.csv.format import CSVFormat
from absentia.data.errors import InputError, NotInstalledError
from absentia.data.system.files import TableError
from absentia.data.table_files import TableFile
from absentia.data.table_reading import ReadingWarning, read_table, typed_table
from absentia.data.table_writing import write_table


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(12, 2)) * [1e-9, 1e9], columns=["a", "b;c"])
    table.loc[::5, "a"] = np.nan
    return table


@pytest.mark.parametrize("name", ["t.tsv", "t.TAB", "t.txt", "t.csv.gz", "t.tsv.GZ"])
def test_text_of_every_suffix_comes_back_to_the_last_bit(tmp_path, frame, name):
    path = tmp_path / name
    write_table(frame, path)
    content = path.read_bytes()
    assert content.startswith(b"\x1f\x8b") == name.lower().endswith("gz")
    text = gzip.decompress(content) if name.lower().endswith("gz") else content
    assert (b"\t" in text) == ("ta" in name.lower() or "tsv" in name)
    pd.testing.assert_frame_equal(typed_table(path).frame, frame, check_exact=True)


def test_a_separator_that_is_given_wins_over_the_suffix_when_reading(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a;b\n1;2\n")
    with pytest.raises(TableError, match="give sep=';'"):
        read_table(path)
    assert read_table(path, sep=";").shape == (1, 2)


def test_names_beside_a_file_keep_all_of_its_suffix(tmp_path):
    assert TableFile.of("a.b.csv.gz").beside("rows").name == "a.b-rows.csv.gz"
    with pytest.raises(TableError, match="SPSS"):
        TableFile.of("wave.sav")
    with pytest.raises(TableError, match="suffix"):
        TableFile.of("t.parquet.gz")


def test_read_table_takes_the_arguments_of_the_command_line(tmp_path):
    path = tmp_path / "t.csv"
    text = "Ward 3, 2024\nperson;on;crp;job\n"
    text += "".join(f"p{k};0{k + 1}/05/2024;{k + 1}.000,5;{'NA' if k else 'x'}\n" for k in range(8))
    path.write_text(text + "p9;09/05/2024;-99;?\n", encoding="cp1252")
    table = read_table(
        path, sep=";", decimal=",", thousands=".", encoding="cp1252", date_format="%d/%m/%Y",
        na_values={"crp": [-99], "job": "?"}, keep_na=True, id="person", skip=1,
    )  # fmt: skip
    assert table.index.name == "person"
    assert table["crp"].tolist()[:2] == [1000.5, 2000.5]
    assert table["crp"].isna().tolist() == [False] * 8 + [True]
    assert table["on"].dt.day.tolist() == list(range(1, 10))
    assert set(table["job"].dropna()) == {"x", "NA"}
    with pytest.raises(InputError, match="'nobody'"):
        read_table(path, sep=";", skip=1, id="nobody")
    with pytest.raises(InputError, match="'nobody'"):
        read_table(path, sep=";", skip=1, na_values={"nobody": 1})
    with pytest.raises(InputError, match="sheet="):
        read_table(path, sheet=2)


def test_read_table_names_suspicious_columns_with_their_cure(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{36 + k % 3},5;{-99 if k % 4 == 0 else 20 + k}" for k in range(12)]
    path.write_text("temp;bmi\n" + "\n".join(rows) + "\n")
    with pytest.warns(ReadingWarning) as heard:
        table = read_table(path, sep=";")
    (message,) = (str(one.message) for one in heard)
    assert "na_values={'bmi': -99}" in message
    assert "decimal comma" in message
    assert len(table) == 12
    read_table(path, sep=";", decimal=",", na_values={"bmi": -99})


def test_a_title_above_the_names_is_told_with_its_cure(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Patients of 2024\na,b\n1,2\n")
    with pytest.raises(TableError, match="skip=1"):
        read_table(path)
    assert read_table(path, skip=1).shape == (1, 2)


def test_values_beyond_a_limit_of_detection_are_named(tmp_path):
    values = [f"{k / 10:.1f}" for k in range(5, 40)] + ["<0.5"] * 9
    path = tmp_path / "lab.csv"
    path.write_text("crp,age\n" + "".join(f"{v},{k}\n" for k, v in enumerate(values)))
    found = ab.data.suspects(typed_table(path).frame)
    (row,) = (row for row in found.itertuples() if row.column == "crp")
    assert row.kind == "beyond a limit"
    assert row.option == "--na-values 'crp=<0.5'"
    assert "missing for being low" in row.says


class TestExcel:
    @pytest.fixture
    def book(self, tmp_path):
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "Ward"
        rows = [
            [None, "Ward 3", None, None, None, None],
            [None, "person", "visit", "crp", "smokes", None],
            [None, "007", datetime.datetime(2024, 5, 31), 1.5, True, None],
            [None, "008", datetime.datetime(2024, 6, 1), "NA", False, None],
            [None, "009", None, 12, None, None],
            [None, "010", datetime.datetime(2024, 6, 2), 0.25, True, None],
            [None, None, None, None, None, None],
        ]
        for row in rows:
            sheet.append(row)
        other = book.create_sheet("Notes")
        other.append(["who", "what"])
        other.append(["me", "all"])
        path = tmp_path / "ward.xlsx"
        book.save(path)
        return path

    def test_cells_are_read_by_the_rules_of_text(self, book):
        table = typed_table(book, CSVFormat(skip=1), sheet="Ward").frame
        assert list(table.columns) == ["person", "visit", "crp", "smokes"]
        assert table["person"].tolist() == ["007", "008", "009", "010"]
        assert table["visit"].dtype.kind == "M"
        assert table["crp"].isna().tolist() == [False, True, False, False]
        assert table["crp"].tolist()[3] == 0.25
        assert table["smokes"].dropna().tolist() == [True, False, True]

    def test_sheets_are_chosen_by_name_or_number_and_others_named(self, book):
        for sheet in ("Notes", 2, "2"):
            assert list(typed_table(book, sheet=sheet).frame.columns) == ["who", "what"]
        with pytest.raises(TableError, match="'Ward', 'Notes'"):
            typed_table(book, sheet="Nots")
        with pytest.raises(TableError, match="skip=1"):
            typed_table(book)
        assert typed_table(book, CSVFormat(skip=1)).csv.unread == ("Notes",)

    def test_what_does_not_apply_or_is_damaged_is_refused(self, book, tmp_path):
        with pytest.raises(InputError, match="sep="):
            typed_table(book, CSVFormat(separator=";"))
        broken = tmp_path / "broken.xlsx"
        broken.write_bytes(book.read_bytes()[:200])
        with pytest.raises(TableError, match="not an Excel file"):
            typed_table(broken)

    def test_a_table_is_written_and_read_again(self, book, tmp_path):
        table = typed_table(book, CSVFormat(skip=1)).frame
        write_table(table, tmp_path / "again.xlsx")
        pd.testing.assert_frame_equal(typed_table(tmp_path / "again.xlsx").frame, table)


def test_without_openpyxl_the_error_says_what_to_install(tmp_path, monkeypatch):
    usual = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "openpyxl":
            raise ImportError(name)
        return usual(name, *rest, **options)

    path = tmp_path / "t.xlsx"
    path.write_bytes(b"PK\x03\x04 and more")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotInstalledError, match=r"absentia\[excel\]"):
        read_table(path)


def test_empty_rows_between_others_are_left_out_on_request(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n,\n3,\n ,\n4,5\n,\n")
    assert len(read_table(path)) == 5  # the one at the end never counts
    assert read_table(path, drop_empty=True)["a"].tolist() == [1, 3, 4]
    assert typed_table(path, CSVFormat(drop_empty=True)).csv.blank_rows == 3
