"""Weights of chains by their predictive densities of the rows."""

import numpy as np
import pytest
import torch
from scipy import stats

from absentia.inference.gibbs.weighing import chain_weights


@pytest.mark.parametrize("gain", [0.0, 4.0, 15.0])
def test_differences_that_other_rows_could_turn_around_decide_little(gain):
    """The difference of two chains is nearly Normal over bootstraps of the rows."""
    n, sd = 400, 0.4
    noise = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = sd * (noise - noise.mean()) / noise.std()
    rows = torch.stack([torch.zeros_like(noise), noise + gain / n])
    weight = chain_weights(rows.expand(6, 2, n))
    q = np.linspace(0.0005, 0.9995, 1000)
    expected = (1 / (1 + np.exp(-(gain + sd * n**0.5 * stats.norm.ppf(q))))).mean()
    assert float(weight.sum()) == pytest.approx(1)
    assert float(weight[1]) == pytest.approx(expected, abs=4 * 0.5 / 400**0.5)
    assert float(weight[1]) < 1 / (1 + np.exp(-gain)) + 0.1


def test_variable_densities_are_penalised():
    even, uneven = torch.zeros(8, 50, dtype=torch.float64), torch.zeros(8, 50, dtype=torch.float64)
    uneven[::2], uneven[1::2] = 1.0, -1.5
    assert float(chain_weights(torch.stack([even, uneven], 1))[0]) > 0.99


@pytest.mark.parametrize("gain", [0.0, 10.0, 200.0])
def test_chains_that_differ_as_draws_of_one_chain_do_count_alike(gain):
    """Totals with sd 5 in each chain: the log odds of two chains are their difference by 10."""
    n = 500
    total = torch.linspace(-1, 1, 60, dtype=torch.float64)
    total = 5 * (total - total.mean()) / total.std()
    rows = (total / n).unsqueeze(-1).expand(60, n)
    weight = chain_weights(torch.stack([rows, rows + gain / n], 1))
    assert float(weight[1]) == pytest.approx(1 / (1 + np.exp(-gain / 10)), abs=1e-6)
