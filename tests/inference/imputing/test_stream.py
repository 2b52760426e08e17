"""Streaming over particles against the formulas on all of them at once."""

import numpy as np
import pytest
import scipy.stats
import torch

from absentia.inference import pareto_khat
from absentia.inference.imputing.stream import Stream

ROWS = torch.tensor([0, 0, 1, 3, 3, 3])  # row 2 has no missing cell
N = 4


class Cells:
    """Given moments a particle; a draw is the particle's number."""

    def __init__(self, mean, variance, first=0):
        self.mean, self.variance, self.first = mean, variance, first

    def moments(self):
        return self.mean, self.variance

    def draw(self, particles, cells):
        return self.first + particles.double()


def particles(count, spread=1.5, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    log_weight = spread * torch.randn(count, N, generator=generator, dtype=dtype) - 20.0
    mean = torch.randn(count, len(ROWS), generator=generator, dtype=dtype) + 2.0
    variance = torch.rand(count, len(ROWS), generator=generator, dtype=dtype)
    return log_weight, mean, variance


def stream(log_weight, mean, variance, chunks, num_draws=0):
    result = Stream(N, ROWS, len(log_weight), num_draws)
    start = 0
    for size in chunks:
        part = slice(start, start + size)
        result.add(log_weight[part], Cells(mean[part], variance[part], start))
        start += size
    assert start == len(log_weight)
    return result.finish()


def formulas(log_weight, mean, variance):
    """Self-normalised estimates in numpy."""
    log_weight, h, v = (t.double().numpy() for t in (log_weight, mean, variance))
    weight = np.exp(log_weight - log_weight.max(0))
    share = (weight / weight.sum(0))[:, ROWS.numpy()]
    m = (share * h).sum(0)
    return {
        "log_evidence": np.log(weight.mean(0)) + log_weight.max(0),
        "ess": weight.sum(0) ** 2 / (weight**2).sum(0),
        "mean": m,
        "variance": (share * ((h - m) ** 2 + v)).sum(0),
        "mcse": np.sqrt((share**2 * (h - m) ** 2).sum(0)),
    }


CHUNKS = [[300], [1] * 300, [7, 200, 93], [299, 1]]


@pytest.mark.parametrize("chunks", CHUNKS, ids=["one", "singles", "uneven", "last"])
def test_estimates_are_those_of_all_particles_at_once(chunks):
    given = particles(300)
    found = stream(*given, chunks)
    for name, expected in formulas(*given).items():
        np.testing.assert_allclose(
            getattr(found, name).numpy(), expected, rtol=1e-10, atol=1e-12, err_msg=name
        )
    torch.testing.assert_close(found.khat, pareto_khat(given[0]), rtol=1e-10, atol=1e-12)


def test_a_peak_that_comes_last_or_first():
    log_weight, mean, variance = particles(300)
    for steep in (torch.linspace(-2000, 2000, 300), torch.linspace(2000, -2000, 300)):
        given = (log_weight + steep.double().unsqueeze(1), mean, variance)
        found = stream(*given, [50] * 6)
        # one particle has nearly all the weight: a standard error of 1e-6 is a small difference
        for name, expected in formulas(*given).items():
            np.testing.assert_allclose(
                getattr(found, name).numpy(), expected, rtol=1e-9, atol=1e-8, err_msg=name
            )


def test_particles_of_no_weight():
    log_weight, mean, variance = particles(300)
    log_weight[:100] = -torch.inf  # the first chunk has nothing to say
    log_weight[150:160, 1] = -torch.inf
    found = stream(log_weight, mean, variance, [100, 100, 100], num_draws=50)
    for name, expected in formulas(log_weight, mean, variance).items():
        np.testing.assert_allclose(
            getattr(found, name).numpy(), expected, rtol=1e-10, atol=1e-12, err_msg=name
        )
    assert (found.draws >= 100).all()


def test_single_precision_far_from_zero():
    """Unstandardised columns: the spread must not drown in the square of the mean."""
    log_weight, mean, variance = particles(2000, dtype=torch.float32)
    mean = mean + 1000.0
    found = stream(log_weight, mean, variance, [500] * 4)
    expected = formulas(log_weight, mean, variance)
    np.testing.assert_allclose(found.mean.numpy(), expected["mean"], rtol=1e-6)
    np.testing.assert_allclose(found.variance.numpy(), expected["variance"], rtol=0.01)
    np.testing.assert_allclose(found.mcse.numpy(), expected["mcse"], rtol=0.01)


@pytest.mark.parametrize("chunks", [[20], [1] * 20, [3, 10, 7]], ids=["one", "singles", "uneven"])
def test_draws_are_resampled_with_the_weights(chunks):
    """Chi-square of 20,000 slots against w~, for every row with missing cells."""
    slots = 20_000
    log_weight, mean, variance = particles(20, spread=1.0)
    torch.manual_seed(1)
    draws = stream(log_weight, mean, variance, chunks, slots).draws
    share = torch.softmax(log_weight, 0).numpy()
    for row in (0, 1, 3):
        cells = (row == ROWS).nonzero().flatten()
        counts = np.bincount(draws[:, cells[0]].long().numpy(), minlength=20)
        p_value = scipy.stats.chisquare(counts, slots * share[:, row]).pvalue
        assert p_value > 1e-4, row  # nine such tests: fails by chance once in a thousand seeds


def test_slots_are_independent_across_rows_and_slots():
    log_weight, mean, variance = particles(2, spread=0.0)
    torch.manual_seed(2)
    draws = stream(log_weight, mean, variance, [1, 1], 10_000).draws
    first, other = draws[:, 0], draws[:, 3]
    for a, b in ((first, other), (first[:-1], first[1:])):
        correlation = np.corrcoef(a.numpy(), b.numpy())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(10_000)


def test_all_cells_of_a_row_come_from_one_particle():
    torch.manual_seed(3)
    draws = stream(*particles(60), [25, 35], 500).draws
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 3] == draws[:, 4]).all()
    assert (draws[:, 3] == draws[:, 5]).all()
    assert (draws[:, 0] != draws[:, 3]).any()


def test_no_draws_and_no_missing_cells():
    log_weight, mean, variance = particles(30)
    assert stream(log_weight, mean, variance, [30]).draws.shape == (0, len(ROWS))
    empty = Stream(N, ROWS[:0], 30, 5)
    empty.add(log_weight, Cells(mean[:, :0], variance[:, :0]))
    found = empty.finish()
    assert found.mean.shape == (0,)
    assert found.draws.shape == (5, 0)
    expected = formulas(log_weight, mean, variance)["log_evidence"]
    np.testing.assert_allclose(found.log_evidence.numpy(), expected)


def test_draws_keep_double_precision():
    class Precise(Cells):
        def draw(self, particles, cells):
            return torch.full((len(cells),), 1 / 3, dtype=torch.float64)

    log_weight, mean, variance = particles(30)
    result = Stream(N, ROWS, 30, 4)
    result.add(log_weight, Precise(mean, variance))
    assert (result.finish().draws.double() == 1 / 3).all()
