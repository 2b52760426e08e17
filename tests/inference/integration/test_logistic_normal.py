"""log E[sigmoid(t)], t ~ Normal(m, r^2), against quadrature that shares nothing with the series."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit
from torch.autograd import gradcheck

from absentia.inference.integration.logistic_normal import (
    log_expected_sigmoid,
    logistic_normal,
)
from absentia.inference.integration.series import by_series, series_coefficients
from tests.oracles import log_expected_sigmoid as by_panels
from tests.oracles import log_expected_sigmoid_mp as by_mpmath
from tests.oracles import sigmoid_tilted_moments

STEEPNESS = [0.0, 1e-6, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
CENTRES = np.concatenate([np.arange(-200.0, 61.0, 4.0), [-37.5, -5.3, -3.0, -1.0, -0.3, 0.5, 3.7]])


def evaluated(m, r, dtype=torch.float64):
    m, r = torch.as_tensor(m, dtype=dtype), torch.as_tensor(r, dtype=dtype)
    return log_expected_sigmoid(m, r).double().numpy()


@pytest.mark.parametrize(
    ("m", "r"),
    [(-200, 1), (-200, 10), (-200, 100), (-50, 5), (-1, 0.1), (0, 100), (3, 5), (20, 2), (60, 20)],
)
@pytest.mark.thin(3)
def test_the_oracle_agrees_with_mpmath(m, r):
    np.testing.assert_allclose(by_panels(m, r), by_mpmath(m, r), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("r", STEEPNESS)
def test_float64_is_accurate_where_probabilities_are_and_far_beyond(r):
    expected, result = np.array([by_panels(m, r) for m in CENTRES]), evaluated(CENTRES, r)
    np.testing.assert_allclose(np.exp(result), np.exp(expected), rtol=0, atol=1e-8)
    # an error of the log is a relative error of P, here wherever P is, 1e-8 or exp(-200)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("r", STEEPNESS)
def test_float32_keeps_six_digits(r):
    expected = np.array([by_panels(m, r) for m in CENTRES])
    result = evaluated(CENTRES, r, torch.float32)
    # rounding of m itself to float32 moves log P by up to |m| 2^-24
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=5e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("r", STEEPNESS)
def test_log_p_rises_with_m(r, dtype):
    m = torch.arange(-2000, 61, dtype=dtype) / 2
    rise = log_expected_sigmoid(m, torch.tensor(r, dtype=dtype)).diff()
    assert bool(rise.isfinite().all())
    noise = 1e-6 if dtype == torch.float32 else 1e-14
    assert bool((rise >= -noise).all())
    below = m[1:] < -10
    assert bool((rise[below] > 0).all())


@pytest.mark.parametrize("r", [0.01, 0.5, 1.0, 3.0])
def test_the_far_tail_is_log_normal(r):
    """For m far below -r^2, sigmoid(t) is exp(t), and E exp(t) = exp(m + r^2/2)."""
    m = np.array([-100.0, -300.0, -1e4, -1e6])
    np.testing.assert_allclose(evaluated(m, r), m + r * r / 2, rtol=1e-12, atol=2e-9)


@pytest.mark.parametrize("r", [1e3, 1e4, 1e6])
def test_a_slope_without_end_is_a_step(r):
    """Phi(m / r) as r grows; the next term is of the order h^2 / r^2."""
    h = np.array([-6.0, -3.0, -1.0, 0.0, 2.0])
    expected = torch.special.log_ndtr(torch.tensor(h)).numpy()
    np.testing.assert_allclose(evaluated(h * r, r), expected, atol=80 / r**2 + 1e-13)


def test_no_slope_is_the_sigmoid():
    np.testing.assert_allclose(evaluated(CENTRES, 0.0), log_expit(CENTRES), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradients_are_finite_everywhere(dtype):
    size = torch.tensor([0, 1e-30, 1e-6, 1e-3, 0.5, 1, 5, 30, 88, 104, 1e3, 1e4, 1e5, 1e6])
    r = torch.tensor([0, 1e-30, 1e-12, 1e-6, 1e-3, 0.1, 1, 3, 10, 13, 100, 1e3, 1e4], dtype=dtype)
    m = torch.cat([-size, size]).to(dtype)
    m, r = (v.clone().requires_grad_() for v in torch.meshgrid(m, r, indexing="ij"))
    result = log_expected_sigmoid(m, r)
    result.sum().backward()
    for name, value in (("value", result), ("by m", m.grad), ("by r", r.grad)):
        bad = ~value.isfinite()
        assert not bool(bad.any()), (name, m[bad].tolist(), r[bad].tolist())
    assert bool((result <= 1e-6).all())
    assert bool((m.grad >= -1e-6).all())
    assert bool((m.grad <= 1 + 1e-5).all())  # d log P/dm = E[1 - sigmoid | tilted]
    moments = logistic_normal(m, r)
    assert all(bool(v.isfinite().all()) for v in moments)


def test_gradcheck():
    m = torch.linspace(-30, 20, 26, dtype=torch.float64).unsqueeze(1)
    r = torch.tensor([0.05, 0.3, 1.0, 3.0, 8.0, 40.0], dtype=torch.float64)
    m, r = (v.clone().requires_grad_() for v in torch.broadcast_tensors(m, r))
    assert gradcheck(log_expected_sigmoid, (m, r), eps=1e-5, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("r", [0.01, 0.3, 1.0, 3.0, 8.0, 40.0])
def test_first_and_second_derivatives_against_finite_differences(r):
    m = torch.linspace(-60, 20, 41, dtype=torch.float64)
    step = 1e-3 * max(1.0, r)
    # fourth-order central differences of the oracle
    grid = np.array([[by_panels(float(c) + k * step, r) for k in range(-2, 3)] for c in m])
    first = grid @ np.array([1, -8, 0, 8, -1]) / (12 * step)
    second = grid @ np.array([-1, 16, -30, 16, -1]) / (12 * step**2)
    result = logistic_normal(m, torch.tensor(r, dtype=torch.float64))
    np.testing.assert_allclose(result.first, first, atol=1e-6)
    np.testing.assert_allclose(result.second, second, atol=2e-5)


@pytest.mark.parametrize("r", [0.1, 1.0, 5.0, 20.0, 100.0])
def test_derivatives_are_the_tilted_moments(r):
    """Stein: E[t | tilted] = m + r^2 G', Var[t | tilted] = r^2 + r^4 G''."""
    for m in (-80.0, -20.0, -3.0, 0.0, 4.0, 30.0):
        mean, variance = sigmoid_tilted_moments(m, r)
        _, first, second = logistic_normal(*torch.tensor([m, r], dtype=torch.float64))
        np.testing.assert_allclose(m + r**2 * first.item(), mean, rtol=1e-7, atol=1e-7 * r)
        np.testing.assert_allclose(r**2 + r**4 * second.item(), variance, rtol=2e-5)


def test_broadcasting_and_shape():
    result = log_expected_sigmoid(torch.zeros(4, 1), torch.ones(3))
    assert result.shape == (4, 3)
    torch.testing.assert_close(result, torch.full((4, 3), 0.5).log())


@pytest.mark.parametrize("terms", [4, 8, 12])
def test_the_series_error_falls_as_promised(terms):
    u = np.linspace(1e-6, 1, 2001)
    powers = u[:, None] ** np.arange(1, terms + 1)
    error = np.abs(powers @ np.array(series_coefficients(terms)) - u / (1 + u)) / (u / (1 + u))
    assert error.max() < 2 * 5.828**-terms
    assert error.max() > 0.01 * 5.828**-terms


def test_gauss_hermite_with_twenty_nodes_would_not_do():
    """Why there is a series: the usual rule errs by 4e-3 at r = 5 and by more beyond."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    centres = np.linspace(-10, 10, 201)

    def errors(r):
        rule = expit(centres[:, None] + r * nodes) @ (weights / weights.sum())
        exact = np.exp([by_panels(m, r) for m in centres])
        series = np.exp(evaluated(centres, r))
        return np.abs(rule - exact).max(), np.abs(series - exact).max()

    for r, least in ((5.0, 1e-3), (10.0, 1e-2), (50.0, 5e-2)):
        hermite, series = errors(r)
        assert hermite > least
        assert series < 1e-9


# --- single precision, read off polynomials ---


@pytest.mark.parametrize("r", [0.0, 1e-6, 0.03, 0.4, 1.0, 2.5, 6.0, 14.0, 40.0, 300.0, 1e4])
def test_single_precision_agrees_with_the_series_relatively_in_both_tails(r):
    """Of log P where it is tiny (m above) and where it is huge (m below), and of its gradient."""
    m = torch.cat([-torch.logspace(-4, 6, 400), torch.logspace(-4, 1.9, 200)])
    m = torch.cat([m, -r * torch.linspace(0, 9, 200), r * torch.linspace(0, 6, 100)])
    steep = torch.tensor(r)
    exact = by_series(*torch.broadcast_tensors(m.double(), steep.double()), terms=24)
    m.requires_grad_()
    value = log_expected_sigmoid(m, steep)
    value.sum().backward()
    # m itself is rounded, by 2^-24 of its size
    rounding = 2e-7 * m.detach().abs() * exact[1]
    assert bool(((value - exact[0]).abs() <= 3e-6 * exact[0].abs() + rounding).all())
    torch.testing.assert_close(m.grad.double(), exact[1], rtol=3e-5, atol=1e-30)
    second = logistic_normal(m, steep).second + m.grad.square()
    scale = exact[1] + exact[2].abs()
    assert bool(((second - exact[2]).abs() <= 1e-5 * scale + 1e-30).all())


@pytest.mark.parametrize("r", [0.0, 1e-6, 0.03, 0.4, 1.0, 2.5, 6.0, 14.0, 40.0, 300.0, 1e4])
def test_double_precision_agrees_with_the_series_relatively_in_both_tails(r):
    """To eight digits and more; above, where P is one, to the 2e-9 that are cut off there."""
    m = torch.cat([-torch.logspace(-4, 6, 400), torch.logspace(-4, 1.9, 200)]).double()
    m = torch.cat([m, -r * torch.linspace(0, 9, 200), r * torch.linspace(0, 6, 100)])
    steep = torch.tensor(r, dtype=torch.float64)
    exact = by_series(*torch.broadcast_tensors(m, steep), terms=24)
    m.requires_grad_()
    value = log_expected_sigmoid(m, steep)
    value.sum().backward()
    torch.testing.assert_close(value, exact[0], rtol=1e-10, atol=3e-9)
    torch.testing.assert_close(m.grad, exact[1], rtol=1e-9, atol=3e-9)
    second = logistic_normal(m, steep).second + m.grad.square()
    scale = exact[1] + exact[2].abs()
    assert bool(((second - exact[2]).abs() <= 2e-8 * scale + 3e-9).all())


@pytest.mark.parametrize("shape", [(), (1,), (600,), (1, 600), (70, 1), (70, 600)])
def test_a_steepness_that_cells_share_is_computed_once_and_gets_all_their_gradients(shape):
    torch.manual_seed(0)
    m = (4 * torch.randn(70, 600)).requires_grad_()  # more than are computed at once
    r = (3 * torch.rand(shape)).requires_grad_()
    weight = torch.rand(70, 600)
    by_m, by_r = torch.autograd.grad((weight * log_expected_sigmoid(m, r)).sum(), [m, r])
    wide = r.detach().expand(70, 600).double().requires_grad_()
    exact = log_expected_sigmoid(m.detach().double(), wide)
    (expected,) = torch.autograd.grad((weight * exact).sum(), [wide])
    torch.testing.assert_close(by_r.double(), expected.sum_to_size(shape), rtol=2e-5, atol=1e-5)
    assert by_m.shape == m.shape
    torch.testing.assert_close(log_expected_sigmoid(m, r).double(), exact, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_under_vmap_and_grad_of_functorch(dtype):
    torch.manual_seed(0)
    m, r = torch.randn(5, 3, dtype=dtype), torch.rand(3, dtype=dtype)
    expected = log_expected_sigmoid(m, r)
    one = torch.func.vmap(log_expected_sigmoid, (0, None))(m, r)
    torch.testing.assert_close(one, expected)
    both = torch.func.vmap(torch.func.vmap(log_expected_sigmoid))(m, r.expand(5, 3))
    torch.testing.assert_close(both, expected)
    slope = torch.func.vmap(torch.func.grad(lambda m: log_expected_sigmoid(m, r).sum()))(m)
    torch.testing.assert_close(slope, logistic_normal(m, r).first)


def test_half_precision_and_autocast_are_computed_in_single():
    m, r = torch.linspace(-30, 10, 41), torch.tensor(2.0)
    expected = log_expected_sigmoid(m, r)
    low = log_expected_sigmoid(m.bfloat16(), r.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), expected, rtol=0.01, atol=0.01)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(log_expected_sigmoid(m, r), expected, rtol=0, atol=0)
    torch.set_float32_matmul_precision("medium")
    try:
        torch.testing.assert_close(log_expected_sigmoid(m, r), expected, rtol=1e-6, atol=1e-7)
    finally:
        torch.set_float32_matmul_precision("highest")
