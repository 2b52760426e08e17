"""Many small normal distributions given by precision and precision times mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Solved(torch.autograd.Function):
    """Mean, Cholesky factor L of the precision A and M = L^-1, with one gradient for all three.

    It takes products of matrices alone. With G_L and G_M the gradients of L and of M, and P the
    lower triangle, its diagonal halved, of L^T G_L - G_M M^T, that of A is M^T (P + P^T) M / 2
    (Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, eq. 10, with
    d M = -M dL M). That of the mean A^-1 b is h = A^-1 g in b, and -(h mean^T + mean h^T) / 2 in A.
    """

    @staticmethod
    def forward(ctx: Any, precision: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tril = torch.linalg.cholesky(precision)
        eye = torch.eye(shift.shape[-1], dtype=precision.dtype, device=precision.device)
        # from the right: half the time of the left
        inverse = torch.linalg.solve_triangular(tril, eye, upper=False, left=False)
        mean = _solve(tril, shift)
        ctx.save_for_backward(mean, tril, inverse)
        ctx.set_materialize_grads(False)
        return mean, tril, inverse

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, by_mean: Tensor | None, by_tril: Tensor | None, by_inverse: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        mean, tril, inverse = ctx.saved_tensors
        inner = by_shift = None
        if by_tril is not None:
            inner = tril.mT @ by_tril
        if by_inverse is not None:
            other = by_inverse @ inverse.mT
            inner = -other if inner is None else inner - other
        half = torch.zeros_like(tril)
        if inner is not None:
            ones = torch.ones_like(tril[(0,) * (tril.dim() - 2)]).tril()
            ones.diagonal().mul_(0.5)
            half = inverse.mT @ inner.mul_(ones) @ inverse
        if by_mean is not None:
            by_shift = _solve(tril, by_mean)
            half = torch.addcmul(half, by_shift.unsqueeze(-1), mean.unsqueeze(-2), value=-1)
        return half.add(half.mT).mul_(0.5), by_shift


def _solve(tril: Tensor, right: Tensor) -> Tensor:
    """Return A^-1 b for A = L L^T."""
    return torch.cholesky_solve(right.unsqueeze(-1), tril).squeeze(-1)


def solved(precision: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the means A^-1 b, the Cholesky factors L of A = L L^T and their inverses.

    Draws need them all, and their gradient together takes half the time of the factor's and the
    solves' own. It can be taken once, not twice.

    Args:
        precision: A, (..., d, d).
        shift: b, (..., d).

    Raises:
        torch.linalg.LinAlgError: where a matrix is not positive definite.

    >>> solved(torch.tensor([[4.0]]), torch.tensor([2.0]))
    (tensor([0.5000]), tensor([[2.]]), tensor([[0.5000]]))
    """
    mean, tril, inverse = _Solved.apply(precision, shift)
    return mean, tril, inverse
