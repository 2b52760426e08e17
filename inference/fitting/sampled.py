"""Fitting by sampling the posterior, for linear models that average over forms of the mechanism."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...data import IncompleteData
from ...models.missingness.averaged import AveragedMissingness
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.programs.base import RowModel
from ...models.programs.mixture import DirectDecoder, MixturePrior
from ..gibbs.chains import Chains
from ..gibbs.evidence import log_evidence
from ..gibbs.posterior import Posterior
from ..gibbs.weighing import chain_weights
from .bent_scaler import bent_scaler
from .chain_parameters import parameters
from .settings import FitSettings

#: sweeps where their number is not given
SWEEPS = 1_000
#: the share of them that is warm-up; draws are kept from those after it
_WARM_UP = 0.4
#: all chains start at random; until half of the warm-up is over every second one then takes absence
#: to depend on the column's own value, since chains leave that form more easily than they find it
_AT_RANDOM, _OWN_VALUE = 0.075, 0.5
_EVALUATIONS = 20
_DRAWS = 100  # draws of the parameters in the result
#: with fewer draws of a bend in the warm-up, columns stay straight
_FEWEST_BENDS = 5
_PARTICLES = 8  # samples of z for the evidence of a row
#: a sweep takes time with the rows times the squared latents; above this product, but from so many
#: rows on, a random part of the rows is sampled, since more would hardly change the draws
_MOST_WORK, _LEAST_ROWS = 1_000_000, 1_000
#: milliseconds that a sweep may take, roughly, for the usual number of sweeps; slower ones are
#: proportionally fewer, but not fewer than so many
_QUICK, _LEAST_SWEEPS = 25, 400
#: chains; and the second number of them where a sweep of the first takes so many milliseconds at
#: most, roughly: there it takes a third longer, and halves the noise of which modes chains end in
_CHAINS, _MORE_CHAINS, _SHORT = 4, 8, 7
#: a bend within so many posterior standard deviations of a straight line is left out
_STRAIGHT = 2.0


def usual_sweeps(model: Any, data: IncompleteData) -> int:
    """Return the number of sweeps where it is not given: 1,000, and down to 400 of large tables."""
    hundreds = round(min(1.0, _QUICK / _milliseconds(model, data)) * SWEEPS / 100)
    return max(100 * hundreds, _LEAST_SWEEPS)


def usual_chains(model: Any, data: IncompleteData) -> int:
    """Return the number of chains: four, and eight where sweeps are short, as of few columns."""
    return _MORE_CHAINS if _milliseconds(model, data) <= _SHORT else _CHAINS


def _milliseconds(model: Any, data: IncompleteData) -> float:
    """Return how long a sweep of four chains takes, roughly."""
    return rows_sampled(model, data) * _latents(model) ** 2 / 8_000 + len(data.columns) / 2


def rows_sampled(model: Any, data: IncompleteData) -> int:
    """Return the number of rows from which the sampler learns: all, or a random part of many."""
    return min(len(data), max(_MOST_WORK // _latents(model) ** 2, _LEAST_ROWS))


def _latents(model: Any) -> int:
    return int(model.decoder.latent_dim) + int(model.missingness.mask_latent_dim)


class PosteriorSampling:
    """The steps of a fit that samples the posterior; one step is one sweep of all chains.

    Args:
        model: the model, which is given one of the draws.
        train: the rows.
        plan: the settings, of which ``seed`` and ``steps``, the number of sweeps, matter here.
    """

    learning_rate = math.nan

    def __init__(self, model: RowModel, train: IncompleteData, plan: FitSettings) -> None:
        self.model, self.train = model, train
        device = train.x.device
        self.generator = torch.Generator(device=device).manual_seed(plan.seed)
        rows = torch.arange(len(train), device=device)
        most = rows_sampled(model, train)
        if len(rows) > most:
            order = torch.randperm(len(rows), generator=self.generator, device=device)
            rows = order[:most].sort().values
        self.seen = train.s[rows]
        self.x = torch.where(self.seen, train.x[rows].double(), 0.0)
        decoder, prior = model.decoder, model.prior
        assert isinstance(decoder, LinearGaussianDecoder)
        assert isinstance(model.missingness, AveragedMissingness)
        size = model.missingness.mask_latent_dim
        self.chains = Chains(
            self.x,
            self.seen,
            torch.from_numpy(~train.scaler.linear).to(device),  # these have a warp already
            latent_dim=decoder.latent_dim,
            # a column by itself has nothing to share
            mask_latent_dim=size if int((~self.seen).any(0).sum()) > 1 else 0,
            chains=usual_chains(model, train),
            shared=decoder.scale.kind == "shared",
            floor=decoder.scale.floor,
            forms=model.missingness.forms,
            generator=self.generator,
            components=prior.components if isinstance(prior, MixturePrior) else 1,
            direct=isinstance(decoder, DirectDecoder),
            covariates=self._covariates(rows),
        )
        self.total, self.sweeps = plan.steps, 0
        self.warm_up = min(max(round(_WARM_UP * self.total), 1), self.total - 1)
        # log p(row) takes as long as several sweeps
        self.scarce = usual_sweeps(model, train) < SWEEPS
        #: sweeps between two kept draws, and between two looks at bends and evidence in the warm-up
        self.every = max((self.total - self.warm_up) // _DRAWS, 1)
        self.looks = max(self.warm_up // (16 if self.scarce else 40), 1)
        if not self.warm_up:
            self.chains.bends.straight = torch.ones_like(self.chains.bends.straight)
        self.considered = self.chains.forms.allowed.clone()
        self.evidence: list[Tensor] = []
        self.bends: list[Tensor] = []
        self.kept: list[dict[str, Tensor]] = []
        self.odds = torch.zeros_like(self.chains.forms.probability)

    def _covariates(self, rows: Tensor) -> Tensor | None:
        """Return what the mechanism reads of the covariates of some rows."""
        mechanism, given = self.model.missingness, self.train.covariates
        assert isinstance(mechanism, AveragedMissingness)
        if mechanism.covariates is None or given is None:
            return None
        found: Tensor = mechanism.covariates(given[rows].double())
        return found

    @property
    def finished(self) -> bool:
        """Whether all sweeps have been made."""
        return self.sweeps >= self.total

    def advance(self, step: int) -> tuple[float, int]:
        """Make some sweeps; return minus the best chain's mean log p(row), and their number."""
        number = _EVALUATIONS // 4 if self.scarce else _EVALUATIONS
        block = min(max(self.total // number, 1), self.total - self.sweeps)
        for _ in range(block):
            self._sweep()
        found = log_evidence(self.chains, _PARTICLES)
        mean = found.mean(-1)
        self._show(parameters(self.chains, self.model), int(mean.argmax()))
        return -float(mean.max()), block

    def judged(self, step: int, bounds: Tensor | None) -> bool:
        """Return that there is no state to go back to: the draws together are the result."""
        return False

    def _sweep(self) -> None:
        chains, warm_up = self.chains, self.sweeps < self.warm_up
        chains.forms.allowed = self._allowed()
        chains.sweep(bend=warm_up)
        self.sweeps += 1
        if warm_up:
            last = self.sweeps == self.warm_up
            if self.sweeps > self.warm_up / 2 and (last or self.sweeps % self.looks == 0):
                self.bends.append(
                    torch.stack([chains.bends.skew, chains.bends.log_tail, chains.bends.width])
                )
                if self.sweeps > 3 * self.warm_up / 4:
                    self.evidence.append(log_evidence(chains, _PARTICLES))
            if last:
                self._hold_bends()
            return
        self.odds += chains.forms.probability / (self.total - self.warm_up)
        last = self.sweeps == self.total
        if self.sweeps % self.every == 0 or (last and not self.kept):
            self.kept.append(parameters(self.chains, self.model))

    def _allowed(self) -> Tensor:
        """Return the forms that each chain may choose now, (K, F)."""
        allowed = self.considered.clone()
        if self.sweeps < _OWN_VALUE * self.warm_up:
            own = self.chains.forms.own & ~self.chains.forms.latent & allowed[0]
            allowed[1::2] = own if bool(own.any()) else allowed[0]
        if self.sweeps < _AT_RANDOM * self.warm_up and bool(self.considered[0, 0]):
            allowed[:] = False
            allowed[:, 0] = True
        return allowed

    def _hold_bends(self) -> None:
        """Fix the bends at their posterior means, and leave out those that change nothing."""
        bends = self.chains.bends
        weight = chain_weights(torch.stack(self.evidence)).view(1, -1, 1)
        drawn = torch.stack(self.bends)  # (M, 3, K, p)
        mean = (drawn.mean(0) * weight).sum(1)
        sd = (drawn.std(0, correction=0) * weight).sum(1)
        straight = (mean.abs() < _STRAIGHT * sd)[:2].all(0) | bends.straight
        if len(drawn) < _FEWEST_BENDS:
            straight = torch.ones_like(straight)
        skew, log_tail = mean[:2].masked_fill(straight, 0.0)
        bends.straight = straight
        bends.skew = skew.expand_as(bends.skew).clone()
        bends.log_tail = log_tail.expand_as(bends.log_tail).clone()
        bends.width = mean[2].expand_as(bends.width).clone()
        bends.refresh()
        self.chains.y = torch.where(bends.known, bends.y, self.chains.y)
        self.chains.read_bent()
        self.evidence = []

    @torch.no_grad()
    def _show(self, state: dict[str, Tensor], chain: int) -> None:
        """Give the model the parameters of one chain; a checkpoint does not let buffers change."""
        own = dict(self.model.named_parameters())
        for name, values in state.items():
            if name in own:
                own[name].copy_(values[chain])

    def posterior(self) -> Posterior:
        """Return draws of all chains alike, evenly spread over each chain's kept draws.

        Chains end in different modes where a table leaves open what it means. They count alike:
        weighed by their evidence, one mode takes nearly all of the weight, and often not that of
        the smaller error, since the evidence of a draw goes up and down by tens of nats.
        """
        chains = len(self.odds)
        counts = [len(range(chain, _DRAWS, chains)) for chain in range(chains)]
        picks = [
            (int(place), chain)
            for chain, count in enumerate(counts)
            for place in torch.linspace(0, len(self.kept) - 1, count).round()
        ]
        dtype = next(self.model.parameters()).dtype
        drawn = {
            name: torch.stack([self.kept[place][name][chain] for place, chain in picks])
            for name in self.kept[0]
        }
        forms = drawn.pop("form").cpu()
        odds = torch.zeros(len(self.train.columns), self.odds.shape[-1])
        odds[self.chains.columns.cpu()] = self.odds.mean(0).to(odds.dtype).cpu()
        tensors = {name: value.to(dtype) for name, value in drawn.items()}
        return Posterior(tensors, forms, odds, bent_scaler(self.chains, self.train.scaler, self.x))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        held = {"evidence": self.evidence, "bends": self.bends, "kept": self.kept}
        generator = self.generator.get_state()
        return {
            "optimiser": {**held, "odds": self.odds, "generator": generator},
            "schedule": self.chains.state(),
            "batches": {"sweeps": self.sweeps},
            "found": {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state` returned."""
        held = state["optimiser"]
        self.evidence, self.bends, self.kept = held["evidence"], held["bends"], held["kept"]
        self.odds = held["odds"]
        self.generator.set_state(held["generator"])
        self.chains.restore(state["schedule"])
        self.sweeps = int(state["batches"]["sweeps"])
