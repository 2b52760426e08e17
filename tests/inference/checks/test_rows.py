"""Energy scores of rows: against loops, odds of patterns in closed form, and the truth's score."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm

import absentia as ab
from absentia.inference.checks.cells import crps_of
from absentia.inference.checks.rows import energy_of
from absentia.inference.imputing.odds import odds_of_pattern
from absentia.inference.prepare import programs_of

WEIGHT, NOISE = np.array([1.0, 0.8, 0.6]), np.array([0.3, 0.6, 0.6])


def model_of(rows, mechanism, noise=NOISE):
    """The model x = WEIGHT z + noise, and the table."""
    data = ab.IncompleteData.from_numpy(rows, standardise=False, dtype=torch.float64)
    model = ab.NotMIWAE(
        data,
        mechanism,
        decoder=ab.models.LinearGaussianDecoder(1, 3, scale="column", floor=0.0),
        encoder=ab.models.ExactConditionalEncoder(3, 1),
        latent_dim=1,
    ).double()
    with torch.no_grad():
        model.decoder.mean.weight.copy_(torch.as_tensor(WEIGHT[:, None]))
        model.decoder.mean.bias.zero_()
        model.decoder.scale.raw.copy_(torch.as_tensor(np.log(np.expm1(noise))))
    return model, data


def rows_of(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * WEIGHT + rng.normal(size=(n, 3)) * NOISE


def filled_by(rows, mechanism, noise=NOISE):
    model, data = model_of(rows, mechanism, noise)
    return ab.impute(model, data, 100, refine=False, draws=100, unfitted=True, check=False)


def test_the_score_against_loops():
    rng = np.random.default_rng(0)
    draws, values = rng.normal(size=(7, 3)), rng.normal(size=3)
    weight = rng.dirichlet(np.ones(7))
    far = sum(w * np.sqrt(((x - values) ** 2).sum()) for w, x in zip(weight, draws, strict=True))
    apart = sum(
        v * w * np.sqrt(((x - y) ** 2).sum())
        for v, x in zip(weight, draws, strict=True)
        for w, y in zip(weight, draws, strict=True)
    )
    assert energy_of(draws, values, weight) == pytest.approx(far - apart / 2)
    one = np.sort(draws[:, :1], axis=0)
    assert energy_of(one, values[:1]) == pytest.approx(crps_of(one, values[:1])[0])


def test_the_mean_over_incomplete_rows_in_sd():
    truth = rows_of(30, seed=1) * [1.0, 10.0, 1.0] + 5
    rows = truth.copy()
    rows[::3, 1] = np.nan
    rows[1::3, 1:] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=30, progress=False)
    filled = ab.impute(fitted, data, 100, draws=40)
    unit = np.nanstd(rows, axis=0)
    found = []
    for i in np.flatnonzero(np.isnan(rows).any(1)):
        gone = np.isnan(rows[i])
        draws = filled.draws(40)[:, i, gone] / unit[gone]
        found.append(energy_of(draws, truth[i, gone] / unit[gone]))
    assert len(found) == 20
    assert ab.check.energy_score(filled, truth) == pytest.approx(np.mean(found))
    with pytest.raises(ab.AbsentiaError, match="shape"):
        ab.check.energy_score(filled, truth[:, :2])


def test_odds_of_a_pattern_against_quadrature():
    """Two cells go missing together, and a third one is missing already."""
    slope, offset = np.array([-0.8, 0.5, 1.2]), np.array([0.4, 0.9, 0.2])
    mechanism = ab.models.SelfMasking(3, slope=list(slope), offset=list(offset))
    rows = np.array([[0.6, -0.4, np.nan], [-1.1, 0.9, np.nan], [0.5, 0.3, -0.2]])
    model, data = model_of(rows, mechanism)
    alone = odds_of_pattern(
        model, programs_of(model), data.rows([2]), np.array([True, False, False]), 10, 0
    )[0]
    chance = expit(slope * rows[2] + offset)
    assert alone[0] == pytest.approx(np.prod(1 / chance[1:] - 1))
    found, evidence = odds_of_pattern(
        model, programs_of(model), data.rows([0, 1]), np.zeros(3, bool), 4000, 0
    )
    seen = expit(slope * rows[:2] + offset)[:, :2]
    np.testing.assert_allclose(found, np.prod(1 / seen - 1, axis=1), rtol=1e-6)
    z, x = np.meshgrid(np.linspace(-6, 6, 401), np.linspace(-6, 6, 401), indexing="ij")
    for i in range(2):
        joint = norm.pdf(z) * norm.pdf(x, WEIGHT[2] * z, NOISE[2])
        for j in range(2):
            joint = joint * norm.pdf(rows[i, j], WEIGHT[j] * z, NOISE[j]) * seen[i, j]
        joint = joint * (1 - expit(slope[2] * x + offset[2]))
        assert evidence[i] == pytest.approx(np.log(joint.sum() * 0.03**2), abs=0.01)


@pytest.mark.parametrize("slope", [None, 1.2])
def test_without_the_truth_it_is_the_score_with_it(slope):
    """Donors with their odds stand for rows that have gone; a wrong noise scores worse."""
    truth = rows_of(600, seed=2)
    logits = -0.5 + (0.0 if slope is None else slope) * truth[:, 1:]
    rows = truth.copy()
    rows[:, 1:][np.random.default_rng(3).random(logits.shape) < expit(logits)] = np.nan
    mechanism = ab.models.Ignorable(3)
    if slope is not None:
        mechanism = ab.models.SelfMasking(3, slope=[0.0, -slope, -slope], offset=[30.0, 0.5, 0.5])
    filled = filled_by(rows, mechanism)
    found = ab.check.energy_iscore(filled, donors=150)
    assert found.share == 1
    assert set(found.patterns.index) == {"x1", "x2", "x1, x2"}
    unit = np.nanstd(rows, axis=0)
    for names, row in found.patterns.iterrows():
        gone = np.isin(["x0", "x1", "x2"], str(names).split(", "))
        having = np.flatnonzero((np.isnan(rows) == gone).all(1))
        draws = filled.draws(100)[:, having][..., gone] / unit[gone]
        own = [energy_of(draws[:, k], truth[i, gone] / unit[gone]) for k, i in enumerate(having)]
        error = np.std(own) * np.sqrt(1 / len(own) + 1 / row["effective"])
        assert row["rows"] == len(having)
        assert abs(row["score"] - np.mean(own)) < 4 * error
    worse = ab.check.energy_iscore(filled_by(rows, mechanism, noise=2.5 * NOISE), donors=150)
    assert worse.score > 1.1 * found.score


def test_a_fit_with_draws_and_refits_are_scored():
    rows = rows_of(60, seed=4)
    rng = np.random.default_rng(5)
    rows[:, 1:][rng.random((60, 2)) < 0.3] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    scores = []
    for model in (ab.PPCA(data, latent_dim=1), ab.NotMIWAEPPCA(data)):
        fitted = ab.fit(model, data, steps=20, progress=False)
        filled = ab.impute(fitted, data, 100, draws=60, check=False)
        scores.append(ab.check.energy_iscore(filled, donors=5, patterns=2))
    assert all(0.1 < found.score < 1.5 for found in scores)
    assert scores[0].score != scores[1].score


def test_what_cannot_be_scored():
    rows = rows_of(40, seed=6)
    rows[:20, 0], rows[20:, 1] = np.nan, np.nan
    with pytest.raises(ab.AbsentiaError, match="no row is complete"):
        ab.check.energy_iscore(filled_by(rows, ab.models.Ignorable(3)))
    data = ab.IncompleteData.from_numpy(rows)
    shifted = ab.models.PatternMixture(data, {"x1": 0.5}, latent_dim=1)
    filled = ab.impute(shifted, data, 20, draws=20, unfitted=True, check=False)
    with pytest.raises(ab.AbsentiaError, match="pattern mixture"):
        ab.check.energy_iscore(filled)
