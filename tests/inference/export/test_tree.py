"""The export to ArviZ: groups, coordinates, and the numbers in them."""

import warnings

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference import effective_sample_size, pareto_khat
from absentia.inference.export import compat as arviz_compat
from absentia.inference.export.compat import arviz


def table(n=120, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal([10.0, 0.0], [[4.0, 1.6], [1.6, 1.0]], size=n)
    frame = pd.DataFrame(rows, columns=["a", "b"], index=[f"r{k}" for k in range(n)])
    frame.loc[rng.random(n) < 1 / (1 + np.exp(-1.5 * frame["b"])), "a"] = np.nan
    return frame


@pytest.fixture(scope="module")
def fitted():
    frame = table()
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "a ~ b", scale="column")
    # to its end, since the draws of the parameters are of a Normal around the maximum
    return frame, data, ab.fit(model, data, validation=0.0, progress=False)


@pytest.fixture(scope="module")
def tree(fitted):
    return ab.to_arviz(fitted[2], fitted[1], draws=200, particles=100, z=True)


def test_groups_and_coordinates(fitted, tree):
    frame, data, _ = fitted
    posterior = tree["posterior"]
    assert posterior["x"].dims == ("chain", "draw", "cell")
    assert posterior["x"].shape == (1, 200, frame["a"].isna().sum())
    assert list(posterior["row_of"].values) == list(frame.index[frame["a"].isna()])
    assert set(posterior["column_of"].values) == {"a"}
    assert posterior["z"].dims == ("chain", "draw", "row", "latent")
    assert posterior["a ~ b"].shape == (1, 200)
    assert tree["posterior_predictive"]["x"].shape == (1, 200, 120, 2)
    observed = tree["observed_data"]
    assert np.array_equal(observed["s"].values, frame.notna().to_numpy())
    cell = observed["x"].sel(row="r3", column="b")
    assert float(cell) == frame.loc["r3", "b"]
    assert np.allclose(tree["constant_data"]["scale"], data.scaler.scale)
    assert tree["log_likelihood"]["row"].shape == (1, 200, 120)
    assert "R-hat says nothing" in tree["posterior"].attrs["note"]


def test_draws_are_those_of_the_posterior(fitted, tree):
    """Their means are those of imputation, within the spread that the parameters add."""
    frame, data, result = fitted
    filled = ab.impute(result, data, 5000)
    gone = frame["a"].isna().to_numpy()
    mean, sd = filled.mean[gone, 0], filled.sd[gone, 0]
    found = tree["posterior"]["x"].values[0]
    error = (found.mean(0) - mean) / (sd / np.sqrt(200))
    assert np.sqrt((error**2).mean()) < 1.4
    assert np.median(found.std(0) / sd) == pytest.approx(1.05, abs=0.08)
    coefficient = tree["posterior"]["a ~ b"].values[0]
    wald = ab.inference.coefficient_posterior(result, data).loc["a ~ b"]
    assert coefficient.mean() == pytest.approx(wald["estimate"], abs=4 * wald["sd"] / 200**0.5)
    assert coefficient.std() == pytest.approx(wald["sd"], rel=4 / (2 * 200) ** 0.5)


def test_diagnostics_agree_with_arvizs(tree):
    """ESS and k-hat, to 1e-6, of the very weights that are in the export."""
    stats = tree["sample_stats"]
    log_weight = stats["log_weight"].values
    _, khat = arviz_compat.psis(log_weight)
    ours = stats["khat"].values
    finite = np.isfinite(ours)
    assert np.allclose(ours[finite], khat[finite], atol=1e-6)
    weight = np.exp(log_weight)
    assert np.allclose(weight.sum(0), 1.0)
    assert np.allclose(stats["ess"], 1 / (weight**2).sum(0), rtol=1e-6)


def test_diagnostics_agree_with_arvizs_where_weights_are_uneven():
    import torch

    generator = torch.Generator().manual_seed(0)
    log_weight = 2 * torch.randn(2000, 6, generator=generator, dtype=torch.float64)
    _, khat = arviz_compat.psis(log_weight.numpy())
    # ArviZ 1.x chooses the tail differently: the same to a twentieth, not to the digit
    most = 0.05 if arviz_compat.IS_ONE else 1e-6
    assert np.allclose(pareto_khat(log_weight), khat, atol=most)
    weight = np.exp(log_weight.numpy())
    kish = weight.sum(0) ** 2 / (weight**2).sum(0)
    assert np.allclose(effective_sample_size(log_weight), kish, rtol=1e-9)


def test_arviz_reads_it(tree):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loo = arviz_compat.loo(tree)
        summary = arviz.summary(tree, var_names=["a ~ b"])
    assert loo.elpd_loo if hasattr(loo, "elpd_loo") else loo.elpd
    mean = float(tree["posterior"]["a ~ b"].mean())
    assert float(summary["mean"].iloc[0]) == pytest.approx(mean, abs=0.01)


def test_loo_is_leaving_a_row_out(fitted, tree):
    """Against refits without the row: a Gaussian regression's elpd by brute force is near."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loo = arviz_compat.loo(tree)
    total = loo.elpd_loo if hasattr(loo, "elpd_loo") else loo.elpd
    _, data, result = fitted
    within = ab.check.held_out_bound(result, data, 500).sum()
    # 7 effective parameters: five of a Gaussian in the plane, two of the mechanism
    assert within - total == pytest.approx(7, abs=3)


def test_parameters_held_and_a_model_without_a_mechanism(fitted):
    _, data, _ = fitted
    mar = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=50, progress=False)
    tree = ab.to_arviz(mar, data, draws=10, particles=20, parameters="fixed")
    assert list(tree["posterior"].data_vars) == ["x"]
    likelihood = tree["log_likelihood"]["row"].values[0]
    assert np.allclose(likelihood, likelihood[0])  # exact, and always at the same parameters


def test_covariates_are_in_the_constants():
    frame = table(40).assign(age=np.arange(40.0))
    data = ab.IncompleteData.from_frame(frame, covariates=["age"])
    model = ab.NotMIWAEPPCA(data, "a ~ age", latent_dim=1)
    fitted = ab.fit(model, data, steps=20, progress=False)
    tree = ab.to_arviz(fitted, data, draws=3, particles=20, parameters="fixed")
    assert tree["constant_data"]["covariates"].shape == (40, 1)
