"""The profile of a slope against the exact one of a bivariate Normal table."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_expit, roots_hermite
from scipy.stats import chi2, norm

import absentia as ab
from absentia.inference.sensitivity.profile import interval, refined
from absentia.inference.uncertainty.parameters import ParameterPosterior

DROP = chi2.ppf(0.95, 1)


def table(slope, n=150, seed=3):
    """b complete; a missing with log-odds -0.5 + slope a, in sd."""
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal([2.0, 0.0], [[4.0, 1.2], [1.2, 1.0]], size=n)
    frame = pd.DataFrame(rows, columns=["a", "b"])
    odds = -0.5 + slope * (rows[:, 0] - 2.0) / 2.0
    frame.loc[rng.random(n) < 1 / (1 + np.exp(-odds)), "a"] = np.nan
    return ab.IncompleteData.from_frame(frame)


class Exact:
    """max log p(x_o, s) by slope: b Normal, a given b Normal, the mask logistic in a.

    The integral over a missing a is one-dimensional, by Gauss-Hermite.
    """

    def __init__(self, data):
        x = data.x.double().numpy()
        self.seen = data.s.numpy()[:, 0]
        self.a, self.b = x[:, 0], x[:, 1]
        at, weight = roots_hermite(60)
        self.at, self.log_weight = at * math.sqrt(2), np.log(weight / math.sqrt(math.pi))
        self.solved = {0.0: np.array([0.0, 0.0, 0.0, 0.5, 0.0, -0.5])}

    def loss(self, at, slope):
        mean_b, log_sd_b, start, rise, log_sd, offset = at
        mean, sd = start + rise * self.b, math.exp(log_sd)
        of_b = norm.logpdf(self.b, mean_b, math.exp(log_sd_b)).sum()
        a = self.a[self.seen]
        seen = norm.logpdf(a, mean[self.seen], sd) + log_expit(-offset - slope * a)
        gone = log_expit(offset + slope * (mean[~self.seen, None] + sd * self.at))
        gone = np.logaddexp.reduce(self.log_weight + gone, 1)
        return -(of_b + seen.sum() + gone.sum())

    @functools.cache  # noqa: B019, a few slopes of one test
    def __call__(self, slope):
        near = min(self.solved, key=lambda other: abs(other - slope))
        found = minimize(self.loss, self.solved[near], args=(slope,), options={"gtol": 1e-4})
        self.solved[slope] = found.x
        return -float(found.fun)

    def interval(self, low, high):
        best = minimize_scalar(lambda slope: -self(slope), bounds=(low, high), method="bounded")

        def over(slope):
            return 2 * (-best.fun - self(slope)) - DROP

        ends = [brentq(over, *pair, xtol=1e-3) for pair in ((low, best.x), (best.x, high))]
        return tuple(ends)


@pytest.mark.parametrize(
    "grid",
    [[-1.0, 0.0, 1.0, 2.0], [0.0, 0.4], [-4.0, -2.0, 0.0, 2.0, 4.0], [-1.0, -0.5, 0.0], [0, 9]],
)
def test_the_interval_does_not_depend_on_the_grid(grid):
    """A profile with its maximum at 1.04, steeper above it than below."""

    def height(slope):
        off = slope - 1.04
        return -820.0 - (6.0 if off < 0 else 9.0) * off**2 / (1 + 0.2 * abs(off))

    def end(side, steep):
        return 1.04 + brentq(lambda off: 2 * steep * off**2 / (1 + 0.2 * abs(off)) - DROP, 0, side)

    found = refined({float(s): height(s) for s in grid}, height, 0.95, 0.0)
    low, high = interval(pd.Series(found), 0.95)
    assert low == pytest.approx(end(-3, 6.0), abs=0.005)
    assert high == pytest.approx(end(3, 9.0), abs=0.005)
    assert len(found) < len(grid) + 25
    # at another level the same slopes serve, read between
    wide = interval(pd.Series(found), 0.99)
    assert wide[0] < low < high < wide[1]


def test_open_ends_are_infinite():
    def flattening(slope):
        return -5.0 * max(1.0 - slope, 0.0) ** 2

    found = refined({0.0: flattening(0.0), 0.5: flattening(0.5)}, flattening, 0.95, 0.0)
    low, high = interval(pd.Series(found), 0.95)
    assert low == pytest.approx(1.0 - math.sqrt(DROP / 10), abs=0.01)
    assert high == math.inf
    assert max(found) == 4.0  # four times as far as the slopes given, and at least 4

    def positive(slope):
        if slope <= 0.1:
            raise ValueError("no such mechanism")
        return -0.1 * (slope - 0.5) ** 2

    found = refined({0.5: 0.0, 1.0: positive(1.0)}, positive, 0.95, 0.5)
    assert interval(pd.Series(found), 0.95)[0] == -math.inf


@pytest.mark.slow
def test_the_profile_far_from_the_fit_is_the_exact_one():
    """Reached from slope 0, as far as 4 sd: within .1 nats, where 25 draws a row were out by 1."""
    data = table(slope=1.0)
    exact = Exact(data)

    def family(slope):
        why = ab.missing("a ~ a", fixed={"a": slope})
        return ab.NotMIWAEPPCA(data, why, scale="column")

    fitted = ab.fit(family(0.0), data, progress=False)
    posterior = ParameterPosterior(fitted, data)

    def height(slope):
        model = family(slope)
        with_parameters = dict(fitted.model.named_parameters())
        for name, parameter in model.named_parameters():
            parameter.data.copy_(with_parameters[name].data)
        return posterior.moved_to(model, data).height()

    heights = {slope: height(slope) for slope in (-2.0, 0.0, 1.0, 4.0)}
    for slope, found in heights.items():
        assert found == pytest.approx(exact(slope), abs=0.1), slope


@pytest.mark.slow
def test_a_curve_has_the_exact_interval():
    """The grid holds neither the maximum nor an end."""
    data = table(slope=1.0, n=100)
    curve = ab.sensitivity.slope_sensitivity("a", data, lambda t: t["a"].mean(), [0.3], m=2)
    want = Exact(data).interval(-2.0, 8.0)
    assert curve.supported() == pytest.approx(want, abs=0.03)
    assert curve.support() in repr(curve)
    assert f"is {curve.supported()[0]:.3g} to" in curve.support()
