"""Random numbers that rows share: independent between sites, of no consequence to the answer."""

import numpy as np
import pandas as pd
import pytest
import torch
from pyro.distributions import Normal, StudentT
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student_t

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.inference.randomness.shared import CommonNoise
from absentia.models import ExactConditionalEncoder, LinearMissingness
from tests.oracles import as_data, true_model

SITES = {"z": 3, "z_mask": 1, "x_unobserved": 7, "another": 6}


def uniforms(particles, seed, sites=SITES):
    """(K, all dimensions) of these sites."""
    noise = CommonNoise(particles, torch.zeros((), dtype=torch.float64), seed)
    noise.start(particles)
    return torch.cat([noise.uniform(name, size) for name, size in sites.items()], -1).numpy()


# --- the numbers ---


@pytest.mark.parametrize("particles", [40, 256, 1000, 5000])
def test_sites_and_dimensions_are_uncorrelated(particles):
    """Also between their squares, and with one another's signs: independence, not means alone."""
    upper = np.triu_indices(sum(SITES.values()), 1)
    found = []
    for seed in range(12):
        u = uniforms(particles, seed)
        for values in (u, norm.ppf(u), np.abs(u - 0.5), np.sign(u - 0.5)):
            found.append(np.corrcoef(values.T)[upper] * particles**0.5)
    # 6528 correlations in standard errors; the largest of as many normal ones is 3.9 on average
    assert np.abs(found).max() < 5.5
    assert np.sqrt(np.mean(np.square(found))) < 1.1


def test_two_sites_of_the_same_size_run_in_different_orders():
    for seed in range(20):
        u = uniforms(512, seed, {"z": 1, "x_unobserved": 1})
        assert abs(np.corrcoef(u.T)[0, 1]) < 5 / 512**0.5
        assert abs(np.corrcoef(np.argsort(u, 0).T)[0, 1]) < 5 / 512**0.5


@pytest.mark.parametrize("particles", [64, 1000])
def test_each_dimension_is_filled_evenly(particles):
    u = np.sort(uniforms(particles, 3), 0)
    middle = (np.arange(particles)[:, None] + 0.5) / particles
    # independent numbers would be 1 / sqrt(K) away
    assert np.abs(u - middle).max() < (1.0 if particles == 64 else 6.0) / particles


def test_numbers_of_a_site_follow_from_seed_and_name_alone():
    alone = uniforms(100, 1, {"x_unobserved": 7})
    among = uniforms(100, 1, {"a": 2, "x_unobserved": 7, "z": 30})
    np.testing.assert_array_equal(alone, among[:, 2:9])
    assert (uniforms(100, 2, {"x_unobserved": 7}) != alone).any(0).all()
    # names that a sum over letters would confuse
    pair = uniforms(100, 1, {"ab": 2, "ba": 2, "bC": 2})
    assert (np.abs(np.corrcoef(pair.T) - np.eye(6)) < 0.5).all()


def test_chunks_are_parts_of_one_sequence():
    noise = CommonNoise(10, torch.zeros(()), seed=0)
    whole = CommonNoise(10, torch.zeros(()), seed=0)
    whole.start(10)
    parts = []
    for count in (3, 6, 1):
        noise.start(count)
        noise.forget()  # a run that failed, and is tried again
        noise.start(count)
        parts.append(noise.uniform("z", 2))
    torch.testing.assert_close(torch.cat(parts), whole.uniform("z", 2), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_are_finite_and_distributed_as_asked(dtype):
    """Also at the ends of (0, 1), which single precision rounds to 0 and 1."""
    noise = CommonNoise(4, torch.zeros((), dtype=dtype), seed=0)
    noise.points["ends"] = torch.tensor([0.0, 1e-12, 1 - 1e-12, 1.0]).double().unsqueeze(-1)
    noise.start(4)
    zero = torch.zeros(2, 1, dtype=dtype)
    for fn in (Normal(zero, 1.0), StudentT(torch.tensor(3.0, dtype=dtype), zero, 1.0)):
        assert noise.draw("ends", fn).isfinite().all()
    noise = CommonNoise(2000, torch.zeros((), dtype=dtype), seed=0)
    noise.start(2000)
    loc = torch.tensor([[1.0], [-2.0]], dtype=dtype)
    for fn, quantile in (
        (Normal(loc, 3.0), lambda u: norm.ppf(u)),
        (StudentT(torch.tensor(5.0, dtype=dtype), loc, 3.0), lambda u: student_t.ppf(u, 5)),
    ):
        draws = noise.draw(type(fn).__name__, fn).squeeze(-1).double().numpy()
        assert draws.shape == (2000, 2)
        levels = np.array([0.05, 0.3, 0.5, 0.9])
        expected = loc.numpy().T + 3 * quantile(levels)[:, None]
        np.testing.assert_allclose(np.quantile(draws, levels, axis=0), expected, atol=0.06)


# --- the answers ---


def coupled_problem():
    """Two columns whose absence depends on both; exact means on a grid over the hidden values."""
    truth = LinearGaussian.random(2, 1, sigma=0.6, seed=4)
    slopes, offsets = np.array([[-2.0, 1.5], [1.0, -1.5]]), np.array([0.3, 0.5])
    _, x = truth.sample(400, seed=1)
    rng = np.random.default_rng(2)
    s = rng.random(x.shape) < expit(x @ slopes.T + offsets)
    hidden = [rows[:3] for rows in map(np.flatnonzero, (~s.any(1), ~s[:, 0] & s[:, 1]))]
    keep = np.concatenate([*hidden, np.flatnonzero(s[:, 0] & ~s[:, 1])[:3], [0]])
    x, s = x[keep], s[keep]
    mechanism = LinearMissingness(2)
    with torch.no_grad():
        mechanism.linear.weight.copy_(torch.as_tensor(slopes))
        mechanism.linear.bias.copy_(torch.as_tensor(offsets))
    data = as_data(x, s)
    model = true_model(truth, mechanism, ExactConditionalEncoder(2, 1), data.columns)
    sd = np.sqrt(np.diag(truth.covariance))
    exact = x.copy()
    for i, seen in enumerate(s):
        axes = [
            np.array([x[i, j]]) if seen[j] else truth.mean[j] + sd[j] * np.linspace(-7, 7, 801)
            for j in range(2)
        ]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        centred = grid - truth.mean
        log_density = -0.5 * (centred * np.linalg.solve(truth.covariance, centred.T).T).sum(1)
        rates = expit(grid @ slopes.T + offsets)
        share = np.exp(log_density) * np.where(seen, rates, 1 - rates).prod(1)
        exact[i] = share @ grid / share.sum()
    return data, model, exact, s


def test_where_several_sites_are_drawn_means_converge_to_the_exact_ones():
    data, model, exact, s = coupled_problem()
    error = {}
    for particles in (100, 3000, 60_000):
        offs = []
        for seed in range(4):
            found = ab.impute(
                model, data, particles, refine=False, draws=0, independent_rows=True, seed=seed
            )
            off = (found.mean - exact)[~s]
            # a hundred particles judge their own error by a few heavy ones
            allowed = 4 if particles > 100 else 6
            assert (np.abs(off) < allowed * found.mcse[~s]).all(), (particles, seed)
            offs.append(off)
        error[particles] = np.sqrt(np.mean(np.square(offs)))
    assert error[3000] < 0.5 * error[100]
    assert error[60_000] < 0.5 * error[3000]
    assert error[60_000] < 0.01


MECHANISMS = {
    "self-masking": "self-masking",
    "self-masking-probit": "self-masking-probit",
    "limit": "limit",
    "two-sided": "two-sided",
    "spline": "spline",
    "linear": "linear",
    "nonlinear": "nonlinear",
    "latent": "latent",
    "mask-latent": "mask-latent",
    "formula of its own value": "a + b + c ~ a + c",
    "formulas that read each other": {"a": "a + b", "b": "b + c", "c": "c"},
    "formulas of latents and absence": {"a": "latent", "b": "b + is_missing(a)", "c": "a"},
}


def incomplete_table(rows):
    rng = np.random.default_rng(5)
    x = rng.multivariate_normal([0, 0, 0], 0.4 + 0.6 * np.eye(3), size=rows)
    x[rng.random(x.shape) < expit(1.2 * x - 0.5)] = np.nan
    return pd.DataFrame(x, columns=list("abc"))


def transform_against_impute(what, rows, particles, fits):
    """Differences of their means over the missing cells in standard errors, (fits, cells)."""
    frame = incomplete_table(rows)
    hidden = frame.isna().to_numpy()
    found = []
    for seed in range(fits):
        imputer = ab.MNARImputer(
            missingness=what,
            sign="+" if what == "limit" else None,
            latent_dim=2,
            steps=60,
            learning_rate=5e-2,
            particles=particles,
            random_state=seed,
        )
        ours = np.asarray(imputer.fit_transform(frame))
        data = ab.IncompleteData.from_frame(frame, like=imputer.result_, dtype=torch.float64)
        theirs = ab.impute(imputer.result_, data, 4 * particles, refine=False, draws=0, seed=1)
        # the errors of four times as many particles are half as large
        error = (1 + 4) ** 0.5 * theirs.mcse[hidden]
        found.append((ours - theirs.mean)[hidden] / error)
    return np.array(found)


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.thin(4)
def test_transform_says_what_impute_says(name):
    slow = name in ("two-sided", "spline")  # a rule of many nodes a cell
    drawn = name in ("linear", "nonlinear") or name.startswith("formulas")
    off = transform_against_impute(MECHANISMS[name], 14, 100 if slow else 800, 2 if drawn else 1)
    assert np.abs(off).max() < 4.5
