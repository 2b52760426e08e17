import os
import stat

import numpy as np
import pandas as pd
import pytest

from absentia.data.system.files import TableError, atomic_path, write_text_atomic
from absentia.data.table_reading import read_table
from absentia.data.table_writing import write_table


@pytest.fixture
def frame():
    x = np.random.default_rng(0).normal(size=(50, 3)) * 10.0 ** np.arange(-8, 9, 8)
    x[::7, 1] = np.nan
    return pd.DataFrame(x, columns=["a", "b c", "d,e"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_round_trip_is_exact(tmp_path, frame, suffix):
    path = tmp_path / f"t{suffix}"
    write_table(frame, path)
    pd.testing.assert_frame_equal(read_table(path), frame, check_exact=True)
    labelled = frame.set_axis([f"r{i}" for i in range(50)], axis=0)
    write_table(labelled, str(path))
    pd.testing.assert_frame_equal(read_table(path), labelled, check_exact=True)
    assert os.listdir(tmp_path) == [path.name]


def test_one_column_with_missing_values_survives_csv(tmp_path):
    df = pd.DataFrame({"a": [1.0, np.nan, 3.0]})
    write_table(df, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), df)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n", "no column names"),
        (",,\n1,2,3\n", "no column names"),
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        ("a,b,a\n1,2,3\n", "column name 'a' occurs 2 times"),
        ("a,b\n1,2,3\n", "line 2 has 3 fields but the header has 2"),
        ("a,b\n1,2\n3\n", "line 3 has 1 fields"),
        ("a;b\n1;2\n", "by semicolons, not by commas"),
        (b"a,b\n\xff\xfe,2\n", "UTF-8"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TableError, match=message) as info:
        read_table(path)
    assert "bad.csv" in str(info.value)
    assert "\n" not in str(info.value)


def test_csv_with_byte_order_mark_and_without_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffa,b\n1,2\n\n".encode())
    assert list(read_table(path).columns) == ["a", "b"]
    assert len(read_table(path)) == 1
    path.write_text("a,b\n")
    assert read_table(path).shape == (0, 2)


def test_missing_unknown_and_corrupt_files(tmp_path, frame):
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "none.csv")
    for name in ("t.json", "t"):
        with pytest.raises(TableError, match=r"\.csv, .*\.parquet"):
            read_table(tmp_path / name)
        with pytest.raises(TableError, match=r"\.csv, .*\.parquet"):
            write_table(frame, tmp_path / name)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(TableError, match="not a file"):
        read_table(tmp_path / "d.csv")
    with pytest.raises(TableError, match="it is a folder"):
        write_table(frame, tmp_path / "d.csv")
    path = tmp_path / "t.parquet"
    write_table(frame, path)
    whole = path.read_bytes()
    for content in (whole[:-20], whole[: len(whole) // 2], b"not parquet at all"):
        path.write_bytes(content)
        with pytest.raises(TableError, match=r"damaged.*Parquet"):
            read_table(path)
    path.write_bytes(b"")
    with pytest.raises(TableError, match="empty"):
        read_table(path)


def test_unwritable_places_and_tables(tmp_path, frame):
    with pytest.raises(TableError, match=r"no_such_folder.*does not exist"):
        write_table(frame, tmp_path / "no_such_folder" / "t.csv")
    with pytest.raises(TableError, match="occurs 2 times"):
        write_table(frame.set_axis(["a", "a", "b"], axis=1), tmp_path / "t.csv")
    with pytest.raises(TableError, match="reset_index"):
        write_table(frame.set_index(["a", "b c"]), tmp_path / "t.csv")
    with pytest.raises(TableError, match="cannot be written as Parquet"):
        write_table(pd.DataFrame({"a": [1, "x", {}]}), tmp_path / "t.parquet")
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, frame):
    path = tmp_path / "t.csv"
    write_table(frame, path)
    before = path.read_bytes()

    def disk_full(self, target, **kwargs):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", disk_full)
    with pytest.raises(TableError, match="No space left"):
        write_table(frame, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.csv"]


def test_atomic_text_keeps_mode_and_links(tmp_path):
    path = tmp_path / "a.json"
    write_text_atomic(path, "{}\n")
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    write_text_atomic(link, '{"é": 1}\r\n')
    assert link.is_symlink()
    assert path.read_bytes() == '{"é": 1}\r\n'.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def stopped():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        stopped()
    assert path.read_bytes() == '{"é": 1}\r\n'.encode()
    assert sorted(os.listdir(tmp_path)) == ["a.json", "link.json"]
