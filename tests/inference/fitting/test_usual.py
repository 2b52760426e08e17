"""The settings that follow from a model where its user gives none."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.fitting.usual import usual_settings


def mixed():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.normal(size=40), "job": rng.choice(["a", "b"], size=40)})
    return ab.IncompleteData.from_frame(frame.mask(rng.random(frame.shape) < 0.2))


@pytest.mark.parametrize(
    ("make", "rate"), [(ab.NotMIWAEPPCA, 1e-2), (ab.PPCA, 1e-2), (ab.NotMIWAE, 2e-3)]
)
def test_linear_decoders_of_mixed_tables_learn_at_the_rate_of_linear_ones(make, rate):
    data = mixed()
    found = usual_settings(make(data, latent_dim=1), data, None, None, 3000)
    assert found == {"learning_rate": rate}
    all_rows = usual_settings(make(data, latent_dim=1), data, None, None, 3000, {"validation": 0.0})
    assert all_rows == {"steps": 3000, "learning_rate": rate}


def test_what_is_given_stays():
    data = mixed()
    model = ab.PPCA(data, latent_dim=1)
    assert usual_settings(model, data, 7, None, 3000) == {"steps": 7, "learning_rate": 1e-2}
    assert usual_settings(model, data, None, 0.5, 3000) == {"learning_rate": 0.5}
    counted = usual_settings(model, data, None, None, 3000, {"patience": 3})
    assert counted == {"steps": 3000, "learning_rate": 1e-2}
    numbers = ab.IncompleteData.from_numpy(np.array([[1.0, np.nan], [0.0, 2.0], [3.0, 1.0]]))
    linear = ab.PPCA(numbers, latent_dim=1)
    assert usual_settings(linear, numbers, None, None, 9) == {}
    slow = usual_settings(linear, numbers, None, None, 9, {"batch_size": 2})
    assert slow == {"learning_rate": 1e-2}
