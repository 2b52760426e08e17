"""Fitting by stochastic gradients: Adam on minibatches, with a schedule of learning rates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data.errors import InputError
from ..elbo import ImportanceWeightedELBO
from ..scanned.ranks import ALONE
from ..scanned.streamed import StreamedRows
from .batches import Batches
from .nonfinite import NotFiniteAt
from .optimiser import make_optimiser, make_schedule
from .settings import FitSettings
from .until_flat import UntilFlat


class Stochastic:
    """Adam on minibatches, for every model.

    Args:
        model: the model whose parameters are fitted.
        train: the rows to fit.
        plan: the settings, such as the number of steps and their learning rate.
    """

    def __init__(self, model: Any, train: Any, plan: FitSettings) -> None:
        self.model, self.train, self.plan = model, train, plan
        self.ranks = train.ranks if isinstance(train, StreamedRows) else ALONE
        self.optimiser = make_optimiser(model, plan)
        self.schedule = make_schedule(self.optimiser, plan)
        self.elbo = ImportanceWeightedELBO(
            self._particles(), gradient=plan.gradient, unobserved=plan.unobserved
        )
        self.batches = (
            train.batches(plan.batch_size, plan.seed)
            if isinstance(train, StreamedRows)
            else Batches(train.x, train.s, plan.batch_size, plan.seed, **train.extras())
        )

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be gained; only one schedule finds out."""
        return isinstance(self.schedule, UntilFlat) and self.schedule.finished

    @property
    def learning_rate(self) -> float:
        """The rate of the present step."""
        rate: float = self.optimiser.param_groups[0]["lr"]
        return rate

    def advance(self, step: int) -> tuple[float, int]:
        """Take the steps to the next evaluation; return their mean loss and their number.

        Raises:
            NotFiniteAt: the loss of a minibatch is not finite.
        """
        last = self._next_evaluation(step)
        total, count = torch.zeros(()), 0
        while step + count < last:
            total = total + self._one_step(count)
            count += 1
        return float(total) / count, count

    def judged(self, step: int, bounds: Tensor | None) -> bool:
        """Take the held-out rows' bounds (n,) into account; return whether to go back to the best.

        Args:
            step: the steps so far.
            bounds: the bounds of the rows after them; None where none are held out.
        """
        if not isinstance(self.schedule, UntilFlat) or bounds is None:
            return False
        ended = self.schedule.ends_stage(step, bounds)
        if ended and not self.finished:
            self.elbo.num_particles = self._particles()
        return ended

    def _particles(self) -> int:
        """Return the number of particles per row of the next step."""
        if isinstance(self.schedule, UntilFlat):
            return self.schedule.particles
        return self.plan.particles

    def _next_evaluation(self, step: int) -> int:
        """Return the step of the first evaluation after this step."""
        if isinstance(self.schedule, UntilFlat):
            return self.schedule.next_evaluation(step)
        every = max(1, self.plan.steps // self.plan.evaluations)
        return min((step // every + 1) * every, self.plan.steps)

    def _one_step(self, taken: int) -> Tensor:
        x, s = self.batches.next()
        extras = self.batches.extras
        size = len(self.train)
        model, guide = self.model.model, self.model.guide
        try:
            loss = self.elbo.differentiable_loss(model, guide, x, s, size, **extras) / size
        except (
            torch.linalg.LinAlgError
        ) as error:  # a guide that factorises a matrix fails before the loss
            raise NotFiniteAt(x, s, extras, taken) from error
        # of all processes, so that all of them end together
        shown = self.ranks.mean(loss.detach())
        if not bool(shown.isfinite()):
            raise NotFiniteAt(x, s, extras, taken)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average(self.model.parameters())
        self.optimiser.step()
        self.schedule.step()
        return shown.cpu()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "batches": self.batches.state(),
            "found": self.elbo.found(self.model.model),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state` returned.

        Raises:
            ValueError: the state belongs to another schedule of learning rates.
        """
        self.optimiser.load_state_dict(state["optimiser"])
        if state["schedule"].keys() != self.schedule.state_dict().keys():
            raise InputError("its part 'schedule' belongs to another schedule")
        self.schedule.load_state_dict(state["schedule"])
        self.elbo.num_particles = self._particles()
        self.batches.restore(state["batches"])
        self.elbo.take_as_found(self.model.model, state["found"], self.train.x.device)
