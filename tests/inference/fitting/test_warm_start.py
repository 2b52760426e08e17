"""Networks whose mechanism starts from that under a linear decoder."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.inference.evaluating import computing
from absentia.inference.fitting.settings import FitSettings
from absentia.inference.fitting.warm_start import start_mechanism


def table(n=200, seed=0):
    """Two correlated columns, of which the first is missing above a threshold."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, 2))
    x[(rng.random(n) < 0.9) & (x[:, 0] > 0.5), 0] = np.nan
    return ab.IncompleteData.from_numpy(x, dtype=torch.float32)


def started(model, data):
    before = copy.deepcopy(model.state_dict())
    with computing(model):
        changed = start_mechanism(model, data, FitSettings(seed=1))
    after = model.state_dict()
    return changed, {name for name in before if not torch.equal(before[name], after[name])}


def slope_of(model):
    return float(model.missingness.slope[0].detach())


def test_the_mechanism_starts_near_that_of_the_linear_fit():
    data = table()
    network = ab.NotMIWAE(data, sign="+", hidden=[8])
    cold = slope_of(network)
    changed, names = started(network, data)
    assert changed
    assert names
    assert all(name.startswith("missingness.") for name in names)
    linear = ab.NotMIWAEPPCA(data, sign="+")
    ab.fit(linear, data, progress=False, check=False, validation=0.0, optimiser="l-bfgs")
    found, aim = slope_of(network), slope_of(linear)
    assert abs(found - aim) < 0.3 * abs(aim - cold)


def test_a_model_of_a_target_starts_from_its_table():
    data = table(60)
    labelled = data.with_target(np.arange(60.0))
    model = ab.models.SupervisedNotMIWAE(labelled, sign="+", hidden=[4], latent_dim=1)
    changed, names = started(model, labelled)
    assert changed
    assert {name.partition(".")[0] for name in names} == {"missingness"}


def test_the_same_seed_starts_at_the_same_place():
    data = table(80)
    slopes = []
    for _ in range(2):
        network = ab.NotMIWAE(data, sign="+", hidden=[8])
        torch.rand(3)  # the caller's random numbers do not matter
        started(network, data)
        slopes.append(network.missingness.slope.detach())
    assert torch.equal(*slopes)


def mixed():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.normal(size=40), "job": rng.choice(["a", "b"], size=40)})
    return ab.IncompleteData.from_frame(frame.mask(rng.random(frame.shape) < 0.2))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (table(40), "latent"),
        (table(40), "mask-latent"),
        (table(40), "ignorable"),
        (table(40), "linear"),
        (mixed(), "self-masking"),
    ],
    ids=["latent", "mask-latent", "ignorable", "linear", "levels"],
)
def test_what_a_linear_decoder_does_not_serve_starts_as_it_was(data, what):
    network = ab.NotMIWAE(data, what, hidden=[4], latent_dim=1)
    assert started(network, data) == (False, set())


def test_only_new_networks_are_started_elsewhere():
    data = table(40)
    network = ab.NotMIWAE(data, sign="+", hidden=[4], latent_dim=1)
    with torch.no_grad():
        network.missingness.raw_slope.fill_(0.123)
    options = {"learning_rate": 1e-12, "schedule": "until-flat", "steps": 2, "check": False}
    ab.fit(network, data, progress=False, **options)
    assert torch.allclose(network.missingness.raw_slope, torch.tensor(0.123), atol=1e-5)
    new = ab.NotMIWAE(data, sign="+", hidden=[4], latent_dim=1)
    cold = new.missingness.raw_slope.detach().clone()
    ab.fit(new, data, progress=False, **options)
    assert not torch.allclose(new.missingness.raw_slope, cold, atol=0.1)
