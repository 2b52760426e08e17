"""Starts of a mixture: a short fit from each, of which the best by its bound goes on."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.data.amputation import angular_sector
from absentia.data.datasets import synthetic
from absentia.inference.fitting.settings import FitSettings
from absentia.inference.fitting.starts import start_at_the_best
from absentia.models.networks.starts import filled_at_random
from absentia.models.programs.mixture import MixturePrior


@pytest.fixture(scope="module")
def ring():
    """A ring of which one side is hidden: its missing values may lie on the side that was seen."""
    truth = synthetic.ring(300, seed=3)
    truth = (truth - truth.mean(0)) / truth.std(0)
    seen = angular_sector(truth, -np.pi / 4, np.pi / 4).mask
    return ab.IncompleteData.from_numpy(np.where(seen, truth, np.nan), standardise=False)


def started(data, steps=1_300, **settings):
    """Return a mixture at the start that was chosen, and the number of this start."""
    model = ab.NotMIWAE(data, "x0 ~ x0 + abs(x1)", decoder="mixture")
    plan = FitSettings(steps=steps, learning_rate=1e-2, **settings)
    return model, start_at_the_best(model, data, plan)


def test_components_start_where_the_mask_can_be_explained(ring):
    model, taken = started(ring)
    assert taken == 1  # the first of the further starts puts missing values beyond what was seen
    mean = model.prior.mean.detach()
    assert bool(((mean[:, 0] > 0.5) & (mean[:, 1].abs() < 0.8)).any())


def test_the_start_with_the_best_bound_is_taken(ring, monkeypatch):
    losses = iter([3.0, 2.0, 1.0])
    states = []

    class Judge:
        def __init__(self, model, *others):
            self.model = model

        def __call__(self):
            states.append({k: v.clone() for k, v in self.model.state_dict().items()})
            return torch.tensor(next(losses))

    monkeypatch.setattr("absentia.inference.fitting.starts.FixedBound", Judge)
    model, taken = started(ring, steps=600, n_init=3)
    assert taken == 2
    torch.testing.assert_close(dict(model.state_dict()), states[2])
    assert not torch.equal(states[2]["prior.mean"], states[1]["prior.mean"])


def test_one_start_is_the_model_as_it_was_made(ring):
    model, taken = started(ring, n_init=1)
    made = ab.NotMIWAE(ring, "x0 ~ x0 + abs(x1)", decoder="mixture")
    assert taken == 0
    torch.testing.assert_close(dict(model.state_dict()), dict(made.state_dict()))


def test_components_start_at_groups():
    prior = MixturePrior(2, components=2)
    z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 1.0], [5.0, 3.0], [5.0, 2.0], [5.0, 2.0]])
    prior.start_at(z, torch.tensor([0, 0, 1, 1, 1, 1]))
    torch.testing.assert_close(prior.mean.detach(), torch.tensor([[1.0, 0.0], [5.0, 2.0]]))
    torch.testing.assert_close(prior().log_share.exp(), torch.tensor([1 / 3, 2 / 3]))
    root = prior.precision_tril()
    spread = (root @ root.mT).inverse()
    # 2 rows with (1, 0), and the common (2, 2) / 6 + .02 with the weight of two rows
    common = torch.eye(2) * (2 / 6 + 0.02)
    first = (torch.diag(torch.tensor([2.0, 0.0])) + 2 * common) / 4
    torch.testing.assert_close(spread[0], first)


def test_rows_are_filled_as_a_normal_says():
    generator = np.random.default_rng(1)
    first = generator.normal(size=4_000)
    second = 0.8 * first + 0.6 * generator.normal(size=4_000)
    gone = generator.random(4_000) < 0.3
    gaps = np.stack([first, np.where(gone, np.nan, second)], 1)
    data = ab.IncompleteData.from_numpy(gaps, standardise=False)
    torch.manual_seed(0)
    mean, deviation = filled_at_random(data)
    missing = torch.as_tensor(gone)
    assert bool((deviation[~missing] == 0).all())
    assert bool((deviation[:, 0] == 0).all())
    slope = np.polyfit(first[gone], mean[missing, 1], 1)[0]
    # the slope's standard error is .6 / sqrt(2,800)
    assert abs(slope - 0.8) < 4 * 0.0114
    # and that of the sd .6 / sqrt(2 * 1,200) from draws, and as much from the fit
    assert abs(float(deviation[missing, 1].std()) - 0.6) < 4 * 0.0145


def test_a_number_of_starts_below_one_is_refused():
    with pytest.raises(ValueError, match="n_init is 0; give at least 1"):
        FitSettings(n_init=0)
