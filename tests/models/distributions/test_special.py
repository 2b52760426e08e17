"""log Phi and its derivative against arbitrary-precision arithmetic, far into both tails."""

import mpmath
import pytest
import torch

from absentia.models.distributions.mask import ProbitBernoulli
from absentia.models.distributions.special import inverse_mills, log_ndtr

POINTS = [-1e4, -3000.0, -100.0, -37.5, -12.0, -5.0, -1.0, -1e-3, 0.0, 0.3, 1.0, 3.0, 6.0, 9.0]


def exact(x: float) -> tuple[float, float]:
    """log Phi(x) and phi(x) / Phi(x) with 60 digits."""
    with mpmath.workdps(60):
        value = mpmath.mpf(x)
        phi = mpmath.erfc(-value / mpmath.sqrt(2)) / 2
        density = mpmath.exp(-(value**2) / 2) / mpmath.sqrt(2 * mpmath.pi)
        return float(mpmath.log(phi)), float(density / phi)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_value_and_gradient_in_both_tails(dtype, rtol):
    # exp(-x^2 / 2) magnifies the rounding of x^2 by x^2 itself: 81 * 6e-8 at x = 9 in float32
    x = torch.tensor(POINTS, dtype=dtype, requires_grad=True)
    value = log_ndtr(x)
    value.sum().backward()
    log_phi, mills = torch.tensor([exact(point) for point in x.tolist()], dtype=dtype).T
    torch.testing.assert_close(value.detach(), log_phi, rtol=rtol, atol=1e-30)
    torch.testing.assert_close(x.grad, mills, rtol=rtol, atol=1e-30)
    torch.testing.assert_close(inverse_mills(x.detach()), mills, rtol=rtol, atol=1e-30)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_are_finite(dtype):
    x = torch.tensor([-1e15, -1e8, 40.0, 1e8, 1e15], dtype=dtype, requires_grad=True)
    log_ndtr(x).sum().backward()
    assert x.grad[0] == pytest.approx(1e15, rel=1e-6)
    assert x.grad[1] == pytest.approx(1e8, rel=1e-6)
    assert x.grad[2:].abs().max() < 1e-30


def test_gradient_flows_through_what_is_upstream():
    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (3 * log_ndtr(w * -4.0)).backward()
    assert w.grad.item() == pytest.approx(3 * -4.0 * exact(-8.0)[1], rel=1e-12)


def test_probit_bernoulli_keeps_its_tails():
    score = torch.tensor([-40.0, -3.0, 0.0, 3.0, 40.0])
    mask = ProbitBernoulli(score)
    for value, sign in ((1.0, 1), (0.0, -1)):
        expected = torch.tensor([exact(sign * t)[0] for t in score.tolist()])
        found = mask.log_prob(torch.full((5,), value))
        torch.testing.assert_close(found, expected, rtol=2e-6, atol=1e-30)
    wide = mask.expand((7, 5))
    assert isinstance(wide, ProbitBernoulli)
    assert wide.log_prob(torch.ones(7, 5)).shape == (7, 5)
    with pytest.raises(ValueError, match="support"):
        ProbitBernoulli(score, validate_args=True).log_prob(torch.full((5,), 0.4))
