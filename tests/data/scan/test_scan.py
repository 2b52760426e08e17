"""A scan of any partition finds what ``from_frame`` finds in the whole table."""

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import absentia as ab
from absentia.data.columns.cautions import ColumnWarning
from absentia.data.errors import InputError
from absentia.data.scan import Scan, facts
from absentia.data.scan import files as scan_files
from absentia.data.system.files import TableError

pytestmark = pytest.mark.filterwarnings("ignore::absentia.data.columns.cautions.ColumnWarning")


def mixed(n: int = 240, seed: int = 0) -> pa.Table:
    """A table with a column of every type that Parquet and the package know."""
    rng = np.random.default_rng(seed)
    gone = {name: rng.random(n) < 0.25 for name in "abcdefghijklm"}
    day = pd.Timestamp("2020-03-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    moment = day.tz_localize("Europe/Berlin") + pd.to_timedelta(rng.integers(0, 90000, n), "s")

    def of(values, name, kind=None):
        mask = gone.get(name)
        return pa.array(values, kind, mask=mask, from_pandas=True)

    stage = pa.DictionaryArray.from_arrays(
        pa.array(rng.integers(0, 3, n), pa.int8(), mask=gone["f"]),
        pa.array(["low", "mid", "high"]),
        ordered=True,
    )
    place = pa.array(rng.choice(["north", "south", "east"], n), mask=gone["g"])
    return pa.table(
        {
            "real": of(1e6 + rng.normal(size=n), "a"),
            "whole": of(rng.integers(-5, 500, n), "b"),
            "flag": of(rng.random(n) < 0.3, "c"),
            "word": of(rng.choice(["no", "yes"], n), "d"),
            "words": of(rng.choice(list("uvwxy"), n), "e"),
            "stage": stage,
            "place": place.dictionary_encode(),
            "day": of(day.to_numpy(), "h", pa.timestamp("us")),
            "moment": of(
                moment.tz_convert(None).to_numpy(), "i", pa.timestamp("us", "Europe/Berlin")
            ),
            "wait": of(rng.integers(0, 10**6, n), "j", pa.duration("ms")),
            "dose": of(np.exp(rng.normal(size=n) * 1.2), "k"),
            "share": of(rng.random(n), "l", pa.float32()),
            "grade": of(rng.integers(1, 6, n), "m"),
            "visits": of(rng.poisson(2.0, n), "n"),
            "only": of(np.full(n, 7.0), "a"),
            "date": of(day.date, "b", pa.date32()),
        }
    )


def written(table: pa.Table, folder: Path, cuts: list[int], group: int = 50) -> Path:
    """Write the table to files that end at these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [0, *sorted(set(cuts)), len(table)]
    for k, (a, b) in enumerate(pairwise(ends)):
        if b > a:
            pq.write_table(table.slice(a, b - a), folder / f"{k:03d}.parquet", row_group_size=group)
    return folder


SCHEMAS = {
    "dtype": None,
    "infer": "infer",
    "declared": {
        "dose": "positive",
        "share": {"kind": "bounded", "lower": -1, "upper": 2},
        "visits": "count",
        "grade": {"kind": "ordinal", "levels": [1, 2, 3, 4, 5, 6]},
        "whole": "continuous",
        "words": {"kind": "ordinal", "levels": list("uvwxy")},
    },
}


def check_same(found: Scan, whole: ab.IncompleteData) -> None:
    """Compare everything that a model or a report reads of a layout."""
    assert found.columns == whole.columns
    for one, other in zip(found.schema, whole.schema, strict=True):
        assert one.to_dict() == other.to_dict()
    np.testing.assert_allclose(found.scaler.center, whole.scaler.center, rtol=1e-11)
    np.testing.assert_allclose(found.scaler.scale, whole.scaler.scale, rtol=1e-9)
    assert found.scaler.warps == whole.scaler.warps
    missing = np.isnan(whole.values).astype(float)
    assert (found.co_missing.to_numpy() == missing.T @ missing).all()
    np.testing.assert_allclose(found.missing_rates, missing.mean(0))


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(("cuts", "group"), [([], 240), ([1, 60, 239], 100), ([77], 31)])
@pytest.mark.thin(4)
def test_any_partition_is_the_whole_table(tmp_path, cuts, group, schema):
    table = mixed()
    folder = written(table, tmp_path / "t", cuts, group)
    found = ab.scan(folder, schema=SCHEMAS[schema], covariates=[])
    whole = ab.IncompleteData.from_frame(table, schema=SCHEMAS[schema])
    check_same(found, whole)
    x = np.concatenate([part.x.numpy() for part in found])
    np.testing.assert_allclose(x, whole.x.numpy(), rtol=1e-5, atol=1e-5)
    assert (np.concatenate([part.s.numpy() for part in found]) == whole.s.numpy()).all()


def test_large_row_groups_are_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_files, "ROWS_OF_A_PART", 17)
    table = mixed()
    found = ab.scan(written(table, tmp_path / "t", [100], group=240))
    assert max(part.rows for part in found.parts) == 17
    assert len(found.parts) == 6 + 9
    check_same(found, ab.IncompleteData.from_frame(table))
    piece = found.range(90, 130)
    whole = ab.IncompleteData.from_frame(table)
    np.testing.assert_allclose(piece.values, whole.values[90:130])


def test_covariates_columns_and_labels_of_pandas(tmp_path):
    frame = pd.DataFrame(
        {
            "id": range(9),
            "age": np.arange(9.0),
            "pay": [1.0, None, 3.0] * 3,
            "note": list("abcdefghi"),
        },
        index=pd.Index(range(10, 19), name="row"),
    )
    frame.iloc[:5].to_parquet(tmp_path / "0.parquet")
    frame.iloc[5:].to_parquet(tmp_path / "1.parquet")
    found = ab.scan(tmp_path, ["pay"], covariates=["age"], key="id")
    assert (found.columns, found.covariate_schema.names) == (("pay",), ("age",))
    part = found.part(1)
    assert part.covariates.flatten().tolist() == [5.0, 6.0, 7.0, 8.0]
    assert part.index.tolist() == [5, 6, 7, 8]
    with pytest.raises(InputError, match="'note' has 9 distinct strings"):
        ab.scan(tmp_path, key="id")  # the labels in column 'row' are not modelled
    with pytest.raises(InputError, match="'rank' is not a column"):
        ab.scan(tmp_path, ["rank"])


def test_chosen_rows_do_not_depend_on_the_partition(tmp_path):
    table = mixed()
    one = ab.scan(written(table, tmp_path / "one", []))
    many = ab.scan(written(table, tmp_path / "many", [3, 77, 200], group=11))
    a, b = one.sample(60, seed=4), many.sample(60, seed=4)
    assert len(a) == 60
    np.testing.assert_array_equal(a.values, b.values)
    assert (a.index == b.index).all()
    assert set(a.index) != set(one.sample(60, seed=5).index)
    assert sorted(one.sample(10**6).index) == list(range(240))


def test_rows_chosen_by_a_key_do_not_depend_on_their_order(tmp_path):
    table = mixed().append_column("id", pa.array([f"p{i}" for i in range(240)]))
    order = np.random.default_rng(1).permutation(240)
    one = ab.scan(written(table, tmp_path / "one", [50]), key="id")
    other = ab.scan(written(table.take(pa.array(order)), tmp_path / "other", [9, 100]), key="id")
    real = one.columns.index("real")
    a, b = one.sample(40).values[:, real], other.sample(40).values[:, real]
    np.testing.assert_array_equal(a, b)


def test_a_key_identifies_rows(tmp_path):
    written(pa.table({"id": [1, 2, 2], "v": [1.0, 2.0, None]}), tmp_path / "twice", [])
    with pytest.raises(InputError, match="key 'id' is the same in rows 1 and 2"):
        ab.scan(tmp_path / "twice", key="id")
    written(pa.table({"id": [1, None, 2], "v": [1.0, 2.0, None]}), tmp_path / "gone", [])
    with pytest.raises(TableError, match=r"000.parquet: key 'id', row 1 is missing"):
        ab.scan(tmp_path / "gone", key="id")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"a": [1.0], "c": [2.0]}, r"1.parquet: the file lacks the columns \['b'\]"),
        ({"a": [1.0], "b": ["x"]}, "1.parquet: column 'b' holds string, and double in .*0.parquet"),
        (
            {"a": [1.0], "b": [2.0], "c": [1]},
            r"1.parquet: the file has the further columns \['c'\]",
        ),
    ],
)
def test_files_of_another_table_are_refused_by_name(tmp_path, second, message):
    pq.write_table(pa.table({"a": [1.0], "b": [2.0]}), tmp_path / "0.parquet")
    pq.write_table(pa.table(second), tmp_path / "1.parquet")
    with pytest.raises(TableError, match=message):
        ab.scan(tmp_path)


def test_a_column_that_is_empty_in_one_file_has_the_type_of_the_others(tmp_path):
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": pa.nulls(2)}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"b": ["x", "y"], "a": [1.0, None]}), tmp_path / "1.parquet")
    found = ab.scan(tmp_path)
    assert found.schema["b"].levels == ("x", "y")
    assert found.missing_rates.tolist() == [0.25, 0.5]
    assert np.isnan(found.range(1, 3).values).sum() == 1


@pytest.mark.parametrize(
    ("values", "schema", "message"),
    [
        ([1.0, np.inf], None, "1.parquet: column 'v', row 1: got inf; observed values must"),
        ([1.0, -2.0], {"v": "positive"}, "1.parquet: column 'v', row 1: got -2; positive"),
        ([1.0, 2.5], {"v": "count"}, "1.parquet: column 'v', row 1: got 2.5, but counts"),
        ([1.0, 3.0], {"v": {"kind": "binary", "levels": [1, 2]}}, "row 1: got 3, but the levels"),
    ],
)
def test_values_are_refused_with_file_column_and_row(tmp_path, values, schema, message):
    pq.write_table(pa.table({"v": [1.0, 2.0]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"v": values}), tmp_path / "1.parquet")
    with pytest.raises(TableError, match=message):
        ab.scan(tmp_path, schema=schema)


def test_incomplete_covariates_and_empty_columns_are_refused(tmp_path):
    pq.write_table(pa.table({"v": [1.0, 2.0], "w": [1.0, None]}), tmp_path / "0.parquet")
    with pytest.raises(TableError, match="covariate 'w', row 1: got nan"):
        ab.scan(tmp_path, covariates=["w"])
    pq.write_table(pa.table({"v": [1.0, 2.0], "w": pa.nulls(2)}), tmp_path / "0.parquet")
    with pytest.raises(InputError, match="'w' has no observed value in any file"):
        ab.scan(tmp_path)


def test_ordered_categories_must_agree(tmp_path):
    for k, order in enumerate((["low", "high"], ["high", "low"])):
        stage = pd.Categorical(["low", "high"], order, ordered=True)
        pd.DataFrame({"stage": stage}).to_parquet(tmp_path / f"{k}.parquet")
    with pytest.raises(TableError, match=r"1.parquet: column 'stage' has ordered categories"):
        ab.scan(tmp_path)


def test_paths_patterns_and_hidden_files(tmp_path):
    table = pa.table({"v": [1.0, None]})
    (tmp_path / "deep").mkdir()
    for name in ("a.parquet", "b.parquet", "_c.parquet", ".d.parquet", "deep/e.parquet"):
        pq.write_table(table, tmp_path / name)
    assert len(ab.scan(tmp_path)) == 6
    assert len(ab.scan(str(tmp_path / "*.parquet"))) == 4
    assert len(ab.scan([tmp_path / "a.parquet", tmp_path / "deep"])) == 4
    with pytest.raises(TableError, match="no such file"):
        ab.scan(tmp_path / "*.csv")
    (tmp_path / "a.parquet").write_bytes(b"not a table")
    with pytest.raises(TableError, match=r"a.parquet: .*(damaged|cannot be read)"):
        ab.scan(tmp_path)


def test_the_layout_of_a_fit_is_taken_without_reading_rows(tmp_path):
    table = mixed()
    whole = ab.IncompleteData.from_frame(table)
    found = ab.scan(written(table.slice(0, 90), tmp_path / "new", [40]), like=whole)
    np.testing.assert_array_equal(found.range(0, 90).values, whole.values[:90])
    with pytest.raises(InputError, match="rows were not counted"):
        _ = found.missing_rates
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.part(0).values, found.part(0).values)


def test_standardise_false_keeps_the_units(tmp_path):
    table = mixed()
    found = ab.scan(written(table, tmp_path / "t", [70]), standardise=False, schema="infer")
    whole = ab.IncompleteData.from_frame(table, standardise=False, schema="infer")
    check_same(found, whole)


def test_codes_for_missing_values_are_told(tmp_path):
    values = np.where(np.arange(300) % 10 == 0, -99.0, np.random.default_rng(0).normal(size=300))
    written(pa.table({"v": values}), tmp_path / "t", [100])
    with pytest.warns(ab.data.columns.cautions.SentinelWarning, match="-99"):
        ab.scan(tmp_path / "t")


def test_text_of_too_many_values_is_refused_before_all_is_read(tmp_path, monkeypatch):
    table = pa.table({"name": [f"n{i}" for i in range(1000)], "v": np.arange(1000.0)})
    folder = written(table, tmp_path / "t", [], group=100)
    read = []
    own = facts.columns_of
    monkeypatch.setattr(facts, "columns_of", lambda table: read.append(1) or own(table))
    with pytest.raises(TableError, match="'name' has 100 distinct strings, too many"):
        ab.scan(folder)
    assert len(read) == 1
    assert len(ab.scan(folder, schema={"name": "categorical"}).schema["name"].levels) == 1000


def test_wide_tables_have_parts_of_fewer_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_files, "VALUES_OF_A_PART", 50 * 16)
    found = ab.scan(written(mixed(), tmp_path / "t", [], group=240))
    assert [part.rows for part in found.parts] == [50, 50, 50, 50, 40]
    check_same(found, ab.IncompleteData.from_frame(mixed()))


def test_a_repeated_column_is_refused(tmp_path):
    column = pa.array([1.0, 2.0])
    pq.write_table(pa.Table.from_arrays([column, column], ["v", "v"]), tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"t.parquet: column name 'v' occurs more than once"):
        ab.scan(tmp_path)


def test_addresses_and_columns_in_names_of_folders_have_a_way_out(tmp_path):
    with pytest.raises(TableError, match=r"s3://b/\*.parquet: this is an address, .* pyarrow"):
        ab.scan("s3://b/*.parquet")
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        part = pd.DataFrame({"a": [1.0, None, year - 2000.0], "b": [2.0, 1.0, 0.5]})
        part.to_parquet(tmp_path / f"year={year}" / "0.parquet")
    with pytest.warns(ColumnWarning, match="named by year, .* partitioning='hive'"):
        left_out = ab.scan(tmp_path)
    assert left_out.columns == ("a", "b")
    # as the messages say
    whole = ab.scan(ds.dataset(tmp_path, partitioning="hive").scanner().to_reader())
    assert whole.columns == ("a", "b", "year")
    assert len(whole) == 6
