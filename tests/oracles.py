"""Answers by other means than the library's: traces, loops, panels of quadrature, mpmath."""

from __future__ import annotations

from itertools import pairwise

import mpmath
import numpy as np
import pyro
import torch
from pyro import poutine
from scipy.optimize import brentq
from scipy.special import expit, log_expit, log_ndtr, logsumexp

from absentia import IncompleteData
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.models.programs.selection import SelectionModel

LOG_LINK = {"logit": log_expit, "probit": log_ndtr}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


# --- log-weights -----------------------------------------------------------------------------


def row_log_prob(node, row_plate="rows", keep=()):
    """The unscaled log-density of one trace node, summed to the rows (and the dims of ``keep``)."""
    log_prob = node["fn"].log_prob(node["value"])
    if node["mask"] is not None:
        log_prob = torch.where(torch.as_tensor(node["mask"]), log_prob, torch.zeros(()))
    (row_dim,) = (f.dim for f in node["cond_indep_stack"] if f.name == row_plate)
    kept = sorted({row_dim, *keep})
    others = [d for d in range(-log_prob.dim(), 0) if d not in kept]
    return log_prob.sum(others) if others else log_prob


def in_rows(node, row_plate="rows"):
    return any(frame.name == row_plate for frame in node["cond_indep_stack"])


def is_draw(node):
    return node["type"] == "sample" and type(node["fn"]).__name__ != "_Subsample"


def traced_log_weights(model, guide, *args, num_particles, nesting=2, row_plate="rows"):
    """log w (K, n) from a trace of the guide and a replayed trace of the model.

    A plate over the particles makes Pyro itself draw in the order in which ``weights`` draws, so
    that from equal seeds both are at the same particles. No site may lie outside the rows.
    """
    particles = pyro.plate("_particles", num_particles, dim=-nesting - 1)
    with particles:
        guide_trace = poutine.trace(guide).get_trace(*args)
    replayed = poutine.replay(model, trace=guide_trace)
    with particles:
        model_trace = poutine.trace(replayed).get_trace(*args)
    keep = (-nesting - 1,)
    proposed = [n for n, node in guide_trace.nodes.items() if is_draw(node)]
    total = torch.zeros(())
    for name, node in model_trace.nodes.items():
        if is_draw(node) and (node["is_observed"] or name in proposed):
            total = total + row_log_prob(node, row_plate, keep)
    for name in proposed:
        total = total - row_log_prob(guide_trace.nodes[name], row_plate, keep)
    return total


def log_weights_at(run, model, guide, *args, row_plate="rows"):
    """log w (K, n) at the particles of ``run``, one particle after the other.

    Global sites keep their one value; what only the model draws is left out.
    """
    count = len(run.log_weight)
    proposed = {n for n, site in {**run.sites, **run.globals}.items() if site.in_guide}
    result = []
    for k in range(count):
        values = {n: s.value[k] for n, s in run.sites.items() if not s.is_observed}
        values |= {n: s.value for n, s in run.globals.items() if not s.is_observed}
        total = torch.zeros(())
        for program, sign in ((guide, -1), (model, 1)):
            trace = poutine.trace(poutine.condition(program, values)).get_trace(*args)
            for name, node in trace.nodes.items():
                if not is_draw(node) or not in_rows(node, row_plate):
                    continue
                if name in values and name not in proposed:
                    continue
                total = total + sign * row_log_prob(node, row_plate)
        result.append(total)
    return torch.stack(result)


# --- one-dimensional integrals ---


def panels(low, high, *knots):
    """Sorted panel edges of [low, high] through the knots that lie inside."""
    inside = [float(k) for k in knots if low < k < high]
    return sorted({float(low), float(high), *inside})


def log_integral(log_f, edges):
    """log int exp(log_f) by Gauss-Legendre with 40 points a panel, without underflow."""
    terms = []
    for low, high in pairwise(edges):
        half = (high - low) / 2
        terms.append(log_f((low + high) / 2 + half * _NODES) + np.log(half * _WEIGHTS))
    return float(logsumexp(np.concatenate(terms)))


def sigmoid_edges(m, r):
    """Panels for sigmoid(t) Normal(t; m, r^2): about its mode, and about the sigmoid's knee."""
    # the mode is m + r^2 u for the u in [0, 1] where the log-density's slope changes sign
    mode = m + r**2 * brentq(lambda u: expit(-m - r**2 * u) - u, 0.0, 1.0)
    around = np.array([0.5, 1, 2, 3, 4.5, 6, 8, 10, 12.5])
    knee = np.array([0.7, 1.5, 3, 5, 8, 12, 18, 25, 40])
    knots = [mode, *(mode + r * around), *(mode - r * around), 0.0, *knee, *-knee]
    return panels(mode - 14 * r, mode + 14 * r, *knots)


def log_expected_sigmoid(m, r):
    """log E[sigmoid(t)], t ~ Normal(m, r^2), in float64 to about twelve digits."""
    if r == 0:
        return float(log_expit(m))

    def log_f(t):
        return log_expit(t) - 0.5 * ((t - m) / r) ** 2 - 0.5 * np.log(2 * np.pi) - np.log(r)

    return log_integral(log_f, sigmoid_edges(m, r))


def log_expected_sigmoid_mp(m, r, digits=30):
    """The same with mpmath: adaptive, in 30 digits."""
    edges = sigmoid_edges(m, r)
    with mpmath.workdps(digits):
        m_, r_ = mpmath.mpf(m), mpmath.mpf(r)

        def f(t):
            return mpmath.npdf(t, m_, r_) / (1 + mpmath.exp(-t))

        # mpmath's error goal is absolute, so the integrand is scaled to about one first
        size = max(f(mpmath.mpf(e)) for e in edges)
        return float(mpmath.log(mpmath.quad(lambda t: f(t) / size, edges)) + mpmath.log(size))


def sigmoid_tilted_moments(m, r):
    """Mean and variance of t under sigmoid(t) Normal(t; m, r^2)."""
    edges = sigmoid_edges(m, r)

    def log_f(t):
        return log_expit(t) - 0.5 * ((t - m) / r) ** 2

    total, (centre, reach) = log_integral(log_f, edges), (edges[0], edges[-1] - edges[0])
    first = np.exp(log_integral(lambda t: log_f(t) + np.log((t - centre) / reach), edges) - total)
    mean = centre + reach * first
    second = log_integral(lambda t: log_f(t) + 2 * np.log(np.abs(t - mean) + 1e-300), edges)
    return mean, np.exp(second - total)


def hidden_moments(log_density, log_missing, edges):
    """log P(s = 0), E[x | s = 0] and Var[x | s = 0] of one cell, by panels."""

    def log_f(x):
        return log_density(x) + log_missing(x)

    total = log_integral(log_f, edges)
    low, high = edges[0], edges[-1]
    mean = low + np.exp(log_integral(lambda x: log_f(x) + np.log(x - low), edges) - total)
    assert low < mean < high
    second = log_integral(lambda x: log_f(x) + 2 * np.log(np.abs(x - mean) + 1e-300), edges)
    return total, mean, np.exp(second - total)


def hidden_cdf(log_density, log_missing, edges):
    """The distribution function of x | s = 0, for a Kolmogorov-Smirnov test."""
    x, mass = [], []
    for low, high in pairwise(edges):
        half = (high - low) / 2
        nodes = (low + high) / 2 + half * _NODES
        x.append(nodes)
        mass.append(np.log(half * _WEIGHTS) + log_density(nodes) + log_missing(nodes))
    x, mass = np.concatenate(x), np.concatenate(mass)
    mass = np.exp(mass - mass.max())
    upper = np.cumsum(mass) - 0.5 * mass
    return lambda t: np.interp(t, x, upper / mass.sum())


# --- models and data with known answers ---


def self_masked_table(truth, n, slope, offset, link="logit", seed=0):
    """Complete data (n, p) and the mask s that self-masking leaves."""
    _, x = truth.sample(n, seed=seed)
    rate = np.exp(LOG_LINK[link](np.asarray(slope) * x + offset))
    s = np.random.default_rng(seed + 1).random(x.shape) < rate
    for j in np.flatnonzero(~s.any(0)):
        s[0, j] = True  # a column is seen somewhere
    return x, s


def as_data(x, s, dtype=torch.float64):
    """The table in its own units."""
    return IncompleteData.from_numpy(np.where(s, x, np.nan), standardise=False, dtype=dtype)


@torch.no_grad()
def set_linear_gaussian(decoder, truth: LinearGaussian):
    """Give a linear Gaussian decoder the parameters of ``truth`` (one sigma, or one a column)."""
    decoder.mean.weight.copy_(torch.as_tensor(truth.weights))
    decoder.mean.bias.copy_(torch.as_tensor(truth.mean))
    spread = torch.as_tensor(truth.sigma[: len(decoder.scale.raw)]) - decoder.scale.floor
    decoder.scale.raw.copy_(spread.expm1().log())


def true_model(truth, mechanism, encoder, columns) -> SelectionModel:
    """The selection model with the parameters of ``truth``, in float64."""
    from absentia.models import LinearGaussianDecoder

    p, d = truth.weights.shape
    decoder = LinearGaussianDecoder(d, p, "column", floor=1e-3).double()
    set_linear_gaussian(decoder, truth)
    return SelectionModel(decoder, encoder, mechanism, columns).double()


# --- Monte-Carlo tolerances ---


def assert_within_se(estimate, expected, se, sigmas=4.0, floor=1e-9):
    """|estimate - expected| <= sigmas standard errors, elementwise."""
    off = np.abs(np.asarray(estimate) - np.asarray(expected))
    allowed = sigmas * np.asarray(se) + floor
    worst = np.max(off / allowed) * sigmas
    assert (off <= allowed).all(), f"{worst:.1f} standard errors off, {sigmas} allowed"


def mean_and_se(draws, axis=0):
    """Mean over repeats and its standard error."""
    draws = np.asarray(draws)
    count = draws.shape[axis]
    return draws.mean(axis), draws.std(axis, ddof=1) / np.sqrt(count)
