"""Weighted conformal quantiles against loops over all cells, and over all weights in bounds."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from absentia.inference.imputing.conformal import (
    covered,
    effective,
    halves,
    scores,
    stretch,
    tail_stretch,
    upper_stretch,
)


def by_loops(scores, odds, level):
    """The definition: the new cell's mass, at infinity, is that which missing cells have."""
    own = sum(o * o for o in odds) / sum(odds)
    for q in sorted(scores):
        inside = sum(o for v, o in zip(scores, odds, strict=True) if v <= q)
        if inside >= level * (sum(odds) + own) - 1e-12:
            return q
    return np.inf


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_the_weighted_quantile(level):
    rng = np.random.default_rng(0)
    for _ in range(20):
        v, o = rng.exponential(size=30), rng.lognormal(sigma=1.0, size=30)
        assert stretch(v, o, level) == by_loops(v, o, level)
        assert stretch(v, 100 * o, level) == stretch(v, o, level)


def test_equal_odds_give_the_usual_order_statistic():
    v = np.random.default_rng(1).exponential(size=57)
    for level in (0.1, 0.5, 0.9, 0.95):
        rank = int(np.ceil(level * 58))
        assert stretch(v, np.full(57, 3.0), level) == np.sort(v)[rank - 1]


def test_gamma_takes_the_worst_weights_in_its_bounds():
    """Each cell's true odds are at either bound; no assignment of them has a larger quantile."""
    rng = np.random.default_rng(2)
    for gamma in (1.2, 2.0):
        v, o = rng.exponential(size=9), rng.lognormal(sigma=0.5, size=9)
        own = (o**2).sum() / o.sum()
        worst = 0.0
        for signs in itertools.product([1 / gamma, gamma], repeat=10):
            weight = o * np.array(signs[:9])
            total = weight.sum() + own * signs[9]
            order = np.argsort(v)
            enough = np.cumsum(weight[order]) >= 0.6 * total * (1 - 1e-12)
            worst = max(worst, v[order][enough.argmax()] if enough.any() else np.inf)
        assert stretch(v, o, 0.6, gamma) == worst


def test_a_larger_gamma_never_shortens():
    rng = np.random.default_rng(3)
    v, o = rng.exponential(size=80), rng.lognormal(size=80)
    found = [stretch(v, o, 0.8, gamma) for gamma in (1.0, 1.1, 1.5, 2.0, 3.0)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_too_few_cells_or_none():
    assert stretch(np.arange(8.0), np.ones(8), 0.9) == np.inf
    assert stretch(np.arange(9.0), np.ones(9), 0.9) == 8.0
    # one cell with nearly all of the weight is not enough, however many others there are
    odds = np.append(np.full(100, 1e-6), 1.0)
    assert stretch(np.arange(101.0), odds, 0.9) == np.inf
    assert effective(np.zeros(5)) == effective(np.empty(0)) == effective(np.array([np.inf])) == 0
    assert stretch(np.arange(5.0), np.zeros(5), 0.9) == np.inf
    assert np.isnan(covered(np.arange(5.0), np.zeros(5)))


@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_the_tail_of_exponential_scores(gamma):
    """Many scores: the quantile itself. Few: a further score is outside as often as it should."""
    rng = np.random.default_rng(5)
    wrong = gamma**2
    outside = 0.1 / (0.1 + 0.9 * wrong)
    many = tail_stretch(rng.exponential(size=200_000), np.ones(200_000), 0.9, gamma)
    assert many == pytest.approx(-np.log(outside), rel=0.01)
    few = [tail_stretch(rng.exponential(size=12), rng.lognormal(size=12), 0.9, gamma)
           for _ in range(4000)]  # fmt: skip
    missed = np.exp(-np.array(few))
    error = missed.std() / np.sqrt(len(few))
    # lognormal weights have other effective numbers than six; the median of few is not exact
    assert abs(missed.mean() - outside) < 4 * error + 0.3 * outside
    plain = np.exp(-many)
    assert missed.mean() < 1.5 * plain


def test_the_stretch_of_draws_is_an_upper_one_and_finite():
    rng = np.random.default_rng(6)
    v, draws = 2 * rng.exponential(size=40), rng.lognormal(size=(20, 40))
    each = np.sort([tail_stretch(v, odds, 0.8) for odds in draws])
    assert upper_stretch(v, draws, 0.8) == each[17]
    assert upper_stretch(v / 100, draws, 0.8) == 1.0  # never shorter than the model's own
    found = [upper_stretch(v, draws, level, gamma)
             for level in (0.5, 0.8, 0.9, 0.95, 0.99) for gamma in (1.0, 1.5, 3.0)]  # fmt: skip
    assert np.isfinite(found).all()
    table = np.array(found).reshape(5, 3)
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) >= 0).all()
    assert table[-1, -1] > v.max()
    many = rng.exponential(size=500)
    assert tail_stretch(many, np.ones(500), 0.9) == stretch(many, np.ones(500), 0.9)
    # one draw in ten may be hopeless, and two may not
    draws[:2] = 0.0
    assert np.isfinite(upper_stretch(v, draws, 0.8))
    draws[2] = 0.0
    assert upper_stretch(v, draws, 0.8) == np.inf


def test_scores_are_the_stretch_that_reaches_the_value():
    low, middle, high = (
        np.array([0.0, 0.0, 1.0]),
        np.array([1.0, 1.0, 1.0]),
        np.array([4.0, 4.0, 1.0]),
    )
    values, least = np.array([-1.0, 7.0, 1.5]), np.full(3, 0.5)
    found = scores(values, low, middle, high, least)
    np.testing.assert_allclose(found, [2.0, 2.0, 1.0])
    below, above = halves(low, middle, high, least)
    ends = np.where(values < middle, middle - found * below, middle + found * above)
    np.testing.assert_allclose(ends, values)
    assert covered(found, np.array([1.0, 1.0, 2.0])) == 0.5


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_coverage_by_the_true_odds_whatever_the_predictions(slope):
    """Predictions too narrow by half: stretched intervals hold 90 % of values that went missing."""
    rng = np.random.default_rng(4)
    hits, plain = [], []
    for _ in range(200):
        mean = rng.normal(size=400)
        x = mean + rng.normal(size=400)
        gone = rng.random(400) < expit(slope * x - 0.5)
        m, half = mean + 0.3, 0.5 * 1.645
        v = np.abs(x - m) / half
        q = stretch(v[~gone], np.exp(slope * x - 0.5)[~gone], 0.9)
        hits.append((v[gone] <= q).mean())
        plain.append((v[gone] <= 1).mean())
    error = np.std(hits) / np.sqrt(len(hits))
    assert np.mean(plain) < 0.65
    # the new cell's mass is an average, so that a little too much or too little is due to it
    assert abs(np.mean(hits) - 0.9) < 4 * error + 0.01
