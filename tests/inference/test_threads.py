"""Threads get the numbers that they would get one after another."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import absentia as ab


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    found = rng.normal(size=(60, 3)) + rng.normal(size=(60, 1))
    found[found[:, 0] > 0.8, 0] = np.nan
    return found


def fitted_and_imputed(rows, seed, kind=ab.NotMIWAE):
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(kind(data, latent_dim=1, seed=seed), data, steps=8, seed=seed, progress=False)
    filled = ab.impute(fitted, data, particles=40, seed=seed)
    return np.stack([filled.mean, filled.draws(1)[0]])


@pytest.mark.parametrize("kind", [ab.NotMIWAE, ab.NotMIWAEPPCA, ab.models.GNR])
@pytest.mark.thin(1)
def test_fits_and_imputations_beside_each_other(rows, kind):
    expected = [fitted_and_imputed(rows, seed, kind) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: fitted_and_imputed(rows, seed, kind), range(4)))
    np.testing.assert_array_equal(found, expected)


def test_other_computations_beside_each_other(rows):
    data = ab.IncompleteData.from_numpy(rows)
    model = ab.NotMIWAEPPCA(data, sign="+", latent_dim=1)
    fitted = ab.fit(model, data, steps=100, learning_rate=1e-2, progress=False)
    jobs = [
        lambda: ab.inference.coefficient_posterior(fitted, data, polish=0)["sd"].to_numpy(),
        lambda: (
            ab.multiple_imputation(fitted, data, m=2, parameters="fixed").frames()[1].to_numpy()
        ),
        lambda: ab.check.check_mask(fitted, data, replications=4).rates.to_numpy(dtype=float),
        lambda: ab.check.held_out_bound(fitted, data, 30).numpy(),
        lambda: ab.impute(fitted, data, 30).mean,
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit as short as this; the filters are all threads'
        expected = [job() for job in jobs]
        with ThreadPoolExecutor(5) as pool:
            found = [one.result() for one in [pool.submit(job) for job in jobs]]
    for mine, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, right)


def test_grid_search_under_the_threading_backend(rows):
    def search():
        imputer = ab.MNARImputer(steps=5, particles=20, random_state=0)
        return GridSearchCV(imputer, {"latent_dim": [1, 2]}, cv=2).fit(rows)

    expected = search().cv_results_["mean_test_score"]
    with joblib.parallel_config(backend="threading", n_jobs=3):
        found = search().cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)
