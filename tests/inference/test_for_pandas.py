"""What a pandas user types: shapes, descriptions, columns by name, frames, and short texts."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.data.errors import NameLookupError


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(20, 60, 60), "income": rng.normal(30, 5, 60)})
    frame["smokes"] = pd.array(rng.random(60) < 0.5, "boolean")
    frame["land"] = rng.choice(["a", "b", "c"], 60)
    frame["on"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(range(60), "D")
    frame.loc[::3, "income"] = np.nan
    frame.loc[::5, "smokes"] = pd.NA
    frame.loc[::7, "land"] = None
    return frame.set_axis([f"p{k}" for k in range(60)], axis=0)


@pytest.fixture(scope="module")
def imputation(table):
    data = ab.IncompleteData.from_frame(table)
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=5, progress=False, check=False)
    return ab.impute(fitted, data, particles=20, check=False)


def test_data_have_a_shape_and_a_description(table):
    data = ab.IncompleteData.from_frame(table)
    assert data.shape == table.shape
    found = data.describe()
    assert list(found.index) == list(table.columns)
    assert found["missing"].tolist() == table.isna().sum().tolist()
    income = table["income"].describe()
    for ours, theirs in (("mean", "mean"), ("sd", "std"), ("lowest", "min"), ("highest", "max")):
        assert found.loc["income", ours] == pytest.approx(income[theirs])
    assert found.loc["smokes", "mean"] == pytest.approx(float(table["smokes"].mean()))
    assert found.loc["on", "highest"] == table["on"].max()
    assert pd.isna(found.loc["land", "mean"])
    assert found.loc["land", "levels"] == "a, b, c"


def test_an_imputation_gives_columns_by_name(imputation, table):
    for name in table:
        pd.testing.assert_series_equal(imputation[name], imputation.to_frame()[name])
    assert imputation["smokes"].dtype == table["smokes"].dtype
    with pytest.raises(NameLookupError, match="'incme'"):
        imputation["incme"]


def test_intervals_come_as_frames_and_cell_by_cell(imputation, table):
    low, high = imputation.interval(0.8, frame=True)
    ends = imputation.interval(0.8)
    pd.testing.assert_frame_equal(low, imputation.to_frame(ends[0]))
    assert (low["income"] <= high["income"]).all()
    cells = imputation.cells(0.8)
    assert len(cells) == table.isna().sum().sum()
    own = cells[cells["column"] == "income"].set_index("row")
    assert list(own.index) == list(table.index[::3])
    assert own["lower"].tolist() == low.loc[own.index, "income"].tolist()
    assert own["value"].tolist() == imputation["income"][own.index].tolist()
    assert (own["sd"] > 0).all()
    assert cells.loc[cells["column"] == "land", "sd"].isna().all()


def test_texts_name_columns_and_mechanism_in_a_line(table):
    data = ab.IncompleteData.from_frame(table[["age", "income"]])
    text = repr(ab.NotMIWAEPPCA(data, "income ~ +income + age"))
    assert text.count("\n") == 0
    for part in ("age, income", "income ~ +income + age", "latent"):
        assert part in text
    wide = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(20, 40)))
    assert len(repr(ab.PPCA(wide))) < 300
    assert repr(ab.models.SelfMasking(3)) == "SelfMasking(3 columns)"
    assert "SelfMasking" in repr(ab.NotMIWAEPPCA(data, sign="+"))


def test_a_fit_is_summarised_by_column(table):
    data = ab.IncompleteData.from_frame(table[["age", "income"]])
    model = ab.NotMIWAEPPCA(data, "income ~ +income + age")
    found = ab.fit(model, data, steps=3, progress=False, check=False).summary()
    assert list(found.index) == ["age", "income"]
    assert "logit P(income missing)" in found.loc["income", "mechanism"]
    assert found.loc["income", "identified"] in ("yes", "NO", "on a condition")
    assert found.loc["age", "identified"] == ""
    plain = ab.fit(ab.PPCA(data), data, steps=3, progress=False, check=False).summary()
    assert set(plain["mechanism"]) == {"missing at random"}
