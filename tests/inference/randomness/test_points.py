"""Evenly spread numbers: independent of each other whatever their keys and dimensions."""

import numpy as np
import pytest
import torch
from pyro.distributions import Normal

from absentia.inference.randomness.points import seed_of, spread_points
from absentia.inference.randomness.shifted import ShiftedSobol


@pytest.mark.parametrize("count", [32, 300, 2048])
def test_keys_and_dimensions_are_uncorrelated(count):
    found = []
    for seed in range(10):
        points = torch.cat([spread_points(count, 9, f"{seed} {key}") for key in ("z", "x")], -1)
        correlation = np.corrcoef(points.numpy().T)[np.triu_indices(18, 1)]
        found.append(correlation * count**0.5)
    assert np.abs(found).max() < 5  # of 1530 in standard errors
    assert np.sqrt(np.mean(np.square(found))) < 1.1


def test_four_dimensions_are_filled_evenly_together():
    """Means of products of two are far nearer than the tenth of independent numbers."""
    points = spread_points(1024, 8, "a").numpy() - 0.5
    spread = 1 / 12 / 1024**0.5  # sd of the mean of a product of independent ones
    within = [(points[:, j] * points[:, k]).mean() for j in range(4) for k in range(j)]
    within += [(points[:, j] * points[:, k]).mean() for j in range(4, 8) for k in range(4, j)]
    assert np.sqrt(np.mean(np.square(within))) < 0.2 * spread


def test_a_dimension_does_not_depend_on_how_many_there_are():
    torch.testing.assert_close(spread_points(50, 3, "a"), spread_points(50, 11, "a")[:, :3])


def test_keys_are_not_confused():
    assert len({seed_of(key) for key in ("ab", "ba", "bC", "", "1 z", "11 z", "z 1")}) == 7
    assert seed_of("z") == seed_of("z") < 2**63


def test_sites_of_one_row_are_independent_where_rows_have_shifts_of_their_own():
    count, rows = 256, 40
    noise = ShiftedSobol(3)
    noise.start(count)
    standard = Normal(torch.zeros(rows, 2).double(), 1.0)
    a, b = (noise.draw(name, standard).numpy() for name in ("z", "x_unobserved"))
    found = [
        np.corrcoef(a[:, i, j], b[:, i, k])[0, 1] * count**0.5
        for i in range(rows)
        for j in range(2)
        for k in range(2)
    ]
    assert np.abs(found).max() < 4.8
    # each row has its own shift: no two rows use the same numbers, and their errors differ
    assert np.abs(a[:, 0] - a[:, 1]).max() > 0.1
    means = np.concatenate([a.mean(0), b.mean(0)], -1)
    assert (means.std(0) > 1e-4).all()
    # rows share their points, so that their correlations are not 160 independent ones
    assert np.sqrt(np.mean(np.square(found))) < 1.6


def test_a_row_s_shift_keeps_its_points_evenly_spread():
    """Every eighth of the unit interval holds two of 16 points, in each row and dimension."""
    noise = ShiftedSobol(0)
    noise.start(16)
    rows = 300
    z = noise.draw("z", Normal(torch.zeros(rows, 3).double(), 1.0))
    eighths = (torch.special.ndtr(z) * 8).long()
    counts = torch.nn.functional.one_hot(eighths, 8).sum(0)
    assert (counts == 2).all()
    # of the means of exp(z / 2); shifts modulo one would have an error of .079, here it is .045
    error = (z / 2).exp().mean(0) - np.exp(1 / 8)
    assert error.square().mean().sqrt() < 0.06
    assert error.mean().abs() < 5 * 0.06 / (3 * rows) ** 0.5
