"""Weights calibrated on variables of known mean, which takes variance out of all their averages."""

from __future__ import annotations

import torch
from torch import Tensor

#: particles for each variable, below which a regression on them costs more than it brings
_FOR_EACH = 8
#: no weight is made smaller than this share of itself
_LEAST = 0.05


class Calibration:
    """Factors of the particles' weights under which some variables have their known mean, zero.

    An average of f with the factors a_k is that of f less its regression on the variables g, with
    an intercept: the regression estimator of control variates. The factors are the same for every
    f, so that they serve the evidence, every cell and the draws alike:

        a_k = 1 - gbar' S^-1 (g_k - gbar)

    with mean gbar and covariance S of the variables. It is biased by order 1/C for C particles, as
    a ratio of weighted sums is anyway.

    Args:
        controls: (C, n, q) the variables, of mean zero under the proposal.

    >>> g = torch.randn(500, 1, 2, generator=torch.Generator().manual_seed(0))
    >>> one = Calibration.of(g)
    >>> bool(((one.log_factor.exp().unsqueeze(-1) * g).mean(0).abs() < 1e-6).all())
    True
    """

    def __init__(self, controls: Tensor) -> None:
        mean = controls.mean(0)
        self._centred = (controls - mean).movedim(0, 1)  # (n, C, q)
        count, size = self._centred.shape[1:]
        #: an unbiased variance of residuals is so much larger than their mean square
        self.loss = count / (count - size - 1)
        covariance = self._centred.mT @ self._centred / count
        ridge = 1e-5 * torch.eye(size, dtype=controls.dtype, device=controls.device)
        factor = torch.linalg.cholesky_ex(covariance + ridge).L
        slope = torch.cholesky_solve(mean.unsqueeze(-1), factor)  # (n, q, 1)
        self._coefficients = torch.cholesky_solve(self._centred.mT / count, factor)  # (n, q, C)
        #: (C, n) logarithms of the factors
        self.log_factor = (1 - self._centred @ slope).squeeze(-1).mT.clamp_min(_LEAST).log()

    @classmethod
    def of(cls, controls: Tensor) -> Calibration | None:
        """Return the calibration, None where the particles are too few for it."""
        return cls(controls) if len(controls) >= _FOR_EACH * (controls.shape[-1] + 1) else None

    def residuals(self, values: Tensor, rows: Tensor) -> Tensor:
        """Return weighted values (C, M) of cells in these rows (M,) less their regressions.

        Their mean square is the variance that is left in an average over particles.

        Args:
            values: products with the weights after calibration; the factors are taken back.
            rows: the rows of the cells.
        """
        values = values / self.log_factor.exp()[:, rows]
        found = torch.empty_like(values)
        order = rows.argsort(stable=True)
        sizes = rows.bincount(minlength=len(self._centred)).tolist()
        for row, cells in enumerate(order.split(sizes)):
            if len(cells):
                own = values[:, cells] - values[:, cells].mean(0)
                found[:, cells] = own - self._centred[row] @ (self._coefficients[row] @ own)
        return found * self.loss**0.5
