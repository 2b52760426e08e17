from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.special import expit, log_expit, log_ndtr
from scipy.stats import multivariate_normal, norm

from absentia.data.datasets.exact_self_masking import HiddenEntry
from absentia.data.datasets.synthetic import LinearGaussian, gaussian_2d, ring

LINKS = {"logit": log_expit, "probit": log_ndtr}


def hidden_by_quad(mu, sigma, slope, offset, link):
    """P(s = 0) and E[x | s = 0] by adaptive quadrature, split where the mechanism is steep."""
    knee = np.clip(-offset / slope, mu - 14 * sigma, mu + 14 * sigma)
    points = sorted({mu, knee, *np.clip(knee + np.array([-5, 5]) / slope, mu - 14, mu + 14)})

    def integrate(g):
        edges = [mu - 14 * sigma, *[q for q in points if abs(q - mu) < 14 * sigma], mu + 14 * sigma]
        return sum(
            quad(g, lo, hi, epsabs=0, epsrel=1e-12, limit=400)[0] for lo, hi in pairwise(edges)
        )

    def density(x):
        return np.exp(LINKS[link](-slope * x - offset)) * norm.pdf(x, mu, sigma)

    p = integrate(density)
    return p, mu + integrate(lambda x: (x - mu) * density(x)) / p


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("steepness", [0.1, 1.0, 5.0, 30.0, -30.0])
@pytest.mark.thin(5)
def test_a_hidden_entry_agrees_with_adaptive_quadrature(link, steepness):
    sigma, offset = 0.6, 0.4
    slope = steepness / sigma
    entry = HiddenEntry(slope, offset, sigma, link)
    mu = np.array([-1.5, -0.2, 0.0, 0.7, 2.0])
    expected = np.array([hidden_by_quad(m, sigma, slope, offset, link) for m in mu])
    np.testing.assert_allclose(np.exp(entry.log_prob(mu)), expected[:, 0], rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(entry.mean(mu), expected[:, 1], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("steepness", [0.01, 0.5, 3.0, 30.0])
def test_the_table_agrees_with_the_direct_sum(steepness):
    entry = HiddenEntry(steepness / 0.2, 1.0, 0.2, "logit")
    mu = np.random.default_rng(0).uniform(-4, 4, size=4000)
    few = mu[:200]
    np.testing.assert_allclose(entry.log_prob(mu)[:200], entry.log_prob(few), rtol=0, atol=1e-10)
    np.testing.assert_allclose(entry.mean(mu)[:200], entry.mean(few), rtol=0, atol=1e-10)


def test_no_slope_is_no_information():
    entry = HiddenEntry(0.0, 0.7, 2.0, "logit")
    for count in (3, 3000):
        mu = np.linspace(-2, 2, count)
        np.testing.assert_allclose(entry.log_prob(mu), log_expit(-0.7), rtol=1e-12)
        np.testing.assert_allclose(entry.mean(mu), mu, atol=1e-12)


def masks(n, p, seed=0):
    s = np.random.default_rng(seed).random((n, p)) < 0.6
    s[0], s[1] = True, False
    return s


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_marginal_is_the_multivariate_normal(d):
    truth = LinearGaussian.random(5, d, sigma=[0.3, 0.5, 0.7, 1.0, 0.2], seed=d)
    _, x = truth.sample(12, seed=1)
    s = masks(12, 5)
    cov = truth.weights @ truth.weights.T + np.diag(truth.sigma**2)
    expected = [
        multivariate_normal.logpdf(r[m], truth.mean[m], cov[np.ix_(m, m)]) if m.any() else 0.0
        for r, m in zip(x, s, strict=True)
    ]
    hidden = np.where(s, x, np.nan)
    np.testing.assert_allclose(truth.log_prob_observed(hidden, s), expected, rtol=1e-10)
    # Bayes: p(x) = p(x_o) p(x_m | x_o).
    for r, m in zip(x, s, strict=True):
        if m.all():
            continue
        mean, covariance = truth.conditional(r, m)
        joint = multivariate_normal.logpdf(r, truth.mean, cov)
        rest = multivariate_normal.logpdf(r[~m], mean, covariance)
        observed = (
            multivariate_normal.logpdf(r[m], truth.mean[m], cov[np.ix_(m, m)]) if any(m) else 0
        )
        np.testing.assert_allclose(joint, observed + rest, rtol=1e-9)


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("slope", [-1.5, 40.0])
@pytest.mark.thin(4)
def test_one_missing_entry_is_a_single_integral(d, slope, link):
    """x_j | x_o is a univariate normal, so no latent is needed at all."""
    truth = LinearGaussian.random(4, d, sigma=0.5, seed=3)
    _, x = truth.sample(4, seed=4)
    s = ~np.eye(4, dtype=bool)
    slopes, offset = np.full(4, slope), 0.3
    expected, means = [], x.copy()
    for i in range(4):
        mean, cov = truth.conditional(x[i], s[i])
        p, means[i, i] = hidden_by_quad(mean[0], np.sqrt(cov[0, 0]), slope, offset, link)
        seen = LINKS[link](slope * x[i, s[i]] + offset).sum()
        expected.append(np.log(p) + seen)
    expected += truth.log_prob_observed(x, s)
    log_p = truth.log_prob_joint(np.where(s, x, np.nan), s, slopes, offset, link)
    np.testing.assert_allclose(log_p, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        truth.posterior_mean(x, s, slope, offset, link), means, rtol=1e-7, atol=1e-7
    )


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.thin(1)
def test_two_missing_entries_are_a_double_integral(d):
    truth = LinearGaussian.random(3, d, sigma=0.6, seed=5)
    _, x = truth.sample(1, seed=6)
    s = np.array([[True, False, False]])
    a, b = np.array([1.0, -2.0, 3.0]), np.array([0.2, 0.0, -0.5])
    mean, cov = truth.conditional(x[0], s[0])
    normal = multivariate_normal(mean, cov)
    reach = 9 * np.sqrt(np.diag(cov))

    def density(v, u):
        return expit(-a[1] * u - b[1]) * expit(-a[2] * v - b[2]) * normal.pdf([u, v])

    def integrate(g):
        box = mean[0] - reach[0], mean[0] + reach[0], mean[1] - reach[1], mean[1] + reach[1]
        return dblquad(g, *box, epsabs=1e-9, epsrel=1e-9)[0]

    p = integrate(density)
    expected = np.log(p) + log_expit(a[0] * x[0, 0] + b[0]) + truth.log_prob_observed(x, s)
    np.testing.assert_allclose(truth.log_prob_joint(x, s, a, b), expected, atol=1e-7)
    first = integrate(lambda v, u: u * density(v, u)) / p
    np.testing.assert_allclose(truth.posterior_mean(x, s, a, b)[0, 1], first, atol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_monte_carlo_agrees_when_much_is_missing(link):
    truth = LinearGaussian.random(5, 2, sigma=0.6, seed=7)
    _, x = truth.sample(1, seed=8)
    s = np.array([[True, False, False, False, False]])
    a, b = np.array([2.0, -3.0, 4.0, -1.0, 0.0]), np.zeros(5)
    mean, cov = truth.conditional(x[0], s[0])
    draws = np.random.default_rng(9).multivariate_normal(mean, cov, size=400_000)
    weight = np.exp(LINKS[link](-(a * np.insert(draws, 0, 0.0, axis=1) + b)[:, 1:]).sum(axis=1))
    known = truth.log_prob_observed(x, s) + LINKS[link](a[0] * x[0, 0])
    estimate = np.exp(truth.log_prob_joint(x, s, a, b, link) - known)
    # Four standard errors of the two Monte-Carlo means.
    assert abs(weight.mean() - estimate[0]) < 4 * weight.std() / np.sqrt(len(weight))
    exact = truth.posterior_mean(x, s, a, b, link)[0, 1:]
    ratio = weight @ draws / weight.sum()
    se = np.sqrt((weight**2) @ (draws - ratio) ** 2) / weight.sum()
    assert (np.abs(ratio - exact) < 4 * se).all()


@pytest.mark.slow
def test_probabilities_of_all_masks_sum_to_one():
    """Summed over s and integrated over the observed entry, p(x_o, s) is 1."""
    truth = LinearGaussian.random(2, 1, sigma=0.5, seed=10)
    grid = np.linspace(-9, 9, 181)[:, None] + truth.mean[0]
    step = 0.1
    a, b = [3.0, -2.0], [0.5, 0.1]
    ones = np.ones_like(grid, dtype=bool)
    # p(x_0, s_0 = 1) from both values of s_1: the second is complete, so integrate x_1 as well.
    x = np.hstack([grid, np.zeros_like(grid)])
    missing = np.exp(truth.log_prob_joint(x, np.hstack([ones, ~ones]), a, b)).sum() * step
    other = (
        np.exp(
            truth.log_prob_joint(
                x[:, ::-1] + [0, truth.mean[1] - truth.mean[0]], np.hstack([~ones, ones]), a, b
            )
        ).sum()
        * step
    )
    u, v = np.meshgrid(grid[:, 0], grid[:, 0] - truth.mean[0] + truth.mean[1])
    both = np.stack([u.ravel(), v.ravel()], axis=1)
    complete = np.exp(truth.log_prob_joint(both, np.ones_like(both), a, b)).sum() * step**2
    nothing = np.exp(truth.log_prob_joint(x[:1], np.zeros((1, 2)), a, b)[0])
    np.testing.assert_allclose(missing + other + complete + nothing, 1.0, atol=1e-8)


def test_sampling_has_the_stated_moments_and_seed():
    truth = LinearGaussian.random(3, 2, sigma=0.4, seed=11)
    z, x = truth.sample(100_000, seed=12)
    cov = truth.covariance
    se = np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / 100_000)
    assert (np.abs(np.cov(x.T) - cov) < 4.5 * se).all()
    assert (np.abs(x.mean(axis=0) - truth.mean) < 4.5 * np.sqrt(np.diag(cov) / 100_000)).all()
    again = truth.sample(100_000, seed=12)
    np.testing.assert_array_equal(z, again[0])
    assert (truth.sample(5, seed=13)[1] != x[:5]).all()


def test_bad_models_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\), mean \(2,\)"):
        LinearGaussian(np.zeros((3, 2)), np.zeros(2), np.array(1.0))
    with pytest.raises(ValueError, match="positive"):
        LinearGaussian(np.zeros((3, 2)), np.zeros(3), np.array(0.0))
    wide = LinearGaussian.random(4, 3, sigma=1.0, seed=0)
    x, s = np.zeros((1, 4)), np.zeros((1, 4), dtype=bool)
    with pytest.raises(ValueError, match="3 latents"):
        wide.log_prob_joint(x, s, 1.0, 0.0)
    with pytest.raises(ValueError, match="x has 3 columns; give 4"):
        wide.log_prob_observed(x[:, :3], s[:, :3])
    with pytest.raises(ValueError, match="'logit' or 'probit'"):
        LinearGaussian.random(4, 1, 1.0, 0).log_prob_joint(x, ~s, 1.0, 0.0, "tanh")


def test_gaussian_2d_and_ring():
    x = gaussian_2d(100_000, seed=0, correlation=-0.8)
    assert abs(np.corrcoef(x.T)[0, 1] + 0.8) < 4 * 0.36 / np.sqrt(100_000)
    assert (np.abs(x.std(axis=0) - 1) < 4 / np.sqrt(2 * 100_000)).all()
    with pytest.raises(ValueError, match="correlation is 2"):
        gaussian_2d(3, seed=0, correlation=2)
    y = ring(100_000, seed=1, spread=0.2)
    distance = np.hypot(*y.T)
    assert abs(distance.mean() - 4.5) < 4 * 0.2 / np.sqrt(100_000)
    assert (np.abs((y / distance[:, None]).mean(axis=0)) < 4 / np.sqrt(2 * 100_000)).all()
