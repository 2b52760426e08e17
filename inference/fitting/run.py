"""One run of the optimiser: its steps, its evaluations, and the state that a checkpoint keeps."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor
from tqdm import tqdm

from ...data import IncompleteData, Ratings
from ...data.system.process import callers_turn, random_state, seeded, set_random_state
from ..elbo import ImportanceWeightedELBO
from ..randomness.points import seed_of
from ..scanned.ranks import ALONE
from ..scanned.streamed import StreamedRows
from .checkpoint import damaged, read_checkpoint, write_checkpoint
from .nonfinite import NonFiniteLossError, NotFiniteAt, first_bad_site
from .quasi_newton import QuasiNewton
from .sampled import PosteriorSampling
from .settings import FitSettings
from .stochastic import Stochastic

Table = IncompleteData | Ratings
_log = logging.getLogger(__name__)
#: the particles of an evaluation on held-out rows, which are more than those of a fitting step
_PARTICLES_FOR_BOUND = 100
#: the classes that change the parameters, by the value of the setting ``optimiser``
OPTIMISERS: dict[str, Any] = {
    "adam": Stochastic,
    "l-bfgs": QuasiNewton,
    "gibbs": PosteriorSampling,
}


class Run:
    """One fit: it alternates steps and evaluations, and keeps the best state so far.

    Args:
        model: the model, which is fitted in place.
        train: the rows to fit.
        held_out: the rows that judge a state; None if there are none.
        plan: the settings.
        path: the file of the checkpoint; None for none.
    """

    def __init__(
        self,
        model: Any,
        train: Table | StreamedRows,
        held_out: Table | None,
        plan: FitSettings,
        path: Path | None,
    ) -> None:
        self.model, self.train, self.held_out = model, train, held_out
        self.plan, self.path = plan, path
        self.ranks = train.ranks if isinstance(train, StreamedRows) else ALONE
        self.stepper = OPTIMISERS[plan.optimiser](model, train, plan)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.best_bound, self.best_step = -math.inf, 0
        self.best_state = copy.deepcopy(model.state_dict())
        #: evaluations since the best one
        self.waited = 0

    def go(self, progress: bool, listeners: Sequence[Callable[[dict[str, float]], None]]) -> None:
        """Take steps until the last one, or until patience runs out or nothing more is gained.

        Args:
            progress: show a progress bar.
            listeners: functions that are called with each row of the history.
        """
        self._resume()
        bar = tqdm(
            total=self.plan.steps, initial=self.step, desc="fit", disable=not progress, leave=False
        )
        with bar:
            while not self._done():
                try:
                    loss, count = self.stepper.advance(self.step)
                except NotFiniteAt as found:
                    self.step += found.taken
                    self._stop_at(found)
                self.step += count
                row = self._evaluate(loss)
                bar.update(count)
                bar.set_postfix(bound=f"{row['bound']:.3f}")
                _log.debug("step %d: bound %.4f nats per row", self.step, row["bound"])
                for listen in listeners:
                    with callers_turn(self.train.x.device):
                        listen(row)
                self.model.train()
        _log.info(
            "the fit ended at step %d of %d, %s; the state of step %d is kept, bound %.4f",
            self.step,
            self.plan.steps,
            self._why_done(),
            self.best_step,
            self.best_bound,
        )

    def _done(self) -> bool:
        return self._why_done() is not None

    def _why_done(self) -> str | None:
        """Return why the fit ends here; None if it goes on."""
        if self.step >= self.plan.steps:
            return "all steps done"
        if self.stepper.finished:
            return "no more to gain"
        if self.plan.patience is not None and self.waited >= self.plan.patience:
            return "out of patience"
        return None

    def _stop_at(self, found: NotFiniteAt) -> NoReturn:
        """Raise the error for a loss that is not finite, with the site that is the cause."""
        model, guide = self.model.model, self.model.guide
        cause = first_bad_site(model, guide, found.x, found.s, **found.extras)
        raise NonFiniteLossError(
            f"the loss is not finite at step {self.step + 1}: {cause}. Lower learning_rate (now "
            f"{self.plan.learning_rate:g}), raise the decoder's smallest scale, or fit in float64"
        ) from found

    def _evaluate(self, loss: float) -> dict[str, float]:
        """Add a row to the history, and keep the state if it is the best so far."""
        for name, parameter in self.model.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise NonFiniteLossError(
                    f"parameter '{name}' is not finite after step {self.step}; lower learning_rate "
                    f"(now {self.plan.learning_rate:g})"
                )
        bounds = self._held_out_bounds()
        row = {
            "step": self.step,
            "train_bound": -loss,
            "validation_bound": math.nan if bounds is None else float(bounds.mean()),
            "learning_rate": self.stepper.learning_rate,
        }
        row["bound"] = row["validation_bound"] if self.held_out is not None else -loss
        self.history.append(row)
        self.waited += 1
        # without held-out rows nothing tells which state is better, and the last one is kept
        if self.held_out is None or row["bound"] > self.best_bound:
            self.best_bound, self.best_step, self.waited = row["bound"], self.step, 0
            self.best_state = copy.deepcopy(self.model.state_dict())
        if self.stepper.judged(self.step, bounds):
            self.restore_best()
        if self.path is not None and self.ranks.first:
            self._checkpoint()
        return row

    @torch.no_grad()
    def _held_out_bounds(self) -> Tensor | None:
        """Return the bounds (n,) of the rows held out; None if there are none."""
        if self.held_out is None:
            return None
        elbo = ImportanceWeightedELBO(_PARTICLES_FOR_BOUND, unobserved=self.plan.unobserved)
        held_out, own = self.held_out, (self.model.model, self.model.guide)
        rows = torch.arange(len(held_out), device=held_out.x.device).split(64)

        def bounds(part: Tensor) -> Tensor:
            return elbo.bound(*own, held_out.x[part], held_out.s[part], **held_out.extras(part))

        self.model.eval()
        # all evaluations use the same random numbers, so that only the model makes them differ
        if self.ranks.world == 1:
            with seeded(self.plan.seed, held_out.x.device):
                found = torch.cat([bounds(part) for part in rows])
        else:
            # each process computes its share and gets the others': all decide by the same numbers
            found = torch.zeros(len(held_out), device=held_out.x.device)
            for k in range(self.ranks.rank, len(rows), self.ranks.world):
                with seeded(seed_of(f"{self.plan.seed} held out {k}"), held_out.x.device):
                    found[rows[k]] = bounds(rows[k]).to(found.dtype)
            found = self.ranks.total(found)
        self.model.train()
        return found

    def restore_best(self) -> None:
        """Put the best state back into the model."""
        self.model.load_state_dict(self.best_state)

    def _identity(self) -> dict[str, Any]:
        """Return what tells this fit from others: settings, and hashes of data and model."""
        data = hashlib.sha256(self.train.fingerprint())
        if self.held_out is not None:
            data.update(self.held_out.fingerprint())
        data.update(repr((self.train.columns, self.train.scaler.to_dict())).encode())
        for name, value in self.train.extras().items():
            data.update(name.encode() + value.cpu().numpy().tobytes())
        # signs and given slopes are buffers, which load_state_dict would overwrite silently
        model = hashlib.sha256(repr(self.model).encode())
        for name, parameter in self.model.named_parameters():
            model.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        for name, buffer in self.model.named_buffers():
            model.update(name.encode() + buffer.detach().cpu().numpy().tobytes())
        return {**self.plan.to_dict(), "data": data.hexdigest(), "model": model.hexdigest()}

    def _checkpoint(self) -> None:
        assert self.path is not None
        state = {
            "settings": self._identity(),
            "step": self.step,
            "model": self.model.state_dict(),
            "best": self.best_state,
            "best_at": [self.best_bound, self.best_step, self.waited],
            **self.stepper.state(),
            "history": self.history,
            "random": random_state(self.train.x.device),
        }
        write_checkpoint(self.path, state)

    def _resume(self) -> None:
        if self.path is None:
            return
        state = read_checkpoint(self.path, self._identity())
        if state is None:
            return
        try:
            self._restore(state)
        except Exception as error:  # anything that goes wrong here is a fault of the file
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise damaged(self.path, why) from error

    def _restore(self, state: dict[str, Any]) -> None:
        # load the best state first: if it does not fit the model, nothing else has been replaced
        self.model.load_state_dict(state["best"])
        self.model.load_state_dict(state["model"])
        self.stepper.restore(state)
        set_random_state(state["random"], self.train.x.device)
        if self.ranks.world > 1:  # the state is that of one process, and others go other ways
            torch.manual_seed(seed_of(f"{self.plan.seed} {self.ranks.rank} {state['step']}"))
        self.best_bound, self.best_step, self.waited = state["best_at"]
        self.step, self.history, self.best_state = state["step"], state["history"], state["best"]
