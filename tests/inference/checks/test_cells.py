"""Transforms and scores of seen cells: a right model, narrow and wide ones, a mechanism."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import kstest, norm

import absentia as ab
from absentia.inference.checks.cells import _distance, _kolmogorov, crps_of


def filled_by(rows, mechanism, noise, draws=100):
    """An imputation by x1 = .8 x0 + noise, with the second column's own noise given."""
    data = ab.IncompleteData.from_numpy(rows, standardise=False, dtype=torch.float64)
    model = ab.NotMIWAE(
        data,
        mechanism,
        decoder=ab.models.LinearGaussianDecoder(1, 2, scale="column", floor=0.0),
        encoder=ab.models.ExactConditionalEncoder(2, 1),
        latent_dim=1,
    ).double()
    with torch.no_grad():
        model.decoder.mean.weight.copy_(torch.tensor([[1.0], [0.8]]))
        model.decoder.mean.bias.zero_()
        model.decoder.scale.raw.copy_(torch.tensor(np.log(np.expm1([0.05, noise]))))
    return ab.impute(model, data, draws, refine=False, draws=draws, unfitted=True, check=False)


def rows_of(n, slope=None, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    rows = np.c_[z + 0.05 * rng.normal(size=n), 0.8 * z + 0.6 * rng.normal(size=n)]
    chance = 0.3 if slope is None else expit(slope * rows[:, 1] - 0.5)
    rows[rng.random(n) < chance, 1] = np.nan
    return rows


@pytest.mark.parametrize("slope", [None, 1.5])
def test_a_right_model_has_uniform_transforms(slope):
    mechanism = ab.models.Ignorable(2)
    if slope is not None:
        mechanism = ab.models.SelfMasking(2, slope=[0.0, -slope], offset=[30.0, 0.5])
    found = ab.check.check_cells(filled_by(rows_of(600, slope), mechanism, 0.6))
    row = found.columns.loc["x1"]
    assert row["p_value"] > 0.01
    assert row["finding"] == ""
    assert row["mean"] == pytest.approx(0.5, abs=4 * 0.29 / row["effective"] ** 0.5)
    assert row["spread"] == pytest.approx(1.0, abs=0.25)
    assert found.pit.loc["x1"].sum() == pytest.approx(1)
    held = found.reliability.loc["x1"]
    assert np.abs(held - held.index).max() < 4 * 0.5 / row["effective"] ** 0.5
    assert list(found.columns.index) == ["x1"]


def test_a_mechanism_that_is_ignored_is_a_shift():
    """By a regression on what is seen, cells that went missing by their own value are not high."""
    rows = rows_of(600, 2.5, seed=1)
    right = ab.models.SelfMasking(2, slope=[0.0, -2.5], offset=[30.0, 0.5])
    predicted = filled_by(rows, right, 0.6)
    left = predicted.calibrated.left_out(5)
    # predicted as missing, seen cells are too low; their odds make up for it
    assert (left.draws < left.values).mean() < 0.4
    assert ab.check.check_cells(predicted).columns.loc["x1", "mean"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("noise", "word"), [(0.3, "too narrow"), (1.2, "too wide")])
def test_a_wrong_noise_is_named(noise, word):
    found = ab.check.check_cells(filled_by(rows_of(400, seed=2), ab.models.Ignorable(2), noise))
    row = found.columns.loc["x1"]
    assert row["p_value"] < 1e-3
    assert word in row["finding"]
    assert (row["spread"] > 1) == (noise < 0.6)
    assert (found.reliability.loc["x1", 0.5] < 0.5) == (noise < 0.6)
    right = ab.check.check_cells(filled_by(rows_of(400, seed=2), ab.models.Ignorable(2), 0.6))
    assert right.columns.loc["x1", "crps"] < row["crps"]


def test_the_score_of_a_normal_distribution():
    """Against the closed form of Gneiting & Raftery (JASA 2007)."""
    values = np.array([-1.0, 0.2, 3.0])
    draws = norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None] * np.ones(3)
    exact = values * (2 * norm.cdf(values) - 1) + 2 * norm.pdf(values) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(crps_of(draws, values), exact, atol=2e-3)


def test_the_distance_is_that_of_scipy_for_equal_weights():
    u = np.random.default_rng(3).beta(1.3, 1, size=80)
    theirs = kstest(u, "uniform")
    assert _distance(u, np.full(80, 1 / 80)) == pytest.approx(theirs.statistic)
    assert _kolmogorov(theirs.statistic, 80) == pytest.approx(theirs.pvalue, rel=0.05)


def test_what_cannot_be_checked():
    rows = rows_of(60, seed=4)
    with pytest.raises(ab.AbsentiaError, match="draws"):
        ab.check.check_cells(filled_by(rows, ab.models.Ignorable(2), 0.6, draws=1))
    data = ab.IncompleteData.from_numpy(rows)
    shifted = ab.models.PatternMixture(data, {"x1": 0.5}, latent_dim=1)
    filled = ab.impute(shifted, data, 20, draws=20, unfitted=True, check=False)
    with pytest.raises(ab.AbsentiaError, match="pattern mixture"):
        ab.check.check_cells(filled)
