"""Moments that are merged batch by batch are those of all numbers at once."""

import numpy as np
import pytest
from scipy.stats import skew

from absentia.data import Standardiser
from absentia.data.scan.moments import Moments


def of(values: np.ndarray, cuts: list[int]) -> Moments:
    found = Moments()
    for batch in np.split(values, cuts):
        found.add(batch)
    return found


RNG = np.random.default_rng(0)
NUMBERS = {
    "ordinary": RNG.normal(size=500),
    "skewed": np.exp(RNG.normal(size=500)),
    "far from zero": 1e9 + RNG.normal(size=500),
    "growing": RNG.normal(size=500) * np.geomspace(1e-200, 1e300, 500),
    "shrinking": RNG.normal(size=500) * np.geomspace(1e300, 1e-200, 500),
    "tiny": RNG.normal(size=500) * 1e-290,
    "huge": RNG.normal(size=500) * 1e307,
    "zeros first": np.r_[np.zeros(300), RNG.normal(size=200)],
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("cuts", [[], [1, 2, 400], list(range(7, 500, 7))])
def test_batches_are_the_whole(name, cuts):
    values = NUMBERS[name]
    found = of(values, cuts)
    whole = Standardiser.from_observed(values[:, None], np.ones((500, 1), bool))
    assert found.count == 500
    assert (found.low, found.high, found.first) == (values.min(), values.max(), values[0])
    assert found.mean == pytest.approx(whole.center[0], rel=1e-12, abs=1e-14 * whole.scale[0])
    rounding = 1e-15 * abs(found.mean) / found.sd
    assert found.sd == pytest.approx(whole.scale[0], rel=1e-12 + 10 * rounding)
    scaled = (values - found.mean) / found.sd
    assert found.skewness == pytest.approx(skew(scaled), rel=1e-9, abs=1e-9 + 100 * rounding)


@pytest.mark.parametrize("value", [0.1, 1e15 + 0.3, -3e-300, 0.0])
def test_equal_numbers_have_their_own_mean(value):
    found = of(np.full(30, value), [7, 19])
    assert (found.mean, found.sd, found.skewness) == (value, 1.0, 0.0)
