"""Labels that came in come out of an export and of its file, whatever they are."""

import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import absentia as ab
from absentia.inference.export.labels import row_coordinates, storable, variable_name

N = 6
NAMES = ["pay / hour", "", "`c`"]
LABELS = {
    "numbers": (pd.Index([3, 1, 2, 9, 8, 7]), [3, 1, 2, 9, 8, 7]),
    "nullable": (pd.Index(range(N), dtype="Int64"), list(range(N))),
    "with a gap": (pd.Index([1, None, 3, 4, 5, 6], dtype="Int64"), None),
    "text": (pd.Index(["a/b", "", "c", "d", "e", "f"]), ["a/b", "", "c", "d", "e", "f"]),
    "category": (pd.CategoricalIndex(list("abcabc")), list("abcabc")),
    "months": (
        pd.period_range("2020", periods=N, freq="M"),
        [f"2020-0{k}" for k in range(1, 7)],
    ),
    "zone": (
        pd.date_range("2020-03-29 01:30", periods=N, freq="h", tz="Europe/Berlin"),
        ["2020-03-29T01:30:00+01:00", "2020-03-29T03:30:00+02:00"],
    ),
    "durations": (pd.to_timedelta(range(N), unit="h"), ["0 days 00:00:00", "0 days 01:00:00"]),
    "intervals": (pd.interval_range(0, N), ["(0, 1]", "(1, 2]"]),
    "mixed": (
        pd.Index([1, "a", ("x", 2), datetime.date(2020, 1, 2), None, True], tupleize_cols=False),
        ["1", "a", "x, 2", "2020-01-02", "None", "True"],
    ),
}


def tree_of(index: pd.Index) -> object:
    rng = np.random.default_rng(0)
    base = pd.DataFrame(rng.normal(size=(N, 3)), columns=NAMES, index=index)
    base.iloc[:2, 0] = np.nan
    data = ab.IncompleteData.from_frame(base)
    model = ab.NotMIWAEPPCA(data, "`pay / hour` ~ `pay / hour`", latent_dim=1)
    fitted = ab.fit(model, data, steps=2, progress=False, validation=0.0)
    return ab.to_arviz(fitted, data, draws=2, particles=10, parameters="fixed", z=True)


@pytest.mark.parametrize("kind", [*LABELS, "levels"])
@pytest.mark.thin(4)
def test_labels_through_to_the_file(kind, tmp_path):
    if kind == "levels":
        dates = pd.date_range("2020", periods=2, tz="UTC")
        index = pd.MultiIndex.from_product([list("xyz"), dates], names=["ward/bed", None])
    else:
        index = LABELS[kind][0]
    tree_of(index).to_netcdf(tmp_path / "t.nc")
    with xr.open_dataset(tmp_path / "t.nc", group="observed_data") as seen:
        assert seen["column"].values.tolist() == NAMES
        found = seen["row"].values.tolist()
        assert found == storable(index).tolist()
        if kind == "levels":
            assert seen["row_ward_bed"].values.tolist() == list("xxyyzz")
            assert seen["row_1"].values[0] == "2020-01-01T00:00:00+00:00"
            assert found[0] == "x, 2020-01-01T00:00:00+00:00"
        elif LABELS[kind][1] is not None:
            wanted = LABELS[kind][1]
            assert found[: len(wanted)] == wanted
    with xr.open_dataset(tmp_path / "t.nc", group="posterior") as posterior:
        assert posterior["row_of"].values.tolist() == [str(v) for v in storable(index)[:2]]
        assert posterior["column_of"].values.tolist() == [NAMES[0]] * 2
        said = [v.attrs.get("long_name", "") for v in posterior.data_vars.values()]
        assert any("pay / hour" in name for name in said)


def test_dates_without_a_zone_stay_dates():
    index = pd.date_range("2020", periods=3)
    assert row_coordinates(index)["row"][1].dtype.kind == "M"


@pytest.mark.parametrize(("name", "safe"), [("a/b", "a_b"), (" a ", "a"), ("", "_"), ("ok", "ok")])
def test_names_of_variables(name, safe):
    assert variable_name(name) == safe
