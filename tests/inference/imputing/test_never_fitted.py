"""A model that was never fitted says so; one that was trained, in whatever way, does not."""

import copy
import pickle

import numpy as np
import pyro
import pytest
import torch

import absentia as ab


@pytest.fixture
def data():
    found = np.random.default_rng(0).normal(size=(30, 2))
    found[found[:, 0] > 0.5, 0] = np.nan
    return ab.IncompleteData.from_numpy(found)


def impute(model, data, **options):
    return ab.impute(model, data, particles=10, refine=False, draws=0, **options)


def test_a_model_that_was_never_fitted_is_refused(data):
    model = ab.NotMIWAE(data, "self-masking", latent_dim=1)
    for same in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.double()):
        with pytest.raises(ValueError, match=r"was never fitted.*absentia\.fit.*unfitted=True"):
            impute(same, data)
    assert np.isfinite(impute(model, data, unfitted=True).mean).all()


def test_other_predictions_too(data):
    supervised = data.with_target(data.x[:, 1].numpy())
    with pytest.raises(ValueError, match="was never fitted"):
        ab.inference.predict(ab.models.SupervisedNotMIWAE(supervised, latent_dim=1), data)
    ratings = ab.data.Ratings.from_triples([0, 0, 1], [0, 1, 1], [5.0, 4.0, 1.0])
    with pytest.raises(ValueError, match="was never fitted"):
        ab.inference.predict_ratings(
            ab.models.RatingsNotMIWAE(ratings, latent_dim=1), ratings, [0], [1]
        )


def test_a_fit_however_it_is_kept(data, tmp_path):
    model = ab.NotMIWAE(data, "self-masking", latent_dim=1)
    # a rate at which nothing moves in float32: a fit is a fit
    fitted = ab.fit(model, data, steps=1, learning_rate=1e-30, progress=False)
    expected = impute(fitted, data).mean
    fitted.save(tmp_path)
    loaded = ab.load(tmp_path)
    for one in (model, copy.deepcopy(model), loaded, loaded.model):
        np.testing.assert_array_equal(impute(one, data).mean, expected)


def test_loops_of_ones_own(data):
    by_hand = ab.NotMIWAE(data, "self-masking", latent_dim=1)
    loss = ab.ImportanceWeightedELBO(5)(by_hand.model, by_hand.guide)
    optimiser = torch.optim.Adam(loss.parameters(), 1e-3)
    loss(data.x, data.s).backward()
    optimiser.step()
    by_svi = ab.NotMIWAE(data, "self-masking", latent_dim=1)
    svi = pyro.infer.SVI(
        by_svi.model, by_svi.guide, pyro.optim.Adam({"lr": 1e-3}), ab.ImportanceWeightedELBO(5)
    )
    svi.step(data.x, data.s)
    from_file = ab.NotMIWAE(data, "self-masking", latent_dim=1)
    from_file.load_state_dict(by_hand.state_dict())
    for model in (by_hand, by_svi, from_file):
        assert np.isfinite(impute(model, data).mean).all()


def test_nothing_to_learn_is_nothing_to_fit(data):
    model = ab.NotMIWAE(data, "self-masking", latent_dim=1)
    model.requires_grad_(False)
    other = ab.models.SelectionModel(model.decoder, model.encoder, model.missingness, data.columns)
    assert np.isfinite(impute(other, data).mean).all()
