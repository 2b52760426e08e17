"""A schedule that lowers Adam's rate, and at last ends a fit, when held-out rows gain no more."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

#: the rates of the stages, as shares of the rate that was given
RATES = (1.0, 0.3, 0.09)
#: a stage ends at the latest when this share of the ceiling of steps is done
_LATEST = (0.6, 0.85, 1.0)
#: a stage ends after so many steps without a gain: a number, and a share of the steps at the last;
#: a lower rate shows soon what it gains, so that later stages wait less
_FEWEST, _SHARE = (250, 100, 100), (0.5, 0.2, 0.2)
#: so many evaluations are averaged, which evens out how the parameters move at a high rate
_AVERAGED = 3
#: what stands for the bound of a row that is not finite, so that rows can be averaged
_IMPOSSIBLE = 1e4
#: steps in which the rate rises from zero, since Adam's first steps are poorly scaled
_RISE = 100
#: steps between two evaluations: a number, and a share of the steps so far
_APART, _APART_SHARE = 50, 0.05
#: a gain in nats per row that is too small to be worth further steps
_WORTH = 1e-3
#: particles per row of all stages but the last
_FEW = 5
#: more held-out rows than these are not needed to see a gain, and each evaluation reads all
MOST_ROWS = 1_000


class Gains:
    """Tells whether held-out rows have gained anything lately, beyond the noise of the bound.

    All evaluations use the same rows and the same random numbers, so that rows may be compared one
    by one. Each row's bound is averaged over the last three evaluations, since the parameters move
    around at a high rate. The bound has risen if the mean difference from the rows' bounds at the
    last rise is above its standard error, which is that of the paired differences: it contains the
    Monte-Carlo error of the particles and the sampling of the rows. Slow gains add up until they
    are seen, since the comparison stays with the last rise.

    >>> import torch
    >>> from absentia.inference.fitting.until_flat import Gains
    >>> gains = Gains()
    >>> gains.rose(50, torch.tensor([-3.0, -2.0])), gains.rose(100, torch.tensor([-2.0, -1.0]))
    (True, True)
    >>> gains.rose(150, torch.tensor([-1.0, -2.1])), gains.last
    (False, 100)
    """

    def __init__(self) -> None:
        self.reference: Tensor | None = None
        #: the rows' bounds at the last evaluations, at most three
        self.recent: list[Tensor] = []
        #: the step of the last rise
        self.last = 0

    def begin(self, step: int) -> None:
        """Wait for gains anew from this step, at which the parameters go back to another state."""
        self.last, self.recent = step, []

    def rose(self, step: int, bounds: Tensor) -> bool:
        """Compare the bounds (n,) of the held-out rows with those at the last rise."""
        now = bounds.detach().double().cpu()
        now = now.nan_to_num(nan=-_IMPOSSIBLE, posinf=_IMPOSSIBLE, neginf=-_IMPOSSIBLE)
        self.recent = [*self.recent, now][-_AVERAGED:]
        bounds = torch.stack(self.recent).mean(0)
        if self.reference is not None and not self._above(bounds - self.reference):
            return False
        self.reference, self.last = bounds, step
        return True

    @staticmethod
    def _above(gain: Tensor) -> bool:
        """Tell whether the mean of paired differences is above its error and worth the steps."""
        error = float(gain.std()) / math.sqrt(len(gain)) if len(gain) > 1 else 0.0
        return float(gain.mean()) > max(error, _WORTH)


class UntilFlat:
    """Stages of a constant rate; each ends when the bound on held-out rows has become flat.

    The rate rises during the first 100 steps. A stage is over when no gain has been seen
    (:class:`Gains`) for 250 steps, or for half of the steps at the last gain where that is more.
    The next stage starts from the best state, at .3 of the rate, and waits less; the fit ends with
    the third. The first two stages have five particles per row, which suffice to find the
    neighbourhood of the maximum, and the last has as many as were asked for.

    Stages that find no end are ended when 60 and 85 per cent of the ceiling of steps are done, so
    that the rate is low at the last step.

    Args:
        optimiser: the optimiser, whose rates are set.
        steps: the ceiling of steps.
        particles: the number of particles of the last stage.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, steps: int, particles: int) -> None:
        self.optimiser, self.steps, self.most_particles = optimiser, steps, particles
        self.given = [float(group["lr"]) for group in optimiser.param_groups]
        self.gains = Gains()
        self.stage = self.taken = 0
        self._set_rates()

    @property
    def particles(self) -> int:
        """The number of particles of the present stage."""
        last = self.stage == len(RATES) - 1
        return self.most_particles if last else min(_FEW, self.most_particles)

    @property
    def finished(self) -> bool:
        """Whether the last stage is over."""
        return self.stage == len(RATES)

    def step(self) -> None:
        """Set the rates of the next step."""
        self.taken += 1
        self._set_rates()

    def next_evaluation(self, step: int) -> int:
        """Return the step of the first evaluation after this step."""
        return min(step + max(_APART, int(_APART_SHARE * step)), self.steps)

    def ends_stage(self, step: int, bounds: Tensor) -> bool:
        """Tell whether a stage ends with this evaluation, after which the next one has begun.

        Args:
            step: the steps so far.
            bounds: the bounds (n,) of the held-out rows.
        """
        self.gains.rose(step, bounds)
        last, stage = self.gains.last, self.stage
        flat = step - last >= max(_FEWEST[stage], int(_SHARE[stage] * last))
        late = step >= _LATEST[self.stage] * self.steps
        if not (flat or late):
            return False
        self.stage += 1
        self.gains.begin(step)
        if not self.finished:
            self._set_rates()
        return True

    def _set_rates(self) -> None:
        share = RATES[self.stage] * min(1.0, (self.taken + 1) / _RISE)
        for group, rate in zip(self.optimiser.param_groups, self.given, strict=True):
            group["lr"] = rate * share

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "stage": self.stage,
            "taken": self.taken,
            "reference": self.gains.reference,
            "recent": self.gains.recent,
            "last": self.gains.last,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state_dict` returned."""
        self.stage, self.taken = int(state["stage"]), int(state["taken"])
        self.gains.reference, self.gains.last = state["reference"], int(state["last"])
        self.gains.recent = list(state["recent"])
