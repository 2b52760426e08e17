import numpy as np
import pytest
from scipy.stats import norm

from absentia.data import amputation
from absentia.data.amputation import (
    above_mean,
    angular_sector,
    centre,
    extremes,
    logistic_self_masking,
    mar,
    mcar,
    probit_self_masking,
)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(2.0, 3.0, size=(4000, 5))


def within_standard_errors(mask, probability, number=4.5):
    """Each column's observed share lies within so many binomial standard errors."""
    se = np.sqrt((probability * (1 - probability)).sum(axis=0)) + 1e-12
    return (np.abs((mask - probability).sum(axis=0)) < number * se + 1e-9).all()


def test_above_mean_takes_the_first_half(x):
    result = above_mean(x)
    np.testing.assert_array_equal(~result.mask[:, :2], x[:, :2] > x[:, :2].mean(axis=0))
    assert result.mask[:, 2:].all()
    np.testing.assert_array_equal(result.probability, result.mask)
    moved = above_mean(x, columns=[-1], offset=1.0).mask
    np.testing.assert_array_equal(~moved[:, 4], x[:, 4] > x[:, 4].mean() + x[:, 4].std())
    filled = result.apply(x)
    np.testing.assert_array_equal(np.isnan(filled), ~result.mask)
    np.testing.assert_array_equal(filled[result.mask], x[result.mask])


def test_self_masking_follows_its_probability(x):
    for function, cdf in (
        (logistic_self_masking, lambda t: 1 / (1 + np.exp(-t))),
        (probit_self_masking, norm.cdf),
    ):
        result = function(x, [-1.0, 0.5], [0.3, 0.0], columns=[1, 3], seed=4)
        expected = np.ones_like(x)
        expected[:, 1] = cdf(-x[:, 1] + 0.3)
        expected[:, 3] = cdf(0.5 * x[:, 3])
        np.testing.assert_allclose(result.probability, expected, rtol=1e-12)
        # A calibration: the sum of s - p, and that of (s - p) x, are zero in expectation.
        assert within_standard_errors(result.mask, result.probability)
        residual = ((result.mask - expected) * x)[:, [1, 3]]
        se = np.sqrt((expected * (1 - expected) * x**2).sum(axis=0))[[1, 3]]
        assert (np.abs(residual.sum(axis=0)) < 4.5 * se).all()
        again = function(x, [-1.0, 0.5], [0.3, 0.0], columns=[1, 3], seed=4)
        np.testing.assert_array_equal(result.mask, again.mask)
        other = function(x, [-1.0, 0.5], [0.3, 0.0], columns=[1, 3], seed=5)
        assert (result.mask != other.mask).any()


def test_extremes_and_centre_by_rank(x):
    ends = extremes(x)
    assert (~ends.mask).sum(axis=0).tolist() == [2000, 2000, 0, 0, 0]
    low, high = np.quantile(x[:, 0], [0.25, 0.75])
    np.testing.assert_array_equal(ends.mask[:, 0], (x[:, 0] > low) & (x[:, 0] < high))
    middle = centre(x, columns=[2])
    hidden = np.sort(x[~middle.mask[:, 2], 2])
    assert len(hidden) == 1200
    seen = x[middle.mask[:, 2], 2]
    assert not ((seen > hidden[0]) & (seen < hidden[-1])).any()
    # As many hidden values below the mean as above.
    assert (hidden < x[:, 2].mean()).sum() == 600
    assert not centre(x, fraction=1.0).mask[:, :2].any()
    assert extremes(x, fraction=0.0).mask.all()
    ties = np.ones((10, 2))
    assert (~extremes(ties, 0.3).mask[:, 0]).sum() == 6
    assert (~centre(ties, 0.3).mask[:, 0]).sum() == 3


def test_mcar_and_mar_reach_their_rate(x):
    result = mcar(x, 0.3, seed=1)
    assert within_standard_errors(result.mask, np.full_like(x, 0.7))
    assert mcar(x, 0.0, seed=1).mask.all()
    assert not mcar(x, 1.0, seed=1).mask.any()
    for slope in (0.0, 2.0, -50.0):
        result = mar(x, 0.4, drivers=[0, 4], targets=[1, 2], slope=slope, seed=2)
        hidden = 1 - result.probability
        np.testing.assert_allclose(hidden[:, 1:3].mean(axis=0), 0.4, atol=1e-9)
        assert result.mask[:, [0, 3, 4]].all()
        assert within_standard_errors(result.mask, result.probability)
    # Given the drivers the mask does not depend on the target.
    blind = mar(x * [1, 9, -3, 1, 1], 0.4, drivers=[0, 4], targets=[1, 2], slope=2.0, seed=2)
    steep = mar(x, 0.4, drivers=[0, 4], targets=[1, 2], slope=2.0, seed=2)
    np.testing.assert_array_equal(blind.mask, steep.mask)


def test_angular_sector():
    angle = np.linspace(-np.pi, np.pi, 721)[:-1] + 1e-4
    x = 4.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    result = angular_sector(x, 0.0, np.pi / 2)
    np.testing.assert_array_equal(~result.mask[:, 0], (x > 0).all(axis=1))
    assert result.mask[:, 1].all()
    across = angular_sector(x, 3 * np.pi / 4, 5 * np.pi / 4)  # the cut of atan2 lies inside
    np.testing.assert_array_equal(~across.mask[:, 0], x[:, 0] < -np.abs(x[:, 1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: above_mean(np.where(x > 9, np.nan, x)), r"x holds nan in row \d+, column \d"),
        (lambda x: above_mean(x, columns=[5]), "column 5 does not exist.*0 to 4"),
        (lambda x: above_mean(x, columns=["a"]), "column 'a' is not a position"),
        (lambda x: above_mean(x, columns=[1, -4]), "column -4 is given twice"),
        (lambda x: above_mean(x[:0]), "at least one row"),
        (lambda x: above_mean(x[0]), "give a table"),
        (lambda x: above_mean(x).apply(x[:3]), r"\(3, 5\)"),
        (lambda x: logistic_self_masking(x, [1.0, 2.0], 0.0), "one number, or 5"),
        (lambda x: probit_self_masking(x, np.inf, 0.0), "slopes.*finite"),
        (lambda x: extremes(x, 0.6), "fraction is 0.6.*0 and 0.5"),
        (lambda x: centre(x, -0.1), "fraction is -0.1"),
        (lambda x: mcar(x, 1.1, seed=0), "rate is 1.1"),
        (lambda x: mar(x, 1.0, [0], [1], 1.0, 0), "rate is 1.0"),
        (lambda x: mar(x, 0.5, [0], [0, 1], 1.0, 0), "column 0 is both driver and target"),
        (lambda x: mar(x, 0.5, [0], [1], np.nan, 0), "slope is nan"),
        (lambda x: angular_sector(x, 0.0, 1.0), "two columns"),
        (lambda x: angular_sector(x[:, :2], 1.0, 1.0), "sector"),
    ],
)
def test_bad_arguments_are_named(x, call, message):
    with pytest.raises(ValueError, match=message):
        call(x)


def test_the_module_reads_as_one_name():
    assert amputation.above_mean is above_mean
