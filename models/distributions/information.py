"""Many small normal distributions given by precision and precision times mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Solved(torch.autograd.Function):
    """Mean, Cholesky factor L of the precision A, M = L^-1 and log diag L, with one gradient.

    It takes products of matrices alone. With G_L, G_M and g the gradients of L, M and log diag L,
    and P the lower triangle, its diagonal halved, of L^T G_L - G_M M^T + diag(g), that of A is
    M^T P M (Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, eq. 10, with
    d M = -M dL M). That of the mean A^-1 b is h = A^-1 g in b, and -h mean^T in A. As A is
    symmetric, so are its changes, for which only the symmetric part of a gradient counts; the
    gradient is not made symmetric, which would take as long as one of the products.
    """

    @staticmethod
    def forward(
        ctx: Any, precision: Tensor, shift: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tril = torch.linalg.cholesky(precision)
        eye = torch.eye(shift.shape[-1], dtype=precision.dtype, device=precision.device)
        # from the right: half the time of the left
        inverse = torch.linalg.solve_triangular(tril, eye, upper=False, left=False)
        mean = _solve(inverse, shift)
        ctx.save_for_backward(mean, tril, inverse)
        ctx.set_materialize_grads(False)
        return mean, tril, inverse, tril.diagonal(dim1=-2, dim2=-1).log()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any,
        by_mean: Tensor | None,
        by_tril: Tensor | None,
        by_inverse: Tensor | None,
        by_log_diagonal: Tensor | None,
    ) -> tuple[Tensor | None, Tensor | None]:
        mean, tril, inverse = ctx.saved_tensors
        inner = by_shift = None
        if by_tril is not None:
            inner = tril.mT @ by_tril
        if by_inverse is not None:
            other = by_inverse @ inverse.mT
            inner = -other if inner is None else inner - other
        if by_log_diagonal is not None:
            if inner is None:
                inner = torch.diag_embed(by_log_diagonal)
            else:
                inner.diagonal(dim1=-2, dim2=-1).add_(by_log_diagonal)
        by_precision = None
        if inner is not None:
            ones = torch.ones_like(tril[(0,) * (tril.dim() - 2)]).tril()
            ones.diagonal().mul_(0.5)
            by_precision = inverse.mT @ (inner.mul_(ones) @ inverse)
        if by_mean is not None:
            by_shift = _solve(inverse, by_mean)
            left, right = by_shift.unsqueeze(-1), mean.unsqueeze(-2)
            if by_precision is None:
                by_precision = -left * right
            else:
                by_precision.addcmul_(left, right, value=-1)
        return by_precision, by_shift


def _solve(inverse: Tensor, right: Tensor) -> Tensor:
    """Return A^-1 b for the inverse of A's Cholesky factor."""
    if inverse.dim() == 3 and right.dim() == 2:  # a batch of rows, without the steps around @
        return torch.bmm(inverse.mT, torch.bmm(inverse, right.unsqueeze(-1))).squeeze(-1)
    return (inverse.mT @ (inverse @ right.unsqueeze(-1))).squeeze(-1)


def solved(precision: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return A^-1 b, the Cholesky factor L of A = L L^T, its inverse and the log of its diagonal.

    Draws need them all, and their gradient together takes half the time of the factor's and the
    solves' own. It can be taken once, not twice.

    Args:
        precision: A, (..., d, d), which must be symmetric whatever it is computed from.
        shift: b, (..., d).

    Raises:
        torch.linalg.LinAlgError: where a matrix is not positive definite.

    >>> [found.item() for found in solved(torch.tensor([[4.0]]), torch.tensor([2.0]))[:3]]
    [0.5, 2.0, 0.5]
    """
    mean, tril, inverse, log_diagonal = _Solved.apply(precision, shift)
    return mean, tril, inverse, log_diagonal
