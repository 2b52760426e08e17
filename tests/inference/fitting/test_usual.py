"""The settings that follow from a model where its user gives none."""

import functools

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.fitting.usual import usual_settings


def mixed():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.normal(size=40), "job": rng.choice(["a", "b"], size=40)})
    return ab.IncompleteData.from_frame(frame.mask(rng.random(frame.shape) < 0.2))


def with_network(make):
    """A linear decoder whose encoder is a network, so that Adam fits it."""
    return functools.partial(make, encoder="mask-aware")


@pytest.mark.parametrize(
    ("make", "rate"),
    [(with_network(ab.NotMIWAEPPCA), 1e-2), (with_network(ab.PPCA), 1e-2), (ab.NotMIWAE, 2e-3)],
)
def test_linear_decoders_of_mixed_tables_learn_at_the_rate_of_linear_ones(make, rate):
    data = mixed()
    found = usual_settings(make(data, latent_dim=1), data, None, None)
    assert found == {"learning_rate": rate}
    all_rows = usual_settings(make(data, latent_dim=1), data, None, None, {"validation": 0.0})
    assert all_rows == {"steps": 5000, "learning_rate": rate}


def test_what_is_given_stays():
    data = mixed()
    assert usual_settings(ab.PPCA(data, latent_dim=1), data, None, None) == {}
    model = ab.PPCA(data, latent_dim=1, encoder="mask-aware")
    assert usual_settings(model, data, 7, None) == {"steps": 7, "learning_rate": 1e-2}
    assert usual_settings(model, data, None, 0.5) == {"learning_rate": 0.5}
    counted = usual_settings(model, data, None, None, {"patience": 3})
    assert counted == {"steps": 5000, "learning_rate": 1e-2}
    numbers = ab.IncompleteData.from_numpy(np.array([[1.0, np.nan], [0.0, 2.0], [3.0, 1.0]]))
    linear = ab.PPCA(numbers, latent_dim=1)
    assert usual_settings(linear, numbers, None, None) == {}
    slow = usual_settings(linear, numbers, None, None, {"batch_size": 2})
    assert slow == {"learning_rate": 1e-2}


@pytest.mark.parametrize(("make", "rate"), [(with_network(ab.PPCA), 1e-2), (ab.MIWAE, 2e-3)])
def test_fit_has_the_same_rate_where_none_is_given(make, rate):
    data = mixed()
    quick = {"schedule": "until-flat", "steps": 2, "progress": False, "check": False}
    assert ab.fit(make(data, latent_dim=1), data, **quick).settings.learning_rate == rate
    given = ab.fit(make(data, latent_dim=1), data, learning_rate=0.03, **quick)
    assert given.settings.learning_rate == 0.03
