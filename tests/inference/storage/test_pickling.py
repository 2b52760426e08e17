"""Pickles, copies and joblib's files of everything that a fit leaves in a session."""

import copy
import io
import multiprocessing
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from pyro.distributions import Bernoulli

import absentia as ab


@ab.missingness(elementwise=True)
def hides_the_middle(x):
    """A decorated function at module level, as the README writes it."""
    return Bernoulli(logits=x**2)


def plain(x):
    return Bernoulli(logits=x**2)


of_plain = ab.missingness(elementwise=True)(plain)


class Holder:
    @ab.missingness(elementwise=True)
    def inside(x):
        return Bernoulli(logits=x**2)


def through_joblib(what):
    file = io.BytesIO()
    joblib.dump(what, file)
    file.seek(0)
    return joblib.load(file)


def through_torch(what):
    file = io.BytesIO()
    torch.save(what, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


WAYS = {
    **{
        f"pickle {k}": (lambda what, k=k: pickle.loads(pickle.dumps(what, k)))
        for k in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.deepcopy,
    "joblib": through_joblib,
    "torch": through_torch,
}


@pytest.fixture(scope="module")
def holed():
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[np.abs(x[:, 0]) < 0.4, 0] = np.nan
    return x


@pytest.mark.parametrize("mechanism", [hides_the_middle, of_plain, Holder.inside], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_a_mechanism_of_a_function(mechanism, way):
    made = WAYS[way](mechanism)
    x = torch.randn(4, 3)
    ones = torch.ones(4, 3)
    assert torch.equal(made(x).log_prob(ones), mechanism(x).log_prob(ones))
    assert made.function is mechanism.function
    assert made.config["function"] is mechanism.function
    assert repr(made) == repr(mechanism)


@pytest.mark.parametrize("mechanism", [hides_the_middle, of_plain], ids=["decorated", "called"])
def test_an_imputer_with_such_a_mechanism(mechanism, holed):
    imputer = ab.MNARImputer(missingness=mechanism, steps=3, particles=20, random_state=0)
    for way in WAYS.values():
        assert way(imputer).missingness.function is mechanism.function
    expected = imputer.fit(holed).transform(holed)
    for name, way in WAYS.items():
        np.testing.assert_array_equal(way(imputer).transform(holed), expected, err_msg=name)


def test_a_function_inside_a_function_can_be_copied_only(holed):
    @ab.missingness(elementwise=True)
    def local(x):
        return Bernoulli(logits=x**2)

    assert copy.deepcopy(local).function is local.function
    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(local)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork: quick to start"
)
def test_another_process_takes_and_returns_it(holed):
    imputer = ab.MNARImputer(missingness=hides_the_middle, steps=3, particles=20, random_state=0)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        (returned,) = pool.map(copy.copy, [imputer.fit(holed)])
    np.testing.assert_array_equal(returned.transform(holed), imputer.transform(holed))


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=40), "c": rng.choice(["a", "b", "d"], 40)})
    frame.loc[::3, "x"] = np.nan
    frame.loc[::4, "c"] = None
    return frame


@pytest.mark.parametrize(
    "why",
    [
        "spline",
        "nonlinear",
        "mask-latent",
        "x ~ bs(x, df=4) + c + latent",
        ab.missing("x ~ x", prior=torch.distributions.Normal(0.0, 1.0)),
    ],
    ids=["spline", "nonlinear", "mask-latent", "formula", "prior"],
)
@pytest.mark.thin(2)
def test_whole_fits(why, frame):
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAE(data, why, hidden=[3], latent_dim=1)
    fitted = ab.fit(model, data, steps=2, particles=5, progress=False)
    imputed = ab.impute(fitted, data, 20, draws=2, seed=1)
    for name, way in WAYS.items():
        other_fit, other_data, other = way(fitted), way(data), way(imputed)
        pd.testing.assert_frame_equal(other_data.to_frame(), frame)
        again = ab.impute(other_fit, other_data, 20, draws=2, seed=1)
        for found in (other, again):
            np.testing.assert_array_equal(found.mean, imputed.mean, err_msg=name)
            np.testing.assert_array_equal(found.draws(2), imputed.draws(2), err_msg=name)
