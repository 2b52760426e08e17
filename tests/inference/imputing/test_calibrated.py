"""Calibrated intervals of cells: odds against quadrature, cells left out, coverage, refusals."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, ndtr
from scipy.stats import norm

import absentia as ab
from absentia.data.standardiser import Standardiser
from absentia.inference.gibbs.posterior import Posterior
from absentia.inference.imputing.by_draws import imputed_by_draws
from absentia.inference.imputing.left_out import evened, left_out
from absentia.inference.imputing.odds import odds_of_missing
from absentia.inference.prepare import prepared, programs_of
from absentia.inference.uncertainty import sources
from absentia.models import AveragedMissingness, SelfMasking, Threshold

WEIGHT, NOISE = np.array([1.0, 0.8, 0.5]), np.array([0.4, 0.6, 0.8])


def gaussian(rows, mechanism, noise=NOISE):
    """The model x = WEIGHT z + noise with these parameters, and the table."""
    p = rows.shape[1]
    data = ab.IncompleteData.from_numpy(rows, standardise=False, dtype=torch.float64)
    model = ab.NotMIWAE(
        data,
        mechanism,
        decoder=ab.models.LinearGaussianDecoder(1, p, scale="column", floor=0.0),
        encoder=ab.models.ExactConditionalEncoder(p, 1),
        latent_dim=1,
    ).double()
    with torch.no_grad():
        model.decoder.mean.weight.copy_(torch.as_tensor(WEIGHT[:p, None]))
        model.decoder.mean.bias.zero_()
        model.decoder.scale.raw.copy_(torch.as_tensor(np.log(np.expm1(noise[:p]))))
    return model, data


def rows_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * WEIGHT + rng.normal(size=(n, 3)) * NOISE


def test_odds_against_quadrature_over_the_latent():
    """A mechanism that reads the latent: the odds of a seen cell know the rest of its row."""
    rows = np.array([[0.5, -0.7, np.nan], [1.2, 0.3, 0.4], [-2.0, 1.0, np.nan]])
    mechanism = AveragedMissingness(3, 1, mask_latent_dim=0).double()
    with torch.no_grad():
        mechanism.slope.copy_(torch.tensor([-0.5, 0.0, 0.3]))
        mechanism.offset.copy_(torch.tensor([0.4, 0.8, 0.1]))
        mechanism.loading.copy_(torch.tensor([[0.6], [-0.9], [0.5]]))
    model, data = gaussian(rows, mechanism)
    found, evidence = odds_of_missing(model, programs_of(model), data, 40_000, 1)
    slope, offset, loading = (
        getattr(mechanism, name).detach().numpy() for name in ("slope", "offset", "loading")
    )
    z = np.linspace(-8, 8, 4001)
    for i, row in enumerate(rows):
        for j in np.flatnonzero(~np.isnan(row)):
            chances = []
            for seen in (False, True):
                weight = norm.pdf(z)
                for k, x in enumerate(row):
                    shift = offset[k] + loading[k, 0] * z
                    if np.isnan(x):
                        score = shift + slope[k] * WEIGHT[k] * z
                        weight = weight * ndtr(-score / np.hypot(1, slope[k] * NOISE[k]))
                        continue
                    score = shift + slope[k] * x
                    here = seen if k == j else True
                    weight = weight * norm.pdf(x, WEIGHT[k] * z, NOISE[k])
                    weight = weight * ndtr(score if here else -score)
                chances.append(np.trapezoid(weight, z))
            assert found[i, j] == pytest.approx(chances[0] / chances[1], rel=0.03)
            assert evidence[i] == pytest.approx(np.log(chances[1]), abs=0.03)


def test_odds_where_the_absence_of_others_depends_on_a_cells_absence():
    """P(x1 missing) is .2 where x0 is seen and .6 where it is not: x0's odds know which x1 is."""
    rows = np.array([[0.5, 1.0, 0.0], [0.5, np.nan, 0.0]])
    logit = lambda p: float(np.log(p / (1 - p)))  # noqa: E731
    declared = ab.missing(
        ["x0 ~ 1", "x1 ~ is_missing(x0)"],
        fixed={"x0": {"Intercept": logit(0.3)},
               "x1": {"Intercept": logit(0.2), "is_missing(x0)": logit(0.6) - logit(0.2)}},
        units="data",
    )  # fmt: skip
    data = ab.IncompleteData.from_numpy(rows, standardise=False, dtype=torch.float64)
    model = ab.NotMIWAEPPCA(data, declared, latent_dim=1).double()
    found, _ = odds_of_missing(model, programs_of(model), data, 50, 0)
    np.testing.assert_allclose(found[:, 0], 3 / 7 * np.array([0.4 / 0.8, 0.6 / 0.2]), rtol=1e-4)
    assert found[0, 1] == pytest.approx(0.2 / 0.8, rel=1e-4)
    np.testing.assert_array_equal(found[:, 2], 1.0)


def test_odds_of_an_ignorable_mechanism_are_those_of_a_regression():
    rows = rows_of(1500, seed=13)
    logits = 1.5 * rows[:, 1] - 0.5
    rows[np.random.default_rng(14).random(1500) < expit(logits), 0] = np.nan
    model, data = gaussian(rows, ab.models.Ignorable(3))
    left = left_out(model, data, None, {"particles": 20, "draws": 5}, seed=0)
    off = np.log(left.odds[0]) - logits[left.rows]
    assert np.abs(off).mean() < 0.25


def test_hidden_cells_are_predicted_from_the_rest_of_their_rows():
    rows = rows_of(40)
    rows[::3, 0] = np.nan
    model, data = gaussian(rows, ab.models.Ignorable(3))
    settings = {"particles": 4000, "draws": 2000}
    left = left_out(model, data, None, settings, seed=3)
    assert set(left.columns) == {0}
    assert len(left.rows) == (~np.isnan(rows[:, 0])).sum()
    np.testing.assert_array_equal(left.values, rows[left.rows, 0])
    precision = 1 / (1 + (WEIGHT[1:] ** 2 / NOISE[1:] ** 2).sum())
    z = precision * (rows[left.rows, 1:] * WEIGHT[1:] / NOISE[1:] ** 2).sum(1)
    sd = np.hypot(NOISE[0], WEIGHT[0] * np.sqrt(precision))
    error = sd / np.sqrt(2000)
    assert np.abs(left.draws.mean(0) - WEIGHT[0] * z).max() < 5 * error
    np.testing.assert_allclose(left.draws.std(0), sd, rtol=0.1)
    assert np.all(np.diff(left.draws, axis=0) >= 0)
    np.testing.assert_allclose(left.odds, left.odds[0, 0])  # nothing to be read from the mask


@pytest.mark.parametrize("slope", [None, -1.5])
def test_intervals_that_are_too_short_are_stretched_to_their_level(slope):
    """The decoder's noise is half of the true one; the mechanism is known."""
    truth = rows_of(1500, seed=5)
    rng = np.random.default_rng(6)
    chance = np.full(1500, 0.4) if slope is None else expit(-(slope * truth[:, 0] + 0.5))
    rows = truth.copy()
    rows[rng.random(1500) < chance, 0] = np.nan
    mechanism = ab.models.Ignorable(3)
    if slope is not None:
        mechanism = SelfMasking(3, slope=[slope, 0.0, 0.0], offset=[0.5, 30.0, 30.0])
    model, data = gaussian(rows, mechanism, noise=NOISE / 2)
    filled = ab.impute(model, data, 200, refine=False, draws=100, unfitted=True, check=False)
    gone = np.isnan(rows[:, 0])
    inside = {}
    for calibrate in (None, "odds"):
        low, high = filled.interval(0.9, calibrate=calibrate)
        inside[calibrate] = ((low <= truth) & (truth <= high))[gone, 0].mean()
        np.testing.assert_array_equal(low[~gone], truth[~gone])
    table = filled.calibration(0.9).loc["x0"]
    error = np.sqrt(0.09 / gone.sum() + 0.09 / table["effective"])
    assert inside[None] < 0.75
    assert abs(inside["odds"] - 0.9) < 4 * error
    assert abs(table["plain"] - inside[None]) < 4 * error * 1.6
    assert table["represented"] == pytest.approx(1, abs=0.25)
    assert table["refused"] == ""
    wide = filled.interval(0.9, calibrate="odds", gamma=1.5)
    assert np.all(wide[0] <= low)
    assert np.all(wide[1] >= high)
    assert (wide[1] - wide[0])[gone, 0].mean() > (high - low)[gone, 0].mean()
    cells = filled.cells(0.9, calibrate="odds")
    np.testing.assert_array_equal(cells["lower"], low[gone, 0])


def test_a_limit_is_refused_with_its_reason():
    rows = rows_of(120, seed=7)
    rows[rows[:, 0] > 0.8, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows, standardise=False, dtype=torch.float64)
    model, data = gaussian(rows, Threshold.limit_of(data))
    filled = ab.impute(model, data, 200, refine=False, unfitted=True, check=False)
    with pytest.raises(ab.AbsentiaError, match=r"'x0': .* stand for 0 % .* \(a limit"):
        filled.interval(0.9, calibrate="odds")
    assert filled.calibration(0.9).loc["x0", "represented"] < 0.01
    plain = filled.interval(0.9)
    kept = filled.interval(0.9, calibrate="odds", refused="plain")
    np.testing.assert_array_equal(kept[0][:, 0], plain[0][:, 0])


def test_what_cannot_be_asked_for():
    rows = rows_of(60, seed=8)
    rows[::3, 0] = np.nan
    model, data = gaussian(rows, ab.models.Ignorable(3))
    filled = ab.impute(model, data, 100, refine=False, unfitted=True)
    few = rows[[0, 1, 2, 3, 4, 5, 6]]
    few = ab.impute(
        model, gaussian(few, ab.models.Ignorable(3))[1], 50, draws=60, refine=False, unfitted=True
    )
    with pytest.raises(ab.AbsentiaError, match=r"count for 4.0 cells, and 5 are needed"):
        few.interval(0.9, calibrate="odds")
    for wrong in ({"calibrate": "mcar"}, {"gamma": 2.0}, {"calibrate": "odds", "gamma": 0.5},
                  {"calibrate": "odds", "refused": "no"},
                  {"calibrate": "odds", "folds": 1}):  # fmt: skip
        with pytest.raises(ab.AbsentiaError, match=next(reversed(wrong))):
            filled.interval(0.9, **wrong)
    with pytest.raises(ab.AbsentiaError, match="level"):
        filled.calibration(1.0)
    few = ab.impute(model, data, 100, refine=False, draws=5, unfitted=True)
    with pytest.raises(ab.AbsentiaError, match="draws"):
        few.interval(0.9, calibrate="odds")


@pytest.mark.slow
def test_counts_stay_whole_and_levels_and_constants_stay_as_they_are():
    rng = np.random.default_rng(9)
    frame = pd.DataFrame(
        {
            "visits": pd.array(rng.poisson(3, size=80), dtype="Int64"),
            "ill": pd.Categorical(rng.choice(["no", "yes"], 80)),
            "site": "A",
            "score": rng.normal(size=80),
        }
    )
    for j, name in enumerate(frame.columns):
        frame.loc[frame.index[j::5], name] = None
    data = ab.IncompleteData.from_frame(frame, schema={"visits": "count"})
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=30, progress=False)
    filled = ab.impute(fitted, data, 100, draws=60, check=False)
    assert list(filled.calibration(0.8).index) == ["visits", "score"]
    low, high = filled.interval(0.8, calibrate="odds")
    gone = frame.isna().to_numpy()
    assert np.all(low[:, 0] == low[:, 0].round())
    assert np.all((low[gone[:, 0], 0] >= 0) & (low[gone[:, 0], 0] <= high[gone[:, 0], 0]))
    plain = filled.interval(0.8)
    np.testing.assert_array_equal(low[:, 1:3], plain[0][:, 1:3])
    frames = filled.interval(0.8, calibrate="odds", frame=True)
    assert (frames[1]["site"] == "A").all()
    assert frames[0]["visits"].dtype == "Int64"


def test_draws_of_the_parameters_are_weighted_to_leave_the_cell_out():
    """x ~ Normal(mu, 1) with draws of mu given all x: the cell left out is not among them."""
    values = np.array([-1.4, 0.1, 0.3, 2.2, np.nan])
    data = ab.IncompleteData.from_numpy(values[:, None], standardise=False, dtype=torch.float64)
    model = ab.PPCA(data, latent_dim=1, scale="column").double()
    with torch.no_grad():
        model.decoder.mean.weight.zero_()
        model.decoder.scale.raw.fill_(np.log(np.expm1(1.0 - model.decoder.scale.floor)))
    seen = values[:4]
    count = 50
    mu = seen.mean() + 0.5 * norm.ppf((np.arange(count) + 0.5) / count)  # Normal(mean, 1/4)
    posterior = Posterior(
        {"decoder.mean.bias": torch.as_tensor(mu[:, None])},
        torch.zeros(count, 1, dtype=torch.long),
        torch.zeros(1, 6),
        Standardiser.identity(1),
    )
    left = left_out(model, data, posterior, {"particles": 1000, "draws": 4000}, seed=0)
    found = left.draws.mean(0)
    exact = (seen.sum() - seen) / 3
    # a sum over 50 draws, of weights that are truncated, for the integral: most of the way
    np.testing.assert_allclose(found, exact, atol=0.2)
    assert abs(found[3] - exact[3]) < 0.3 * abs(seen.mean() - exact[3])
    assert left.draws.std(0)[1] == pytest.approx(np.sqrt(1 + 1 / 3), rel=0.1)
    assert left.odds.shape == (count, 4)
    np.testing.assert_allclose(left.odds, left.odds[0, 0])


def test_draws_without_weights_are_quantiles_of_weighted_ones():
    rng = np.random.default_rng(10)
    draws = rng.normal(size=(200, 3))
    np.testing.assert_array_equal(evened(draws, np.full((200, 3), 0.005)), np.sort(draws, axis=0))
    weight = np.exp(draws)  # of a standard Normal these make one of mean 1
    found = evened(draws, weight)
    expected = (draws * weight).sum(0) / weight.sum(0)
    np.testing.assert_allclose(found.mean(0), expected, atol=0.02)


def test_a_fit_with_draws_calibrates_under_them():
    rows = rows_of(150, seed=11)
    rows[np.random.default_rng(12).random(150) < expit(1.5 * rows[:, 0]), 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(ab.NotMIWAEPPCA(data), data, steps=60, progress=False)
    filled = ab.impute(fitted, data, 100, draws=60, check=False)
    table = filled.calibration(0.8)
    assert 5 < table.loc["x0", "effective"] <= table.loc["x0", "cells"]
    _, own = prepared(fitted, data)
    options = {"rule": "posterior", "unobserved": "auto", "independent_rows": False}
    again = imputed_by_draws(
        fitted.model, own, fitted.posterior, 100, draws=60, seed=0, progress=False, **options
    )
    with pytest.raises(ab.AbsentiaError, match="does not know its model"):
        again.interval(0.8, calibrate="odds")


def test_each_row_is_predicted_by_a_refit_that_has_not_seen_it(monkeypatch):
    rows = rows_of(60, seed=15)
    rows[::3, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=10, progress=False)
    seen_by = []

    def refitted(of, part, seed):
        """A model that predicts its number, whatever it is given."""
        model = copy.deepcopy(of.model)
        with torch.no_grad():
            model.decoder.mean.weight.zero_()
            model.decoder.mean.bias.fill_(100.0 * len(seen_by))
        seen_by.append({tuple(row) for row in part.values[:, 1:].tolist()})
        return model

    monkeypatch.setattr(sources, "refitted", refitted)
    filled = ab.impute(fitted, data, 50, draws=30)
    left = filled.calibrated.left_out(4)
    number = (left.draws.mean(0) / 100).round().astype(int)
    assert set(number) == {0, 1, 2, 3}
    for row, k in zip(left.rows, number, strict=True):
        assert tuple(rows[row, 1:]) not in seen_by[k]
    assert all(len(part) == 45 for part in seen_by)
    filled.interval(0.5, calibrate="odds", folds=4)
    assert len(seen_by) == 4  # they are kept
    others = ab.impute(fitted, data.rows(slice(0, 30)), 50, draws=30)
    others.interval(0.5, calibrate="odds")
    filled.interval(0.5, calibrate="odds", folds=0)
    assert len(seen_by) == 4  # rows that are not those of the fit, and a fit that is trusted


def test_a_refit_is_the_fit_of_its_rows():
    rows = rows_of(80, seed=16)
    rows[::4, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, progress=False, seed=3)
    part = prepared(fitted, data)[1].rows(slice(0, 40))
    again = sources.refitted(fitted, part, seed=3)
    other = ab.fit(ab.PPCA(part, latent_dim=1, seed=3), part, progress=False, seed=3).model
    for one, two in zip(again.decoder.parameters(), other.decoder.parameters(), strict=True):
        torch.testing.assert_close(one.square(), two.square(), atol=0.05, rtol=0.05)
    assert not torch.equal(again.decoder.mean.bias, fitted.model.decoder.mean.bias)
