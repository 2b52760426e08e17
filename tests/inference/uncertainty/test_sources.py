"""Where the parameters of a draw come from: which rows the refits see."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.uncertainty import sources as module


@pytest.fixture
def refits(monkeypatch):
    """The rows of every refit, which are not fitted: (draws, n) labels of the table's rows."""
    data = ab.IncompleteData.from_numpy(np.column_stack([np.arange(200.0), np.arange(200.0) % 7]))
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=4, progress=False)
    seen = []

    def instead(model, rows, **settings):
        seen.append(rows.values[:, 0].astype(int))
        return fitted

    monkeypatch.setattr(module, "fit", instead)

    def of(parameters, m, seed=0):
        seen.clear()
        list(module.sources(fitted, data, m, parameters, seed=seed).models)
        return np.array(seen)

    return of


def test_a_bootstrap_draws_its_rows_anew_with_replacement(refits):
    rows = refits("bootstrap", 20)
    assert rows.shape == (20, 200)
    # with replacement: each row is in a sample of its own size with probability 1 - (1 - 1/n)^n
    share = np.array([len(np.unique(one)) for one in rows]) / 200
    # of one sample its sd is sqrt((1/e - 2/e^2) / n) = .022
    assert abs(share.mean() - (1 - (1 - 1 / 200) ** 200)) < 4 * 0.022 / 20**0.5
    # no two samples are alike: rows come as often in the one as in the other by chance alone
    counts = np.array([np.bincount(one, minlength=200) for one in rows])
    between = np.corrcoef(counts)[np.triu_indices(20, 1)]
    assert np.abs(between).max() < 5 / 200**0.5
    # all rows have the same chance
    assert abs(rows.mean() - 99.5) < 4 * 57.7 / (20 * 200) ** 0.5
    # the same seed draws the same, another one others
    assert np.array_equal(refits("bootstrap", 20), rows)
    assert not np.array_equal(refits("bootstrap", 20, seed=1), rows)


def test_an_ensemble_sees_all_rows(refits):
    assert (refits("ensemble", 2) == np.arange(200)).all()


def test_without_a_normal_approximation_the_default_is_the_bootstrap():
    """A formula that reads a column whose missing levels are sampled has no standard errors."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"temp": rng.normal(37, 1, 40), "crp": rng.normal(size=40)})
    frame["smokes"] = rng.choice(["yes", "no"], 40)
    frame.loc[::4, "temp"], frame.loc[1::4, "smokes"] = np.nan, None
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "temp ~ temp + smokes", latent_dim=1)
    fitted = ab.fit(model, data, steps=3, progress=False, check=False)
    assert ab.multiple_imputation(fitted, data, 2, particles=10).parameters == "bootstrap"
    with pytest.raises(ValueError, match="standard errors"):
        ab.multiple_imputation(fitted, data, 2, parameters="laplace")
