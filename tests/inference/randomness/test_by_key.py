"""Random numbers that belong to rows by their keys."""

import numpy as np
import pytest
import torch
from pyro.distributions import Gumbel, Normal
from scipy import stats

from absentia.data.errors import KindError
from absentia.inference.integration.conditionals import TiltedNormal, Untilted
from absentia.inference.integration.summed import TiltedDiscrete, TiltedQuadrature
from absentia.inference.integration.truncated import logistic_tilted
from absentia.inference.randomness.by_key import ByKey, Independent, Numbers, mixed
from absentia.models.distributions.mixed import FiniteValues

KEYS = np.array([7, 3, 2**63, 11], dtype=np.uint64)


@pytest.mark.parametrize("kind", [ByKey, Independent])
def test_a_row_has_its_numbers_wherever_it_lies(kind):
    def drawn(keys: np.ndarray, rows: list[int], counts: list[int]) -> torch.Tensor:
        noise = kind(16, torch.zeros(()), "0", 2 if kind is ByKey else 16, keys)
        noise.at(torch.tensor(rows))
        found = []
        for count in counts:
            noise.start(count)
            found.append(noise.draw("z", Normal(torch.zeros(len(rows), 3), 1.0)))
        return torch.cat(found)

    whole = drawn(KEYS, [0, 1, 2, 3], [16])
    assert torch.equal(drawn(KEYS[[2, 0]], [0, 1], [16]), whole[:, [2, 0]])
    assert not torch.equal(whole[:, 0], whole[:, 1])
    if kind is ByKey:  # points that are numbered, in whatever chunks they are asked for
        assert torch.equal(drawn(KEYS, [0, 1, 2, 3], [8, 8]), whole)


def test_independent_numbers_are_uniform_and_independent():
    keys = np.arange(2000, dtype=np.uint64)
    noise = Independent(40, torch.zeros(()), 0, 40, keys)
    noise.at(torch.arange(2000))
    noise.start(20)
    first = noise.of_rows("z", 2)
    noise.start(20)
    every = torch.cat([first, noise.of_rows("z", 2), noise.of_rows("y", 2)]).double().numpy()
    assert stats.kstest(every.ravel(), "uniform").pvalue > 0.001
    # between neighbours in rows, particles, places and sites: standard error .0035
    for one, other in (
        (every[:, :-1], every[:, 1:]),
        (every[:-1], every[1:]),
        (every[..., 0], every[..., 1]),
        (every[:20], every[40:]),
        (every[:20], every[20:40]),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_a_distribution_without_a_rule_is_named():
    class Unknown(Gumbel):
        def icdf(self, value):
            raise NotImplementedError

    noise = ByKey(8, torch.zeros(()), 0, 2, KEYS)
    noise.at(torch.arange(4))
    noise.start(8)
    with pytest.raises(KindError, match=r"site 'z' has a Unknown, .* scan without key="):
        noise.draw("z", Unknown(torch.zeros(4, 1), 1.0))


N = 4000
CELLS = mixed(np.arange(N, dtype=np.uint64), 5)


def conditionals():
    one = torch.ones(1, N)
    loc, scale = 0.3 * one, 1.2 * one
    nodes = torch.linspace(-6, 6, 200).view(-1, 1, 1)
    density = Normal(0.3, 1.2).log_prob(nodes).expand(-1, 1, N) + np.log(12 / 199)
    missing = torch.nn.functional.logsigmoid(1.5 * nodes - 0.4).expand(-1, 1, N)
    logits = torch.tensor([0.1, 0.7, -0.4]).view(-1, 1, 1).expand(-1, 1, N)
    finite = FiniteValues(torch.tensor([0.1, 0.7, -0.4]).expand(1, N, -1))
    return {
        "at random": Untilted(Normal(loc, scale)),
        "levels at random": Untilted(finite),
        "logit": TiltedNormal(loc, scale, -1.5 * one, 0.4 * one, "logit"),
        "probit": TiltedNormal(loc, scale, -1.5 * one, 0.4 * one, "probit"),
        "levels": TiltedDiscrete(torch.arange(3.0).view(-1, 1, 1), logits, 0.5 * logits),
        "nodes": TiltedQuadrature(nodes, density, missing),
    }


@pytest.mark.parametrize("name", list(conditionals()))
def test_cells_sampled_by_their_own_numbers_have_their_distribution(name):
    tilted = conditionals()[name]
    found = tilted.sample(Numbers(CELLS)).flatten().double()
    mean, variance = (float(v.flatten()[0]) for v in tilted.moments())
    assert abs(float(found.mean()) - mean) < 4 * (variance / N) ** 0.5
    assert float(found.var()) == pytest.approx(variance, rel=0.1)
    # a cell's value follows from its number alone
    few = torch.tensor([5, 17, 2])
    chosen = tilted.select(torch.zeros(3, dtype=torch.long), few)
    torch.testing.assert_close(chosen.sample(Numbers(CELLS).at(few)).flatten().double(), found[few])


def test_rejection_by_own_numbers_is_that_of_the_generator():
    """The distribution of both, by a test of two samples."""
    m, r = torch.full((1, N), -1.0), torch.full((1, N), 2.0)
    own = logistic_tilted(m, r, numbers=Numbers(CELLS)).flatten()
    other = logistic_tilted(m, r, torch.Generator().manual_seed(0)).flatten()
    assert stats.ks_2samp(own.numpy(), other.numpy()).pvalue > 0.001
