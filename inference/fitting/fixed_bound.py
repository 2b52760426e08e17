"""The bound of some rows with random numbers that are the same every time, and its gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...data import IncompleteData
from ...models.programs.base import RowModel
from ..elbo import log_mean_exp
from ..integrator import Marginal
from ..randomness.shifted import ShiftedSobol

#: the loss that stands for one that is not finite, so that a line search turns back there
FORBIDDEN = 1e10
#: how many numbers may be held at once, particles x rows x columns; longer tables are split
_AT_ONCE = 4_000_000
#: how many random numbers are kept for the next evaluation; those of more rows are made anew
_MOST_KEPT = 50_000_000


class FixedBound:
    """Minus the mean bound per row, as a smooth function of the parameters.

    Args:
        model: the model.
        train: the table.
        rows: the numbers of the rows that take part; the priors of coefficients have the weight
            that they have in the whole table.
        particles: the particles per row.
        seed: the seed of the random numbers.
        marginal: how missing values are integrated out.
    """

    def __init__(
        self,
        model: RowModel,
        train: IncompleteData,
        rows: Tensor,
        particles: int,
        seed: int,
        marginal: Marginal,
    ) -> None:
        self.model, self.train, self.particles, self.marginal = model, train, particles, marginal
        self.count = len(rows)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        size = max(_AT_ONCE // (particles * len(train.columns)), 1)
        keep = particles * len(rows) * model.prior.latent_dim <= _MOST_KEPT
        chosen = rows.sort().values.to(train.x.device)
        self.parts = [
            (part, ShiftedSobol(f"{seed} {number}", keep=keep))
            for number, part in enumerate(chosen.split(size))
        ]

    def __call__(self) -> Tensor:
        """Return the loss, and its gradients in ``grad`` where gradients are on.

        It is ``FORBIDDEN``, without gradients, where it is not finite.
        """
        for parameter in self.parameters:
            parameter.grad = None
        total = torch.zeros((), dtype=torch.float64)
        for part, noise in self.parts:
            try:
                loss = self._of(part, noise)
            except torch.linalg.LinAlgError:
                loss = torch.full((), math.inf)
            if not bool(loss.isfinite()):
                for parameter in self.parameters:
                    parameter.grad = torch.zeros_like(parameter)
                return torch.tensor(FORBIDDEN, dtype=torch.float64)
            if torch.is_grad_enabled():
                loss.backward()
            total += loss.detach().cpu()
        return total

    def gradient(self) -> list[Tensor]:
        """Return copies of the gradients by the parameters, zero where there is none."""
        return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.parameters]

    def _of(self, part: Tensor, noise: ShiftedSobol) -> Tensor:
        """Return the share that some of the rows have in the loss."""
        x, s = self.train.x[part], self.train.s[part]
        run = self.marginal.run(
            self.model.model,
            self.model.guide,
            x,
            s,
            len(self.train),
            num_particles=self.particles,
            noise=noise,
            **self.train.extras(part),
        )[0]
        # the mechanism's priors count once per table, so that each part of the rows has its share
        share = len(part) / self.count
        # in double precision, since a line search compares losses that are nearly the same
        own = log_mean_exp(run.log_weight).double().sum() / self.count
        return -own - share * run.log_global / len(self.train)
