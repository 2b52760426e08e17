"""Normals of rows, whose precisions are factored row by row or once for all rows that share them.

Where few rows have the same pattern of missing values, each needs a factor of its own. These are
factored a few megabytes at a time: memory that is new to a process takes longer than the
arithmetic, and a factor for each row fills tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: rows for each pattern, from which on factors are shared
_MANY = 8
#: bytes of the matrices that are factored at a time
_MEMORY = 4_000_000
#: larger than the squared length of any vector here
_LARGE = 1e200


def rarely_shared(pattern: Tensor, given: Tensor) -> bool:
    """Return whether rows (n,) share their patterns' matrices (K, R, ...) too rarely to gain."""
    return len(pattern) < _MANY * given.shape[1]


def log_integral(given: Tensor, precision: Tensor, pattern: Tensor, shift: Tensor) -> Tensor:
    """Return b^T P^-1 b / 2 - log |P| / 2 with P = given + precision, (K, C, n).

    It is log of the integral of exp(b^T z - z^T P z / 2), but for the factor (2 pi)^(D / 2).

    Args:
        given: (K, R, D, D), for each pattern.
        precision: (K, C, D, D), for each component.
        pattern: (n,) which of the R each row has.
        shift: (K, C, n, D) b.
    """
    if rarely_shared(pattern, given):
        found = []
        for rows, part in _few(pattern, shift):
            wide = given[:, rows].unsqueeze(1) + precision.unsqueeze(2)
            factor, half = _factored(wide, part)
            log_root = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            found.append(0.5 * half.square().sum(-1) - log_root)
        return torch.cat(found, -1)
    factor = torch.linalg.cholesky(given.unsqueeze(1) + precision.unsqueeze(2))
    log_root = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    order, count = pattern.argsort(), pattern.bincount(minlength=given.shape[1])
    halves = [
        torch.linalg.solve_triangular(factor[:, :, r], part.mT, upper=False)
        for r, part in enumerate(shift[:, :, order].split(count.tolist(), -2))
    ]
    squares = shift.new_empty(shift.shape[:-1])
    squares[:, :, order] = torch.cat(halves, -1).square().sum(-2)
    return 0.5 * squares - log_root[:, :, pattern]


def drawn_by_row(
    given: Tensor,
    precision: Tensor,
    pull: Tensor,
    pattern: Tensor,
    component: Tensor,
    shift: Tensor,
    noise: Tensor,
) -> Tensor:
    """Return P^-1 b + L^-T e with L L^T = P, a draw of Normal(P^-1 b, P^-1), (K, n, D).

    Args:
        given: (K, R, D, D), for each pattern; ``precision``: (K, C, D, D), for each component, with
            which it adds up to P.
        pull: (K, C, D), for each component, which is added to ``shift`` (K, n, D) for b.
        pattern: (n,) which of the R each row has; ``component``: (K, n) which of the C.
        noise: (K, n, D) e, standard normal.
    """
    chain = torch.arange(len(shift), device=shift.device).unsqueeze(1)
    shift, at, found = shift + pull[chain, component], 0, []
    for rows, part in _few(pattern, shift):
        own = component[:, at : at + len(rows)]
        factor, half = _factored(given[:, rows] + precision[chain, own], part)
        half = half + noise[:, at : at + len(rows)]
        found.append(torch.linalg.solve_triangular(factor.mT, half.unsqueeze(-1), upper=True))
        at += len(rows)
    return torch.cat(found, 1).squeeze(-1)


def _few(pattern: Tensor, shift: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through the rows (n,) and their vectors (..., n, D), a few at a time."""
    each = shift.shape[:-2].numel() * (shift.shape[-1] + 1) ** 2 * shift.element_size()
    most = max(_MEMORY // each, 1)
    return zip(pattern.split(most), shift.split(most, -2), strict=True)


def _factored(precision: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return L with L L^T = P, and L^-1 b.

    The factor of [[P, b], [b^T, c]] has the rows L and (L^-1 b)^T, for any c that is large enough,
    so that one call does both.
    """
    size = shift.shape[-1]
    both = shift.new_zeros(*shift.shape[:-1], size + 1, size + 1)
    both[..., :-1, :-1] = precision
    both[..., :-1, -1], both[..., -1, -1] = shift, _LARGE
    factor = torch.linalg.cholesky(both.mT)  # stored by columns, as LAPACK wants it
    return factor[..., :-1, :-1], factor[..., -1, :-1]
