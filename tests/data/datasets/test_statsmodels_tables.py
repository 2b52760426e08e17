"""Real tables of several kinds, and their amputation by level."""

import numpy as np
import pandas as pd
import pytest

from absentia.data import IncompleteData
from absentia.data.amputation import level_self_masking
from absentia.data.datasets import statsmodels_tables as mixed

KINDS = {
    "anes96": {"count": 2, "ordinal": 5, "continuous": 2, "binary": 1},
    "fair": {"ordinal": 2, "continuous": 4, "categorical": 2, "binary": 1},
    "randhie": {"count": 1, "continuous": 5, "binary": 4},
}


@pytest.mark.parametrize("name", mixed.names())
def test_a_table_is_complete_and_of_the_kinds_it_should_be(name):
    table = mixed.load(name)
    assert table.notna().all(axis=None)
    assert len(table) == mixed.SOURCES[name].rows
    data = IncompleteData.from_frame(table.head(600), schema=mixed.schema(name))
    kinds = pd.Series([column.kind for column in data.schema]).value_counts().to_dict()
    assert kinds == KINDS[name]


def test_unknown_tables_and_a_missing_library(monkeypatch):
    with pytest.raises(ValueError, match=r"anes96.*randhie"):
        mixed.load("adult")
    monkeypatch.setitem(__import__("sys").modules, "statsmodels", None)
    with pytest.raises(ImportError, match=r"pip install 'absentia\[experiments\]'"):
        mixed.load("fair")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 4000
    return pd.DataFrame(
        {
            "number": rng.lognormal(size=n),
            "ordered": pd.Categorical(rng.integers(0, 4, n), range(4), ordered=True),
            "nominal": pd.Categorical(rng.choice(list("abc"), n)),
            "yes": rng.random(n) < 0.3,
            "whole": rng.poisson(3, n),
        }
    )


def test_values_go_missing_by_their_own_level(table):
    gone = ~level_self_masking(table, list(table.columns), slope=1.5, rate=0.25, seed=3).mask
    # the share is 25 % of each column, within Monte-Carlo error
    assert (np.abs(gone.mean(0) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(table))).all()
    for j, name in enumerate(table):
        if name == "nominal":
            continue
        codes = table[name].cat.codes if name == "ordered" else table[name].astype(float)
        assert codes[gone[:, j]].mean() > codes[~gone[:, j]].mean()
    rates = pd.Series(gone[:, 2]).groupby(table["nominal"].to_numpy()).mean()
    assert rates.max() - rates.min() > 0.1


def test_the_probabilities_are_the_formula_s(table):
    found = level_self_masking(table, ["number"], slope=2.0, rate=0.4, seed=0)
    x = table["number"]
    logit = np.log(1 / found.probability[:, 0] - 1)  # of being missing
    z = (x - x.mean()) / x.std(ddof=0)
    usual = z < 4  # beyond, 1 - probability has lost its digits
    offset = (logit - 2.0 * z)[usual]
    np.testing.assert_allclose(offset, offset.iloc[0], rtol=1e-9, atol=1e-8)
    assert 1 - found.probability[:, 0].mean() == pytest.approx(0.4)
    assert (found.probability[:, 1:] == 1).all()
    again = level_self_masking(table, ["number"], slope=2.0, rate=0.4, seed=0)
    assert np.array_equal(again.mask, found.mask)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"columns": ["q"]}, "no column 'q'"), ({"columns": ["yes"], "rate": 0}, "rate is 0")],
    ids=["column", "rate"],
)
def test_what_is_refused(table, options, message):
    with pytest.raises(ValueError, match=message):
        level_self_masking(table, **options)
    with pytest.raises(ValueError, match="missing values already"):
        level_self_masking(table.assign(number=np.nan), ["yes"])
