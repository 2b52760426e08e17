"""Baselines and metrics."""

import numpy as np
import pytest

from absentia.data import amputation
from absentia.data.datasets import uci as real
from absentia.experiments import baselines
from absentia.experiments.metrics import bias, coverage, rmse


@pytest.fixture(scope="module")
def breast():
    truth = real.load("breast").to_numpy(float)
    hidden = amputation.above_mean(truth)
    return truth, ~hidden.mask, hidden.apply(truth)


def test_column_mean_has_the_published_error(breast):
    truth, missing, incomplete = breast
    filled = baselines.column_mean(incomplete)
    assert rmse(filled.mean, truth, missing) == pytest.approx(1.8198, abs=1e-4)
    assert (filled.mean[~missing] == truth[~missing]).all()
    assert (filled.low[missing] < filled.mean[missing]).all()


@pytest.mark.slow
def test_mice_does_better_and_its_intervals_bracket_it(breast):
    truth, missing, incomplete = breast
    filled = baselines.mice(incomplete, draws=2)
    assert rmse(filled.mean, truth, missing) < 1.0
    assert bias(filled.mean, truth, missing) < -0.4  # MAR under MNAR: pulled to the observed side
    assert (filled.low <= filled.high).all()


def test_coverage_counts_hidden_cells_only():
    truth = np.array([[0.0, 1.0], [2.0, 3.0]])
    missing = np.array([[True, False], [True, True]])
    low, high = truth - 1, truth + 1
    low[1, 1] = 3.5
    low[0, 1] = 9.0  # observed: does not count
    assert coverage(low, high, truth, missing) == pytest.approx(2 / 3)
