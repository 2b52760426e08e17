r"""log E[sigmoid(t)] for t ~ Normal(m, v), by a smooth function of two numbers.

The series of :mod:`.series` asks for an erfcx a term, which torch does not vectorise. Here the
same function is read off polynomials, with one matrix product for all cells. Three identities
make that possible. With P(m) = E[sigmoid(t)], v = r^2:

- P(-m) = 1 - P(m), so that lower tails suffice;
- P(-y) = exp(-y + v/2) P(y - v), as sigmoid(t) = exp(t) sigmoid(-t): it takes the exponential
  tail out, and what is left is never smaller than P(-v/2), where the Gaussian reigns;
- z(m) = Phi^-1(P(m)) is odd in m, and on |m| <= v/2 + reach it is close to m / s, s^2 = v + 8/pi
  (MacKay, 1992). Beyond, P is one to the accuracy that is asked for: exp(-17) is 4e-8, and exp(-20)
  is 2e-9.

So z s / m, and with it the derivatives of z by m and by v, are smooth and even in m, in all limits
too. They are Chebyshev series in

    a = (sqrt(1 + (m/k)^2) - 1) / (its value at the end),  k = v/2 + 3,    b = v / (v + 12),

both in [0, 1]. Their coefficients are interpolated from the exact series when they are first asked
for. In single precision the polynomials are within 5e-7 of log P and 6e-6 of its derivative,
relative to them and in both tails, and rounding adds up to 2e-6. In double precision there are
more of them, which are within 1e-11 and 2e-10; what is cut off beyond the reach is 2e-9.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from .series import by_series


class _Size(NamedTuple):
    """How many polynomials there are in a and in b, and how far they reach."""

    in_a: int
    in_b: int
    reach: float


_SIZES = {torch.float32: _Size(15, 24, 17.0), torch.float64: _Size(32, 48, 20.0)}
_WIDTH, _HALF_WAY = 3.0, 12.0
_MACKAY = 8 / math.pi
_SQRT_2PI = math.sqrt(2 * math.pi)
_AT_ONCE = 16_384  # cells, so that what is computed stays in a processor's cache
_FEW = 20_000  # numbers that are computed faster by a few slow functions
_LARGEST = 1e15  # of r, so that its square is finite
_MILLS_DEGREE, _MILLS_SCALE = 11, 3.0


def by_table(m: Tensor, r: Tensor, derivatives: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Return log P, E[sigmoid'(t)] / P and E[sigmoid''(t)] / P, in the shape of m.

    Args:
        m: in single or double precision.
        r: broadcasts to m; where it is the same for many cells, that spares work.
        derivatives: whether they are wanted; log P stands in their place otherwise.
    """
    if m.device.type != "cpu" or m.numel() <= _AT_ONCE:
        return _at_once(m, r, derivatives)
    shape = m.shape
    if m.dim() < 2 or m[0].numel() > _AT_ONCE:
        m, r = m.reshape(-1), r.expand(shape).reshape(-1) if r.numel() > 1 else r.reshape(())
    size = max(1, _AT_ONCE * len(m) // m.numel())
    varies = r.dim() == m.dim() and len(r) > 1
    starts = range(0, len(m), size)
    parts = [
        _at_once(m[k : k + size], r[k : k + size] if varies else r, derivatives) for k in starts
    ]
    log_prob, first, second = (torch.cat(part).view(shape) for part in zip(*parts, strict=True))
    return log_prob, first, second


def _at_once(m: Tensor, r: Tensor, derivatives: bool) -> tuple[Tensor, Tensor, Tensor]:
    v = r.clamp_max(_LARGEST).square()
    size = m.abs()
    taken = (0.5 * v - size).clamp_max_(0)  # log of the exponential tail that is taken out
    x = torch.maximum(size - v, -size)
    found = _probits(x, v, derivatives)
    log_phi, mills = log_ndtr_and_mills(found[0])
    log_tail = log_phi.add_(taken)  # log P(-|m|)
    tail = log_tail.exp()
    upper = m > 0
    log_prob = torch.where(upper, torch.log1p(-tail), log_tail)
    if not derivatives:
        return log_prob, log_prob, log_prob
    # relative to P(-|m|); the second derivative in m is twice the first in v
    first, second = mills * found[1], mills.mul_(2) * found[2]
    turned = (1 - 2 * first).mul_(taken < 0)
    first += turned
    second += turned
    ratio = torch.where(upper, tail / (1 - tail), 1.0)
    return log_prob, first.mul_(ratio), second.mul_(ratio.copysign_(-m))


def _probits(x: Tensor, v: Tensor, derivatives: bool) -> Tensor:
    """Return z = Phi^-1(P(x)), and its derivatives by x and by v if wanted: (1 or 3, ...)."""
    count = 3 if derivatives else 1
    size = _SIZES[x.dtype]
    half = 0.5 * v
    inverse = (half + _WIDTH).reciprocal()
    # the roots less one, without cancellation; the end is (v/2 + reach) / k
    end = (inverse * (size.reach - _WIDTH) + 1).square()
    scale = 2 * ((1 + end).sqrt() + 1) / end
    x = torch.minimum(x, half + size.reach)
    square = (x * inverse).square_()
    a = scale * square / (1 + square).sqrt_().add_(1)
    b = 1 - (2 * _HALF_WAY) / (v + _HALF_WAY)
    in_b = _polynomials(b, size.in_b)
    lower = (1,) * (x.dim() - v.dim())
    in_a = _polynomials(a.sub_(1).clamp_max_(1), size.in_a)
    found = x.new_empty(count, *x.shape)
    product = torch.empty_like(in_a)
    # one function after the other, since memory for all at once costs more than it saves
    for table, total in zip(_table(x.dtype, x.device).split(size.in_a), found, strict=False):
        row = _product(table, in_b.reshape(size.in_b, -1)).view(size.in_a, *lower, *v.shape)
        torch.sum(torch.mul(row, in_a, out=product), 0, out=total)
    inverse = (v + _MACKAY).rsqrt()  # 1 / s
    x = x * inverse
    found[0] *= x
    if derivatives:
        found[1] *= inverse
        found[2] *= x.mul_(inverse.square_())
    return found


def log_ndtr_and_mills(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return log Phi(z) and phi(z) / Phi(z), in single or double precision."""
    size = z.abs()
    ratio = _upper_tail(size)
    exponent = size.square_().mul_(-0.5)
    density = exponent.exp()
    below = z < 0
    upper = density * ratio
    log_phi = torch.where(below, exponent.add_(ratio.log()), torch.log1p(-upper))
    mills = torch.where(below, ratio.reciprocal_(), density.div_(1 - upper))
    return log_phi, mills.div_(_SQRT_2PI)


def _upper_tail(size: Tensor) -> Tensor:
    """Return Phi(-y) exp(y^2/2) for y >= 0, in new memory."""
    if size.dtype == torch.float64:
        return torch.special.erfcx(size * math.sqrt(0.5)).mul_(0.5)
    place = size + _MILLS_SCALE
    t = 1 - (2 * _MILLS_SCALE) / place
    first, *others = _mills_coefficients(size.dtype, size.device)
    ratio = first.expand(t.shape).clone()
    for coefficient in others:  # by Horner's rule
        torch.addcmul(coefficient, ratio, t, out=ratio)
    return ratio.div_(place)


def _polynomials(t: Tensor, count: int) -> Tensor:
    """Return the Chebyshev polynomials of degrees 0..count - 1 at t: (count, ...)."""
    if count * t.numel() <= _FEW:  # fewer calls, though more work
        degree = torch.arange(count, dtype=t.dtype, device=t.device)
        return torch.cos(degree.view(-1, *(1,) * t.dim()) * torch.acos(t))
    found = t.new_empty(count, *t.shape)
    rows = found.unbind(0)
    rows[0].fill_(1)
    rows[1].copy_(t)
    twice = 2 * t
    for before, last, row in zip(rows, rows[1:], rows[2:], strict=False):
        torch.mul(twice, last, out=row).sub_(before)
    return found


def _product(table: Tensor, columns: Tensor) -> Tensor:
    """Multiply in full precision, whatever a user has allowed for matrix products elsewhere."""
    kind = columns.device.type
    exact = kind == "cpu" and torch.get_float32_matmul_precision() == "highest"
    if exact and not torch.is_autocast_enabled(kind):
        return table @ columns
    with torch.autocast(kind, enabled=False):
        if exact:
            return table @ columns
        return (table.double() @ columns.double()).to(columns.dtype)


@functools.cache
def _table(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the coefficients of z s / x, and of its derivatives, (3 in_a, in_b)."""
    size = _SIZES[dtype]
    with torch.inference_mode(False), torch.no_grad():
        a, b = torch.meshgrid(_nodes(size.in_a), _nodes(size.in_b), indexing="ij")
        a, b = (a + 1) / 2, (b + 1) / 2
        v = _HALF_WAY * b / (1 - b)
        k = 0.5 * v + _WIDTH
        end = (1 + (1 + (size.reach - _WIDTH) / k).square()).sqrt()
        x = k * ((1 + a * (end - 1)).square() - 1).sqrt()
        log_prob, first, second = by_series(-x, v.sqrt(), terms=24)
        z = _probit_of_log(log_prob)
        mills = (2 / math.pi) ** 0.5 / torch.special.erfcx(-z / math.sqrt(2))
        s = (v + _MACKAY).sqrt()
        functions = torch.stack([-z * s / x, first / mills * s, 0.5 * second / mills * s**3 / -x])
        in_a, in_b = _interpolation(size.in_a), _interpolation(size.in_b)
        return (in_a @ functions @ in_b.mT).reshape(-1, size.in_b).to(device, dtype)


def _nodes(count: int) -> Tensor:
    """Return the zeros of the Chebyshev polynomial of this degree, in double precision."""
    return torch.cos(math.pi * (torch.arange(count, dtype=torch.float64) + 0.5) / count)


def _interpolation(count: int) -> Tensor:
    """Return the matrix from values at the nodes to Chebyshev coefficients."""
    matrix = _polynomials(_nodes(count), count) * (2 / count)
    matrix[0] /= 2
    return matrix


def _probit_of_log(log_prob: Tensor) -> Tensor:
    """Return Phi^-1(exp(log_prob)) for probabilities up to a half, by Newton's method."""
    z = -(-2 * log_prob).sqrt()
    for _ in range(30):
        mills = (2 / math.pi) ** 0.5 / torch.special.erfcx(-z / math.sqrt(2))
        z = z - (torch.special.log_ndtr(z) - log_prob) / mills
    return z


@functools.cache
def _mills_coefficients(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    """Return (y + 3) Phi(-y) exp(y^2/2) in powers of (y - 3) / (y + 3), the highest first."""
    with torch.inference_mode(False), torch.no_grad():
        t = _nodes(_MILLS_DEGREE)
        y = _MILLS_SCALE * (1 + t) / (1 - t)
        values = (y + _MILLS_SCALE) * torch.special.erfcx(y / math.sqrt(2)) / 2
        found = torch.linalg.solve(torch.linalg.vander(t), values)
        return found.flip(0).to(device, dtype).unbind(0)
