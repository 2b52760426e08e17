"""Fitting by L-BFGS on the whole table, where fixed random numbers make the bound smooth."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.system.process import seeded
from ...models.networks.encoders import ExactConditionalEncoder
from ...models.networks.gauss_newton import GaussNewtonEncoder
from ...models.networks.modal_encoder import ModalEncoder
from ...models.networks.residual import ResidualDecoder, linear_part
from ...models.networks.starts import moments_at_random
from ...models.never_fitted import never_fitted, remember_start
from ...models.programs.base import RowModel
from ...models.programs.selection import SelectionModel
from ..integrator import Marginal
from .coordinates import Coordinates
from .curvature import curvature
from .fixed_bound import FORBIDDEN, FixedBound
from .nonfinite import NotFiniteAt
from .settings import FitSettings
from .sides import ROWS, closure, lbfgs, start_on_the_better_side

#: iterations between two evaluations
_BLOCK = 10
#: at most so many passes over the rows between two evaluations, line searches included
_MOST_PASSES = 10 * _BLOCK
#: after so many iterations the coordinates are chosen anew
_SAME_COORDINATES = 50
#: the smallest standard deviation of the noise, in that of the columns, from which a fit starts
_LEAST_INITIAL_SCALE = 0.02
#: rows of the first stage, and how many times as many each later stage has
_FIRST_STAGE, _GROWTH = 4096, 4
#: longer tables have one stage of all rows, in coordinates from their curvature
_LONGEST_STAGE = 65_536
#: the rows from which the curvature is computed, and the most parameters that it is computed for
_CURVATURE_ROWS, _MOST_CURVED = 16_384, 400
#: the iterations between two evaluations with these coordinates, and the gain that goes on; what
#: brings less fits the random numbers rather than the rows
_BLOCK_CURVED, _WORTH_CURVED = 4, 2e-4
#: the gain, in nats per row, that ten more iterations must bring for the last stage to go on, and
#: for the stages before it
_WORTH, _WORTH_EARLY = 1e-3, 5e-3
#: particles per row of all stages but the last
_FEW = 4
#: tables of several kinds of columns with more cells are left to Adam
_MOST_CELLS_OF_MODES = 2_000


def is_plain(model: Any, data: Any, unobserved: str) -> bool:
    """Tell whether fixed random numbers make a model's bound a smooth function of its parameters.

    They do for a linear decoder with the guide that it determines, exact or at the mode, if all
    missing values are integrated out and no coefficient of the mechanism has a posterior of its
    own.
    """
    if not (isinstance(model, RowModel) and isinstance(data, IncompleteData)):
        return False
    without_parameters = ExactConditionalEncoder | GaussNewtonEncoder | ModalEncoder
    exact = isinstance(model.encoder, without_parameters)
    if not exact or unobserved == "sample":
        return False
    other_parts = (model.coefficient_guide, model.predictor, model.trunk, model.margins)
    if any(part is not None for part in other_parts) or model.missingness.mask_latent_dim:
        return False
    if model.frozen or not any(p.requires_grad for p in model.parameters()):
        return False
    sampled = model.missingness.dependence(len(data.columns)).sampled
    return not bool((sampled & ~data.s.all(0).cpu()).any())


def is_quick(model: Any, data: Any) -> bool:
    """Tell whether passes over all rows take less time than Adam's minibatches do.

    Under an exact guide they do. The mode of every row of a table of several kinds of columns takes
    so long that they do only for small tables.
    """
    modal = isinstance(getattr(model, "encoder", None), ModalEncoder)
    return not modal or len(data) * len(data.columns) <= _MOST_CELLS_OF_MODES


class QuasiNewton:
    """L-BFGS on the bound of the whole table, with random numbers that are the same every time.

    The exact guide q(z | x_o) makes the weights vary little, and its samples are evenly spread
    (:class:`~absentia.inference.randomness.shifted.ShiftedSobol`), so that few particles per row
    give a smooth and accurate objective (sample average approximation; Kim, Pasupathy & Henderson,
    Handbook of Simulation Optimization 2015). Curvature is learnt from its gradients (Liu &
    Nocedal, Mathematical Programming 1989), in coordinates of the parameters that the model itself
    scales (:class:`~absentia.inference.fitting.coordinates.Coordinates`) and that are chosen anew
    after 50 iterations. This takes some hundred passes where stochastic gradients take thousands
    of steps. A model that was never fitted starts as if values were missing at random
    (:func:`~absentia.models.networks.starts.moments_at_random`), or with its missing values above
    or below what was seen (:func:`~absentia.inference.fitting.sides.start_on_the_better_side`).

    A long table is fitted in stages: first 4,096 of its rows, then four times as many, until all
    take part (growing samples; Byrd, Chin, Nocedal & Wu, Mathematical Programming 2012). All stages
    but the last have four particles per row, and end when ten iterations bring less than .005 nats
    per row; the last ends when they bring less than .001.

    More than 65,536 rows come all at once after them, with all particles: the stages before have
    found the maximum but for some of its standard errors. The curvature of the bound of 16,384
    rows, by differences of its gradients, gives coordinates that are independent of each other and
    have about the same standard error. There L-BFGS takes steps of Newton's method with a curvature
    from few rows (Erdogdu & Montanari, NeurIPS 2015), and ends when four of them bring less than
    .0002 nats per row. The particles' own error is larger: further steps would fit the random
    numbers.

    Args:
        model: the model whose parameters are fitted; see :func:`is_plain`.
        train: the rows to fit.
        plan: the settings, of which the particles, the seed and the largest number of iterations
            (``steps``) matter here.
    """

    #: not a number, since a line search decides the length of each step
    learning_rate = math.nan

    def __init__(self, model: RowModel, train: IncompleteData, plan: FitSettings) -> None:
        self.model, self.train, self.plan = model, train, plan
        ignorable = bool(model.missingness.dependence(len(train.columns)).ignorable.all())
        ignorable = ignorable and isinstance(model.encoder, ExactConditionalEncoder)
        # under the exact guide of an ignorable model all particles of a row have the same weight
        self.most_particles = 1 if ignorable else plan.particles
        self.marginal = Marginal(plan.unobserved)
        generator = torch.Generator().manual_seed(plan.seed)
        self.order = torch.randperm(len(train), generator=generator)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.finished = False
        if never_fitted(model):
            if isinstance(model.decoder, ResidualDecoder):
                self._start_linear()
            else:
                self._start_at_random()
        self._begin_stage(min(_FIRST_STAGE, len(train)), min(_FEW, self.most_particles))

    def _start_at_random(self) -> None:
        """Start the decoder as if values were missing at random, which EM finds in a moment."""
        decoder = linear_part(self.model.decoder)
        if decoder is None:
            return
        if not all(p.requires_grad for p in decoder.parameters()):
            return
        least = max(decoder.scale.floor, _LEAST_INITIAL_SCALE) ** 2
        found = moments_at_random(self.train.rows(self.order), decoder.latent_dim, least)
        if found is not None:
            with seeded(self.plan.seed):
                decoder.start_from(found.covariance, found.mean, least)
            rows, few = min(ROWS, len(self.train)), min(_FEW, self.most_particles)
            start_on_the_better_side(
                self.model, self.train, lambda: self._bound(rows, few), self.plan.seed
            )

    def _start_linear(self) -> None:
        """Start from the fit with closed gates, so that a network only adds to what is linear."""
        model = self.model
        assert isinstance(model.decoder, ResidualDecoder)
        exact = ExactConditionalEncoder(model.decoder.num_columns, model.decoder.latent_dim)
        parts = copy.deepcopy((model.decoder.linear, model.missingness))
        twin = SelectionModel(parts[0], exact, parts[1], model.columns)
        remember_start(twin)
        fitted, taken = QuasiNewton(twin, self.train, self.plan), 0
        while taken < self.plan.steps and not fitted.finished:
            taken += fitted.advance(taken)[1]
        model.decoder.linear.load_state_dict(twin.decoder.state_dict())
        model.missingness.load_state_dict(twin.missingness.state_dict())

    def _begin_stage(self, rows: int, particles: int) -> None:
        """Begin a stage: split its rows, fix their random numbers, choose the coordinates."""
        self.rows, self.particles = rows, particles
        self.bound = self._bound(rows, particles)
        self._choose_coordinates()

    def _bound(self, rows: int, particles: int) -> FixedBound:
        """Return the bound of the first rows in the random order."""
        chosen = self.order[:rows]
        seed = self.plan.seed
        return FixedBound(self.model, self.train, chosen, particles, seed, self.marginal)

    def _choose_coordinates(self) -> None:
        """Choose coordinates for the present parameters, and forget the curvature."""
        self.coordinates = Coordinates(self.model, self.train, self.plan.seed)
        enough = sum(p.numel() for p in self.parameters) <= _MOST_CURVED
        self.by_curvature = self.rows > _LONGEST_STAGE and enough
        if self.by_curvature:
            few = self._bound(_CURVATURE_ROWS, min(_FEW, self.most_particles))
            self.coordinates.equalise(curvature(few, self.coordinates))
        self.optimiser = lbfgs(self.coordinates, _BLOCK, _MOST_PASSES)

    def advance(self, step: int) -> tuple[float, int]:
        """Take up to ten iterations; return the loss after them and their number.

        Raises:
            NotFiniteAt: the bound is not finite where the iterations begin.
        """
        group = self.optimiser.param_groups[0]
        block = _BLOCK_CURVED if self.by_curvature else _BLOCK
        group["max_iter"] = min(block, self.plan.steps - step)
        before = self._iterations()
        first = float(self.optimiser.step(closure(self.bound, self.coordinates)))
        if first >= FORBIDDEN:
            part, _ = self.bound.parts[0]
            raise NotFiniteAt(self.train.x[part], self.train.s[part], self.train.extras(part))
        self.coordinates.to_parameters()
        with torch.no_grad():
            loss = float(self.bound())
        taken = self._iterations() - before
        last = self.rows == len(self.train) and self.particles == self.most_particles
        # the curvature is computed near the maximum
        ready = self.rows == _LONGEST_STAGE or last
        worth = _WORTH_CURVED if self.by_curvature else _WORTH if ready else _WORTH_EARLY
        if first - loss < worth or taken < group["max_iter"]:
            if last:
                self.finished = True
            elif self.rows < min(len(self.train), _LONGEST_STAGE):
                longest = min(len(self.train), _LONGEST_STAGE)
                self._begin_stage(min(_GROWTH * self.rows, longest), self.particles)
            else:
                self._begin_stage(len(self.train), self.most_particles)
        elif self._iterations() >= _SAME_COORDINATES and not self.by_curvature:
            self._choose_coordinates()
        return loss, max(taken, 1)

    def judged(self, step: int, bounds: Tensor | None) -> bool:
        """Return that there is no need to go back: the whole table judges these iterations."""
        return False

    def _iterations(self) -> int:
        """Count the iterations of this stage."""
        state = self.optimiser.state.get(self.coordinates.values[0], {})
        return int(state.get("n_iter", 0))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": {},
            "batches": {
                "rows": self.rows,
                "particles": self.particles,
                "finished": self.finished,
                "coordinates": self.coordinates.state(),
            },
            "found": {"scored": False, "drawn": self.marginal.found(self.model.model)},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state` returned."""
        self._begin_stage(int(state["batches"]["rows"]), int(state["batches"]["particles"]))
        self.finished = bool(state["batches"]["finished"])
        self.coordinates.restore(state["batches"]["coordinates"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.marginal.take_as_found(self.model.model, state["found"]["drawn"])
