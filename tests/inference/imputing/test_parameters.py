"""The uncertainty about the parameters in the intervals of cells."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.uncertainty import sources


def line(n=25, seed=0):
    """y on x from n rows, and three rows whose y is missing, the last far out."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 0.8 * x + 0.6 * rng.normal(size=n)
    rows = np.r_[np.c_[x, y], [[x.mean(), np.nan], [1.0, np.nan], [5.0, np.nan]]]
    return ab.IncompleteData.from_numpy(rows, columns=["x", "y"])


def test_the_spread_grows_with_the_distance_as_in_a_regression():
    """Normal x and y at random: y | x has the variance s^2 (1 + 1/n + (x - m)^2 / Sxx)."""
    data = line()
    fitted = ab.fit(ab.PPCA(data, latent_dim=1, scale="column"), data, progress=False)
    fixed, drawn = (
        ab.impute(fitted, data, 2000, parameters=kind, check=False, seed=1)
        for kind in ("fixed", "posterior")
    )
    ratio = (drawn.sd[25:, 1] / fixed.sd[25:, 1]) ** 2
    x = data.values[:25, 0]
    leverage = (data.values[25:, 0] - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    expected = 1 + 1 / 25 + leverage
    # 20 draws of the parameters: the added variance has a relative error of about a third
    assert abs(ratio[2] - expected[2]) < 0.8 * (expected[2] - 1)
    assert ratio[2] > 1.25 > ratio[0]
    low, high = drawn.interval(0.9)
    assert (high - low)[27, 1] > (high - low)[25, 1]
    with pytest.raises(ab.AbsentiaError, match="does not know its model"):
        drawn.interval(0.9, calibrate="odds")
    torch.testing.assert_close(
        torch.tensor(fixed.mean), torch.tensor(ab.impute(fitted, data, 2000, seed=1).mean)
    )


def test_a_network_is_refitted_to_resampled_rows(monkeypatch):
    data = line(40)
    model = ab.MIWAE(data, latent_dim=1, hidden=[32, 32])
    fitted = ab.fit(model, data, steps=5, progress=False)
    asked = []

    def counted(of, rows, steps, seed):
        asked.append(steps)
        return of.model

    monkeypatch.setattr(sources, "_bootstrapped", counted)
    filled = ab.impute(fitted, data, 50, draws=20, parameters="posterior", check=False)
    assert len(asked) == 10
    assert filled.num_draws == 20
    assert np.isfinite(filled.mean).all()


def test_draws_of_a_fit_may_be_held():
    data = line(60)
    fitted = ab.fit(ab.NotMIWAEPPCA(data, latent_dim=1), data, steps=40, progress=False)
    averaged = ab.impute(fitted, data, 200, check=False)
    same = ab.impute(fitted, data, 200, parameters="posterior", check=False)
    np.testing.assert_array_equal(averaged.mean, same.mean)
    # the variance is that within draws and that between them
    within = []
    for place in range(0, len(fitted.posterior), 4):
        fitted.posterior.put(fitted.model, place)
        held = ab.impute(fitted, data, 200, parameters="fixed", check=False)
        within.append(held.sd[-1, 1] ** 2)
    assert np.mean(within) < averaged.sd[-1, 1] ** 2


def test_what_it_needs():
    data = line()
    model = ab.PPCA(data, latent_dim=1)
    fitted = ab.fit(model, data, steps=5, progress=False)
    with pytest.raises(ab.AbsentiaError, match="table that was fitted"):
        ab.impute(fitted, data.rows(slice(20, 28)), parameters="posterior")
    with pytest.raises(ab.AbsentiaError, match="needs a fit"):
        ab.impute(fitted.model, data, parameters="posterior")
    with pytest.raises(ab.AbsentiaError, match="parameters is 'laplace'"):
        ab.impute(fitted, data, parameters="laplace")
