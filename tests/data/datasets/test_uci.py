import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from absentia.data import IncompleteData, amputation
from absentia.data.datasets import uci as real
from absentia.data.datasets import uci_sources as sources
from absentia.data.system.files import TableError

SHAPES = {
    "banknote": (1372, 4),
    "breast": (569, 30),
    "concrete": (1030, 8),
    "wine-red": (1599, 11),
    "wine-white": (4898, 11),
    "yeast": (1484, 8),
}
# Missing entries and column-mean RMSE, above the mean in the first half of the columns.
ABOVE_MEAN = {
    "banknote": (1409, 1.7257),
    "breast": (3405, 1.8198),
    "concrete": (1941, 1.8466),
    "wine-red": (3069, 1.8382),
    "wine-white": (10610, 1.7393),
    "yeast": (2698, 1.7285),
}


@pytest.fixture
def folder():
    place = os.environ.get(real.FOLDER_VARIABLE)
    if not place:
        pytest.skip(f"{real.FOLDER_VARIABLE} is not set")
    return Path(place)


def test_names_and_unknown_names():
    assert real.names() == tuple(sorted(SHAPES))
    with pytest.raises(ValueError, match=r"'iris'.*banknote"):
        real.load("iris")


def test_breast_needs_neither_folder_nor_network(monkeypatch):
    monkeypatch.delenv(real.FOLDER_VARIABLE, raising=False)
    df = real.load("breast")
    assert df.shape == (569, 30)
    assert "mean_radius" in df
    assert real.target("breast").value_counts().tolist() == [357, 212]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_published_missingness_is_reproduced(name, request):
    if name != "breast":
        request.getfixturevalue("folder")
    x = real.load(name).to_numpy(dtype=float)
    assert x.shape == SHAPES[name]
    amputated = amputation.above_mean(x)
    hidden = ~amputated.mask
    standardised = (x - x.mean(axis=0)) / x.std(axis=0)
    means = np.nanmean(amputated.apply(standardised), axis=0)
    rmse = np.sqrt(np.mean((standardised - means)[hidden] ** 2))
    assert (hidden.sum(), round(rmse, 4)) == ABOVE_MEAN[name]
    data = IncompleteData.from_frame(pd.DataFrame(amputated.apply(x)))
    assert data.missing_rate == hidden.mean()


@pytest.mark.parametrize(
    ("name", "column", "mean"), [("wine-red", "quality", 5.636), ("wine-white", "quality", 5.878)]
)
def test_targets_are_kept_apart(folder, name, column, mean):
    target = real.target(name, folder=folder)
    assert target.name == column
    assert target.mean() == pytest.approx(mean, abs=5e-4)
    assert column not in real.load(name, folder=folder)


def test_a_changed_or_absent_file_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv(real.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(TableError, match=r"yeast\.csv: no such file"):
        real.load("yeast")
    (tmp_path / "yeast.csv").write_text("a,b\n1,2\n")
    expected = sources.SOURCES["yeast"].file_sha256
    with pytest.raises(ValueError, match=rf"yeast\.csv is not.*SHA-256 \w+, expected {expected}"):
        real.load("yeast")


def original(name, folder):
    """The table as its original distribution gives it."""
    df = pd.read_csv(folder / f"{name}.csv")
    if name == "banknote":
        df.columns = ["V1", "V2", "V3", "V4", "Class"]
        df["Class"] = (df["Class"] + 1).astype(str).astype("category")
    elif name == "concrete":
        df.columns = [f"{c} (kg in a m^3 mixture)" for c in df.columns]
        df = df.round(2)
    elif name == "yeast":
        df = df.rename(columns={"site": "class_protein_localization"})
    else:
        df.columns = [c.replace("_", " ") for c in df.columns]
        df["alcohol"] = df["alcohol"].round(4)
    return df


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"breast"}))
def test_fetched_originals_give_the_same_numbers(name, folder, monkeypatch, tmp_path):
    frame = original(name, folder)
    asked = []

    def fetch_openml(*, data_id, **options):
        asked.append(data_id)
        return SimpleNamespace(frame=frame)

    def fetch_file(url):
        asked.append(url)
        path = tmp_path / "wine.csv"
        frame.to_csv(path, sep=";", index=False)
        return path

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    monkeypatch.setattr(sklearn.datasets, "fetch_file", fetch_file)
    tidy, target = real.load(name, folder=folder), real.target(name, folder=folder)
    monkeypatch.delenv(real.FOLDER_VARIABLE)
    fetched = real.load(name)
    pd.testing.assert_frame_equal(fetched, tidy, check_dtype=False, atol=0.005, rtol=0)
    kept = real.target(name)
    if name != "concrete":
        assert kept.tolist() == target.tolist()
    number = {"banknote": 1462, "concrete": 4353, "yeast": 181}.get(name)
    assert set(asked) == {number or asked[0]}

    # The same shape with one other number is noticed, and so is another shape.
    frame.iloc[7, 2] += 0.01
    with pytest.raises(ValueError, match=f"'{name}' has other numbers than expected"):
        real.load(name)
    frame = frame.iloc[1:]
    with pytest.raises(ValueError, match=rf"'{name}' .*\({SHAPES[name][0] - 1}, .*set ABSENTIA"):
        real.load(name)


def test_no_network_is_one_line_with_a_way_out(monkeypatch):
    def unreachable(**options):
        raise OSError("<urlopen error timed out>")

    monkeypatch.delenv(real.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    with pytest.raises(OSError, match=r"'yeast'.*yeast\.csv"):
        real.load("yeast")


def test_text_among_fetched_features_is_named(monkeypatch):
    df = pd.DataFrame("low", index=range(1484), columns=range(9))
    monkeypatch.delenv(real.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(
        sklearn.datasets, "fetch_openml", lambda **options: SimpleNamespace(frame=df)
    )
    with pytest.raises(ValueError, match="'yeast' holds text"):
        real.load("yeast")


def test_the_folder_argument_comes_before_the_variable(folder, tmp_path, monkeypatch):
    shutil.copy(folder / "yeast.csv", tmp_path)
    monkeypatch.setenv(real.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    assert real.load("yeast", folder=tmp_path).shape == SHAPES["yeast"]
