"""One vocabulary of directions, by column name, before any fit."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.models import RandomIntercepts, rebuild


def frame(n=40):
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(n, 3)), columns=["age", "income", "the bmi"])
    for j in range(3):
        made.iloc[5 * j : 5 * j + 5, j] = np.nan
    return made


@pytest.fixture(scope="module")
def data():
    return ab.IncompleteData.from_frame(frame())


@pytest.mark.parametrize(
    ("sign", "want"),
    [
        ("high", [1, 1, 1]),
        ("low", [-1, -1, -1]),
        ("free", [0, 0, 0]),
        ({"income": "+"}, [0, 1, 0]),
        ({"the bmi": "low", "age": "free", "income": None}, [0, 0, -1]),
        ({}, [0, 0, 0]),
        (["high", None, "-"], [1, 0, -1]),
        (("free", "+", "low"), [0, 1, -1]),
        (np.array(["+", "-", "high"]), [1, -1, 1]),
    ],
)
def test_all_words_mean_the_same_everywhere(data, sign, want):
    for model in (ab.NotMIWAEPPCA(data, sign=sign), ab.NotMIWAE(data, sign=sign, hidden=[4])):
        assert model.missingness.sign.tolist() == want
    # what is saved is made again
    again = rebuild(model.missingness.config)
    assert torch.equal(again.sign, model.missingness.sign)
    sides = [{1: "high", -1: "low", 0: "high"}[one] for one in want]
    limit = ab.NotMIWAEPPCA(data, "limit", sign=dict(zip(data.columns, sides, strict=True)))
    assert limit.missingness.side.tolist() == [-1 if one == "low" else 1 for one in sides]


def test_mixed_tables_and_formulas(data):
    mixed = frame().assign(sex=pd.Categorical(np.tile(["m", "f", None, "x"], 10)))
    mixed = ab.IncompleteData.from_frame(mixed)
    model = ab.NotMIWAEPPCA(mixed, sign={"income": "high", "the bmi": "low"})
    found = model.missingness.directions()
    assert {k: float(v) for k, v in found.items() if float(v)} == {
        "income ~ income": 1.0,
        "the bmi ~ the bmi": -1.0,
    }
    declared = ab.missing({"age": "age", "income": "income + age"}, sign={"income": "high"})
    assert [dict(c.signs) for c in declared.columns] == [{}, {"income": "+"}]
    declared = ab.missing("income ~ income", sign="free")
    assert dict(declared.columns[0].signs) == {}


def test_a_limit_needs_the_side_of_what_is_missing_only():
    full = ab.IncompleteData.from_frame(frame().assign(age=np.arange(40.0)))
    model = ab.NotMIWAEPPCA(full, "limit", sign={"income": "low", "the bmi": "high"})
    assert model.missingness.side.tolist()[1:] == [-1, 1]
    with pytest.raises(ValueError, match=r"column 'income'.*: sign=\{'income': 'high'\}"):
        ab.NotMIWAEPPCA(full, "limit", sign={"the bmi": "high"})


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        ({"incme": "+"}, r"'incme'.* did you mean 'income'\?"),
        ({0: "+"}, "the column 0"),
        ({"income": "up"}, "sign 'up' of column 'income' is not one of '.' or 'high'"),
        ({"income": 1}, "sign 1 of column 'income' is not one of"),
        ({"income": ["+"]}, r"sign \['\+'\] of column 'income' is not one of"),
        (1, "sign 1 is not one of .* 'free' or None"),
        (True, "sign True is not one of"),
        ("HIGH", "sign 'HIGH' is not one of"),
        (["+", 1, None], "sign 1 of column 'income' is not one of"),
        (["+"], "1 entries for 3 columns"),
    ],
)
@pytest.mark.parametrize("what", ["self-masking", "limit"])
def test_what_is_refused(data, sign, message, what):
    with pytest.raises(ValueError, match=message):
        ab.NotMIWAEPPCA(data, what, sign=sign)


def test_declared_and_grouped_mechanisms_speak_it_too(data):
    with pytest.raises(ValueError, match=r"'up'.*'income'"):
        ab.missing("income ~ income", sign={"income": "up"})
    grouped = frame().assign(site=pd.Categorical(list("ab") * 20))
    grouped = ab.IncompleteData.from_frame(grouped, covariates=["site"])
    found = RandomIntercepts.by(grouped, "site", sign={"income": "low"})
    assert found.sign.tolist() == [0, -1, 0]


def test_an_imputer_passes_directions_on_and_drops_those_of_empty_columns():
    quick = {"steps": 2, "particles": 10, "random_state": 0}
    empty = frame().assign(age=np.nan)
    for sign in ({"age": "low", "income": "high", "the bmi": "-"}, ["low", "high", "-"]):
        imputer = ab.MNARImputer(sign=sign, **quick).fit(empty)
        assert imputer.mechanism_.sign.tolist() == [1, -1]
    with pytest.raises(ValueError, match="'incme'"):
        ab.MNARImputer(sign={"incme": "high"}, **quick).fit(empty)
    with pytest.raises(ValueError, match=r"'up'.*'income'"):
        ab.MNARImputer(sign={"income": "up"}, **quick).fit(empty)
