"""CSV files and batches of rows are scanned as the tables that they are read as in memory."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import absentia as ab
from absentia.data.errors import InputError
from absentia.data.scan import converted
from absentia.data.system.files import TableError
from absentia.data.table_reading import read_table

pytestmark = [
    pytest.mark.filterwarnings("ignore::absentia.data.columns.cautions.ColumnWarning"),
    pytest.mark.filterwarnings("ignore::absentia.data.table_reading.ReadingWarning"),
]

ROWS = {
    "real": ["1.5", "", "NA", "+2", "-3e2", " 7 "],
    "whole": ["1", "2", "N/A", "", "+5", "-6"],
    "code": ["08654", "00001", "", "01", "0777", "08654"],
    "word": ["yes", "no", "None", "", "yes", "no"],
    "gap": ["a", "NA", "b", "a", "b", ""],
    "flag": ["True", "FALSE", "", "true", "NA", "false"],
    "day": ["2020-01-31", "", "2021-05-06", "NaN", "2020-02-02", "2020-02-03"],
    "moment": ["2020-01-31 10:00", "2020-01-31T10:00:05", "", "2020-01-31 10:00:05.25", "", ""],
    "quoted": ['"x, y"', "z", '"x, y"', "z", "", "z"],
    "some": ["1", "2.5", "", "3", "4", "5"],
}


def text(rows: dict[str, list[str]], separator: str = ",") -> str:
    lines = [separator.join(rows), *map(separator.join, zip(*rows.values(), strict=True))]
    return "\n".join(lines) + "\n"


def check_same(found, whole: ab.IncompleteData) -> None:
    for one, other in zip(found.schema, whole.schema, strict=True):
        wanted = other.kind, other.levels, other.whole_days, other.constant
        assert (one.kind, one.levels, one.whole_days, one.constant) == wanted, one.name
    values = np.concatenate([part.values for part in found])
    np.testing.assert_allclose(values, whole.values)


@pytest.mark.parametrize("block", [2**24, 150])
def test_a_csv_file_is_scanned_as_it_is_read(tmp_path, monkeypatch, block):
    monkeypatch.setattr(converted, "_BYTES_AT_ONCE", block)
    path = tmp_path / "table.csv"
    path.write_text(text({name: cells * 4 for name, cells in ROWS.items()}))
    found, frame = ab.scan(path), read_table(path)
    check_same(found, ab.IncompleteData.from_frame(frame))
    assert found.schema["code"].levels == ("00001", "01", "0777", "08654")
    assert found.schema["gap"].levels == ("a", "b")
    assert found.schema["word"].levels == ("None", "no", "yes")
    assert found.schema["day"].whole_days


def test_tabs_gzip_and_several_files(tmp_path):
    (tmp_path / "a.tsv").write_text(text({"v": ["1", "2.5"], "w": ["x", "y"]}, "\t"))
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write(text({"v": ["3.5", ""], "w": ["y", "x"]}))
    found = ab.scan([tmp_path / "a.tsv", tmp_path / "b.csv.gz"])
    assert found.shape == (4, 2)
    assert found.scaler.center[0] == pytest.approx(7 / 3)


EUROPEAN = {
    "real": ["1.234,5", "", "NA", "+2", "-3e2", "-99"],
    "whole": ["1.234", "2", "N/A", "", "+5", "-99"],
    "code": ["08654", "00001", "", "01", "0777", "08654"],
    "age": ["7", "8", "998", "12", "-99,0", "33"],
    "kept": ["998", "1", "2", "3", "4", "5"],
    "word": ["é", "No", "é", "", "No", "é"],
}


@pytest.mark.parametrize("block", [2**24, 150])
def test_a_csv_file_of_another_format_is_scanned_as_it_is_read(tmp_path, monkeypatch, block):
    monkeypatch.setattr(converted, "_BYTES_AT_ONCE", block)
    path = tmp_path / "table.csv"
    lines = "A title\n" + text({name: cells * 4 for name, cells in EUROPEAN.items()}, ";")
    path.write_text(lines, encoding="cp1252")
    form = {"sep": ";", "decimal": ",", "thousands": ".", "encoding": "cp1252", "skip": 1}
    form["na_values"] = [-99, "age=998"]
    found, frame = ab.scan(path, **form), read_table(path, **form)
    check_same(found, ab.IncompleteData.from_frame(frame))
    assert found.schema["kept"].kind == "continuous"
    values = np.concatenate([part.values for part in found])[:6]
    real = values[:, list(found.columns).index("real")]
    np.testing.assert_allclose(real, [1234.5, np.nan, np.nan, 2, -300, np.nan])
    age = values[:, list(found.columns).index("age")]
    np.testing.assert_allclose(age, [7, 8, np.nan, 12, np.nan, 33])


def test_a_decimal_point_in_a_file_with_commas_is_read_as_in_memory(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a;b\n1.5;1,5\n2.5;2,5\n3;\n")
    found = ab.scan(path, sep=";", decimal=",")
    check_same(found, ab.IncompleteData.from_frame(read_table(path, sep=";", decimal=",")))


def test_how_text_is_read_says_nothing_of_parquet(tmp_path):
    pd.DataFrame({"a": [1.0, None]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="there are Parquet files only"):
        ab.scan(tmp_path, na_values=-99)


def test_a_file_is_converted_once_into_a_cache(tmp_path, monkeypatch):
    path, cache = tmp_path / "table.csv", tmp_path / "cache"
    path.write_text(text(ROWS))
    first = ab.scan(path, ["real"], cache=cache)
    monkeypatch.setattr(converted, "_blocks", None)  # would be called to read it again
    again = ab.scan(path, ["real"], cache=cache)
    assert first.scaler.center == again.scaler.center
    assert len(list(cache.iterdir())) == 1


def test_a_temporary_folder_goes_with_the_scan(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text(ROWS))
    found = ab.scan(path, ["real"])
    folder = found.files.paths[0].parent
    assert folder.exists()
    del found
    assert not folder.exists()


def test_labels_of_rows_are_not_modelled(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"v": [1.0, None, 4.0]}).to_csv(path)
    assert ab.scan(path).columns == ("v",)


def test_ragged_and_repeated_columns_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(TableError, match=r"table.csv: cannot be read as CSV \(.*Expected 2"):
        ab.scan(path)
    path.write_text("a,a\n1,2\n")
    with pytest.raises(TableError, match="'a'"):
        ab.scan(path)


FRAME = pd.DataFrame({"v": np.arange(10.0), "w": list("xyxyxyxyxy")})
FRAME.loc[3, "v"] = None


@pytest.mark.parametrize(
    "batches",
    [
        lambda: FRAME,
        lambda: [FRAME[:4], FRAME[4:]],
        lambda: (FRAME[k : k + 1] for k in range(10)),
        lambda: pa.Table.from_pandas(FRAME).to_reader(max_chunksize=3),
        lambda: pa.Table.from_pandas(FRAME).to_batches(max_chunksize=3),
        lambda: pa.Table.from_pandas(FRAME),
    ],
    ids=["frame", "frames", "generator", "reader", "batches", "table"],
)
def test_batches_of_rows_are_the_table(batches):
    found = ab.scan(batches())
    check_same(found, ab.IncompleteData.from_frame(FRAME))
    assert len(found) == 10


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match="a batch is a dict; give tables"):
        ab.scan([{"v": 1}])
    with pytest.raises(InputError, match="there is no batch"):
        ab.scan(iter([]))
    with pytest.raises(InputError, match="a batch is a int"):
        ab.scan(3)
