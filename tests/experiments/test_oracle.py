"""The truncated-Gaussian oracle against closed forms."""

import numpy as np
from scipy.stats import norm, truncnorm

from absentia.experiments.oracle import truncated_gaussian


def test_independent_columns_have_the_half_normal_mean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, ddof=0)).T)
    missing = np.stack([x[:, 0] > 0, np.zeros(len(x), bool)], 1)
    filled = truncated_gaussian(x, missing, sweeps=400, burn_in=10)[missing]
    half_normal = 2 * norm.pdf(0)
    # 400 independent draws a cell: the mean over cells is known to a hair, each cell to 4 SE
    assert abs(filled.mean() - half_normal) < 4 * 0.603 / np.sqrt(400 * missing.sum())
    assert np.abs(filled - half_normal).max() < 5.5 * 0.603 / np.sqrt(400)


def test_one_missing_column_has_the_conditional_truncated_mean():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3000, 1))
    x = z @ [[1.0, 0.8, -0.5]] + 0.5 * rng.normal(size=(3000, 3))
    missing = np.zeros(x.shape, bool)
    missing[:, 1] = x[:, 1] > x[:, 1].mean()
    filled = truncated_gaussian(x, missing, sweeps=400, burn_in=1)
    mean, cov = x.mean(0), np.cov(x.T, ddof=0)
    weight = np.linalg.solve(cov[np.ix_([0, 2], [0, 2])], cov[[0, 2], 1])
    loc = mean[1] + (x[:, [0, 2]] - mean[[0, 2]]) @ weight
    sd = np.sqrt(cov[1, 1] - cov[1, [0, 2]] @ weight)
    exact = truncnorm((mean[1] - loc) / sd, np.inf, loc, sd)
    error = (filled[:, 1] - exact.mean()) / (exact.std() / np.sqrt(400))
    assert np.abs(error[missing[:, 1]].mean()) < 4 / np.sqrt(missing[:, 1].sum())
    assert np.abs(error[missing[:, 1]]).max() < 5.5
