"""Diagnostics of importance weights, against ArviZ and against their definitions."""

import inspect
import math

import arviz
import numpy as np
import pytest
import torch

from absentia.inference import effective_sample_size, khat_threshold, pareto_khat
from absentia.inference.diagnostics import khat_from_largest, tail_length


def psislw(log_weight: np.ndarray) -> float:
    """ArviZ's k-hat of one row's log-weights."""
    function = getattr(arviz, "psislw", None)
    if function is None or "log_weights" not in inspect.signature(function).parameters:
        pytest.skip("this ArviZ has no psislw(log_weights)")
    with np.errstate(all="ignore"):
        return float(function(log_weight.copy())[1])


def log_weights(tail: str, particles: int, rng: np.random.Generator) -> np.ndarray:
    return {
        "light": lambda: rng.normal(scale=0.1, size=particles),
        "lognormal": lambda: rng.normal(scale=1.5, size=particles),
        "pareto 0.4": lambda: 0.4 * rng.exponential(size=particles),
        "pareto 0.9": lambda: 0.9 * rng.exponential(size=particles),
        "pareto 3": lambda: 3.0 * rng.exponential(size=particles),
        "bounded": lambda: np.log(rng.random(particles)),
        "ties": lambda: np.round(rng.normal(size=particles), 1),
        "mostly tied": lambda: np.r_[rng.random(8), np.zeros(particles - 8)],
        "one dominates": lambda: np.r_[60.0, rng.normal(size=particles - 1)],
        "shifted": lambda: rng.normal(size=particles) - 1e4,
        "underflow": lambda: 300 * rng.normal(size=particles),
        "some zero": lambda: np.where(
            rng.random(particles) < 0.5, -np.inf, rng.normal(size=particles)
        ),
    }[tail]()


TAILS = [
    "light", "lognormal", "pareto 0.4", "pareto 0.9", "pareto 3", "bounded", "ties", "mostly tied",
    "one dominates", "shifted", "underflow", "some zero",
]  # fmt: skip


@pytest.mark.parametrize("particles", [25, 100, 1000, 4000])
@pytest.mark.parametrize("tail", TAILS)
def test_khat_is_arvizs(tail, particles):
    rng = np.random.default_rng([particles, TAILS.index(tail)])
    rows = np.stack([log_weights(tail, particles, rng) for _ in range(5)], axis=1)
    expected = [psislw(rows[:, i]) for i in range(5)]
    found = pareto_khat(torch.from_numpy(rows))
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6, rtol=1e-6)


def test_a_tail_over_hundreds_of_nats_has_a_khat():
    """Its lower quartile is above the cutoff by a number that has no inverse."""
    particles = 1000
    tail = tail_length(particles)
    cutoff = math.log(np.finfo(float).tiny)
    low = cutoff + 1e-3 * np.arange(1, tail // 2 + 1)
    high = np.linspace(-700.0, 0.0, tail - len(low))
    rows = np.r_[np.full(particles - tail, -800.0), low, high]
    excess = np.sort(np.exp(rows))[-tail:][tail // 4] - math.exp(cutoff)
    assert 0 < excess < np.finfo(float).tiny
    assert pareto_khat(torch.from_numpy(rows[:, None])).item() > 10


def test_khat_of_an_exact_pareto_tail_is_its_shape():
    """w = U^-k has a generalised Pareto tail of shape k."""
    rng = np.random.default_rng(0)
    for shape in (0.3, 0.7, 1.2):
        found = pareto_khat(torch.from_numpy(shape * rng.exponential(size=(20_000, 40))))
        # 424 values in the tail: the estimate's sd is about (1 + k) / sqrt(424)
        error = (1 + shape) / math.sqrt(424) / math.sqrt(40)
        assert abs(float(found.mean()) - shape) < 4 * error + 0.02  # its prior pulls towards 0.5


def test_khat_does_not_mind_scale_and_order():
    log_weight = torch.randn(500, 3, dtype=torch.float64)
    expected = pareto_khat(log_weight)
    torch.testing.assert_close(pareto_khat(log_weight + 700.0), expected)
    torch.testing.assert_close(pareto_khat(log_weight[torch.randperm(500)]), expected)
    torch.testing.assert_close(pareto_khat(log_weight.float()), expected, atol=1e-4, rtol=1e-4)


def test_khat_from_the_largest_weights_alone():
    log_weight = torch.randn(1000, 4, dtype=torch.float64)
    largest = log_weight.sort(0, descending=True).values[: tail_length(1000) + 1]
    torch.testing.assert_close(khat_from_largest(largest, 1000), pareto_khat(log_weight))


def test_tail_length():
    for particles in (25, 100, 224, 225, 226, 1000, 10_000):
        expected = math.ceil(min(particles / 5, 3 * math.sqrt(particles)))
        assert tail_length(particles) == expected


def test_weights_all_alike_are_nothing_to_fear():
    for constant in (0.0, -123.456, 1e4):
        assert (pareto_khat(torch.full((100, 3), constant)) == -torch.inf).all()


@pytest.mark.parametrize("size", [1.0, 10.0, 100.0])
def test_weights_alike_up_to_rounding_are_nothing_to_fear(size):
    """Exact proposals: log w is a constant, computed in float32."""
    torch.manual_seed(0)
    exact = torch.full((1000, 200), -size)
    noise = torch.finfo(torch.float32).eps * size * torch.randint(-1, 2, exact.shape)
    rare = torch.rand(exact.shape) < 0.003  # a few ulps off here and there
    khat = pareto_khat(torch.where(rare, exact + noise, exact))
    assert (khat < khat_threshold(1000)).all()


def test_too_few_particles_have_no_khat():
    assert pareto_khat(torch.randn(24, 3)).isnan().all()
    assert pareto_khat(torch.randn(25, 3)).isfinite().all()
    assert pareto_khat(torch.randn(1, 3)).isnan().all()


def test_threshold():
    for particles in (50, 100, 1000, 2154, 2155, 10**6):
        expected = min(1 - 1 / math.log10(particles), 0.7)
        assert khat_threshold(particles) == pytest.approx(expected, rel=1e-12)
    assert khat_threshold(1) == khat_threshold(10) > 0  # no division by log10(1)
    assert khat_threshold(1000) == pytest.approx(2 / 3)


@pytest.mark.parametrize("tail", [tail for tail in TAILS if tail != "some zero"])
def test_effective_sample_size_is_one_over_the_sum_of_squares(tail):
    rng = np.random.default_rng(7)
    rows = np.stack([log_weights(tail, 400, rng) for _ in range(3)], axis=1)
    weight = np.exp(rows - rows.max(0))
    weight /= weight.sum(0)
    found = effective_sample_size(torch.from_numpy(rows))
    np.testing.assert_allclose(found.numpy(), 1 / (weight**2).sum(0), rtol=1e-9)
    assert ((found >= 1 - 1e-9) & (found <= 400 + 1e-9)).all()


def test_effective_sample_size_of_k_equal_weights():
    log_weight = torch.full((100, 2), -torch.inf, dtype=torch.float64)
    log_weight[:7, 0] = -3.0
    log_weight[4, 1] = 2.0
    torch.testing.assert_close(
        effective_sample_size(log_weight), torch.tensor([7.0, 1.0], dtype=torch.float64)
    )
