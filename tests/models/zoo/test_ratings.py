"""not-MIWAE for ratings: one slope, sparse rows as the dense table, and self-selection undone."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.fitting.batches import Batches
from absentia.models import Ignorable, MixedDecoder, SetEncoder


def selected(n=300, p=30, slope=2.0, seed=0):
    """Ratings of a factor model, of which the liked ones are given: complete, and chosen."""
    rng = np.random.default_rng(seed)
    whole = 3 + rng.normal(size=(n, 2)) @ rng.normal(size=(2, p)) * 0.7
    whole += 0.4 * rng.normal(size=(n, p))
    seen = rng.random((n, p)) < 1 / (1 + np.exp(-(slope * (whole - 3) - 1.5)))
    return whole, seen


def ratings(whole, seen, **options):
    user, item = seen.nonzero()
    return ab.data.Ratings.from_triples(
        user, item, whole[user, item], num_users=len(whole), **options
    )


def test_sparse_rows_have_the_bound_of_the_table():
    whole, seen = selected(40, 8)
    data = ratings(whole, seen, dtype=torch.float64)
    model = ab.models.RatingsNotMIWAE(data, sign="-", latent_dim=2).double()
    dense = ab.IncompleteData.from_numpy(
        np.where(seen, whole, np.nan), dtype=torch.float64, columns=data.columns
    ).rescaled(data.scaler)
    rows = torch.arange(40)
    bounds = []
    for x, s in ((data.x[rows], data.s[rows]), (dense.x, dense.s)):
        torch.manual_seed(1)
        bounds.append(ab.ImportanceWeightedELBO(5).bound(model.model, model.guide, x, s))
    torch.testing.assert_close(*bounds)


def test_batches_of_sparse_rows_are_those_of_a_table():
    data = ratings(*selected(30, 6))
    whole = data.x[:], data.s[:]
    one, two = Batches(data.x, data.s, 7, seed=3), Batches(*whole, 7, seed=3)
    for _ in range(9):
        for a, b in zip(one.next(), two.next(), strict=True):
            assert torch.equal(a, b)


def test_one_slope_serves_all_items():
    data = ratings(*selected(40, 8))
    mechanism = ab.models.RatingsNotMIWAE(data, sign="-").missingness
    assert mechanism.raw_slope.shape == (1,)
    assert mechanism.offset.shape == (8,)
    assert len(set(mechanism.slope.tolist())) == 1
    assert mechanism.slope[0] > 0  # low ratings go missing
    assert mechanism.estimands()["slope"].shape == (1,)
    assert mechanism.known(5) == "direction"
    torch.testing.assert_close(
        mechanism.offset.sigmoid().double(), data.observed_rate(), atol=5e-3, rtol=0
    )
    with pytest.raises(ValueError, match="shared=True"):
        ab.models.SelfMasking(3, sign=["+", "-", "+"], shared=True)
    with pytest.raises(ValueError, match="shared= or prior_scale="):
        ab.models.SelfMasking(3, prior_scale=1.0, shared=True)


def test_the_set_encoder_sums_over_what_is_there():
    torch.manual_seed(0)
    encoder = SetEncoder(5, 2, hidden=[4], embedding_dim=3, set_dim=6)
    x, s = torch.randn(7, 5), torch.rand(7, 5) < 0.5
    h = torch.zeros(7, 6)
    for i in range(7):
        for j in range(5):
            if s[i, j]:
                e = encoder.embedding[j]
                h[i] += encoder.element(torch.cat([x[i, j] * e, e]))
    expected = encoder.heads(encoder.network(h / 5**0.5))
    torch.testing.assert_close(encoder(x, s).mean, expected.mean)


@pytest.mark.slow
def test_self_selection_is_undone():
    whole, seen = selected()
    data = ratings(whole, seen)
    user, item = (~seen).nonzero()
    error = {}
    for name in ("self-masking", "ignorable"):
        model = ab.models.RatingsNotMIWAE(data, name, latent_dim=3, hidden=[], seed=0)
        fitted = ab.fit(model, data, steps=600, particles=5, learning_rate=1e-2, progress=False)
        found = ab.inference.predict_ratings(fitted, data, user, item, 200)
        error[name] = np.mean((found - whole[user, item]) ** 2)
    assert error["self-masking"] < 0.75 * error["ignorable"]


def test_ratings_are_predicted_in_their_units(tmp_path):
    whole, seen = selected(60, 8)
    data = ratings(whole, seen)
    fitted = ab.fit(ab.models.RatingsNotMIWAE(data, latent_dim=2), data, steps=10, progress=False)
    user, item = seen.nonzero()
    np.testing.assert_allclose(
        ab.inference.predict_ratings(fitted, data, user, item, 5), whole[user, item]
    )
    pairs = np.array([[59, 0], [3, 7], [3, 2], [0, 1]])
    found = ab.inference.predict_ratings(fitted, data, *pairs.T, particles=50, seed=1)
    ab.save(fitted, tmp_path / "model")
    again = ab.inference.predict_ratings(
        ab.load(tmp_path / "model"), data, *pairs.T, particles=50, seed=1
    )
    np.testing.assert_allclose(again, found)
    assert (np.abs(found - data.values.numpy().mean()) < 10 * data.values.numpy().std()).all()
    with pytest.raises(ValueError, match=r"user 60.*0 to 59"):
        ab.inference.predict_ratings(fitted, data, [60], [0])


def test_levels_are_averaged_by_their_chances():
    rng = np.random.default_rng(0)
    whole = rng.integers(1, 6, (50, 6)).astype(float)
    data = ratings(whole, rng.random((50, 6)) < 0.5, levels=[1, 2, 3, 4, 5])
    model = ab.models.RatingsNotMIWAE(data, latent_dim=2, hidden=[])
    assert isinstance(model.decoder, MixedDecoder)
    found = ab.inference.predict_ratings(
        model, data, np.arange(50), np.zeros(50, int), 20, unfitted=True
    )
    assert ((found >= 1) & (found <= 5)).all()
    fitted = ab.fit(model, data, steps=5, progress=False)
    assert np.isfinite(fitted.bound)


def test_by_default_exposure_has_a_latent_and_the_slope_is_shrunk():
    data = ratings(*selected(40, 8))
    usual = ab.models.RatingsNotMIWAE(data, latent_dim=2).missingness
    assert usual.mask_latent_dim == 5
    assert usual.own.shrinkage == 0.5
    assert usual.own.shared
    signed = ab.models.RatingsNotMIWAE(data, sign="-", latent_dim=2).missingness
    assert signed.mask_latent_dim == 0
    assert signed.shrinkage is None


def test_what_does_not_fit_is_refused():
    data = ratings(*selected(40, 8))
    with pytest.raises(ValueError, match="'linear' is not one of auto, self-masking, ignorable"):
        ab.models.RatingsNotMIWAE(data, "linear")
    with pytest.raises(ValueError, match="sign= is only used"):
        ab.models.RatingsNotMIWAE(data, "ignorable", sign="+")
    model = ab.models.RatingsNotMIWAE(data, Ignorable(8))
    assert model.missingness.ignorable
    with pytest.raises(ValueError, match=r"model.*columns"):
        ab.fit(model, ratings(*selected(40, 9)), steps=1)
    with pytest.raises(TypeError, match=r"read it with Ratings\.from_triples"):
        ab.models.RatingsNotMIWAE(ab.IncompleteData.from_numpy(np.ones((3, 2))))
    for call in (ab.impute, ab.check.held_out_bound, ab.check.check_values, ab.report):
        with pytest.raises(TypeError, match=r"Ratings.*predict_ratings"):
            call(model, data, *(["x.html"] if call is ab.report else []))
    with pytest.raises(TypeError, match=r"Ratings.*read it with"):
        ab.models.GNR(data)


def test_pairs_that_are_none_are_refused():
    data = ratings(*selected(40, 8))
    fitted = ab.fit(ab.models.RatingsNotMIWAE(data, latent_dim=1), data, steps=2, progress=False)
    assert ab.inference.predict_ratings(fitted, data, [], [], 5).shape == (0,)
    with pytest.raises(ValueError, match=r"user 0.9.*position"):
        ab.inference.predict_ratings(fitted, data, [0.9], [0])
    with pytest.raises(ValueError, match="2 users and 1 items"):
        ab.inference.predict_ratings(fitted, data, [0, 1], [0])
    with pytest.raises(ValueError, match="particles is 0"):
        ab.inference.predict_ratings(fitted, data, [0], [0], 0)
    with pytest.raises(ValueError, match=r"rule.*posterior"):
        ab.inference.predict_ratings(fitted, data, [0], [0], rule="mean")
    rng = np.random.default_rng(0)
    whole = rng.integers(1, 6, (40, 8)).astype(float)
    other = ratings(whole, rng.random((40, 8)) < 0.6, levels=[1, 2, 3, 4, 5])
    with pytest.raises(ValueError, match="was fitted to ratings with levels"):
        ab.inference.predict_ratings(fitted, other, [0], [0])


@pytest.mark.slow
def test_who_sees_what_is_not_taken_for_taste(tmp_path):
    """Two kinds of users are shown two halves of the items; what they rate is left to chance.

    One slope alone must explain the halves: it takes what was never shown for disliked. With a
    latent of exposure the slope is near zero, and the bound on held-out rows says which to trust.
    """
    rng = np.random.default_rng(0)
    n, p = 200, 12
    shown = (np.arange(p) // 6) == rng.integers(2, size=n)[:, None]
    seen = rng.random((n, p)) < np.where(shown, 0.6, 0.03)
    whole = 3 + rng.normal(size=(n, 1)) * 0.6 + rng.normal(size=(n, p)) * 0.6
    data = ratings(whole, seen)
    user, item = (~seen).nonzero()
    bound, error = {}, {}
    for dims in (0, 1):
        model = ab.models.RatingsNotMIWAE(
            data, "self-masking", latent_dim=2, hidden=[32], mask_latent_dim=dims
        )
        fit = ab.fit(
            model, data, steps=250, particles=5, batch_size=64, learning_rate=5e-3, progress=False
        )
        found = ab.inference.predict_ratings(fit, data, user, item, particles=200)
        bound[dims] = fit.bound
        error[dims] = np.sqrt(np.mean((found - whole[user, item]) ** 2))
    assert bound[1] > bound[0] + 0.3  # nats a user
    assert error[0] > 1.5
    assert error[1] < 0.75  # .6 is noise
    assert abs(float(fit.model.missingness.own.slope[0].detach())) < 0.3
    fit.save(tmp_path / "fit")
    again = ab.inference.predict_ratings(ab.load(tmp_path / "fit"), data, user, item, particles=200)
    np.testing.assert_array_equal(again, found)
