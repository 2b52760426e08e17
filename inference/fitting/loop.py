"""Fitting a model to a table by maximising the importance-weighted bound."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Unpack

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ...data import IncompleteData, Ratings
from ...data.arguments import check_names, names_of, spelled_out
from ...data.errors import InputError, KindError
from ...data.renamed import INTEGRATION_MODE, with_new_names
from ...data.system.memory import asked_for
from ...data.system.process import (
    callers_turn,
    one_at_a_time,
    random_state,
    seeded,
    set_random_state,
)
from ...models.never_fitted import forget_start
from ...models.programs.base import declarations
from ..elbo import ImportanceWeightedELBO
from ..evaluating import computing, learning
from ..prepare import of_model
from ..targets import with_matching_target
from .batches import Batches
from .checking import check_slopes
from .checkpoint import checkpoint_path, damaged, read_checkpoint, write_checkpoint
from .loggers import Logger
from .nonfinite import NonFiniteLossError, first_bad_site
from .optimiser import make_optimiser, make_schedule
from .result import FitResult
from .settings import FitOptions, FitSettings

Table = IncompleteData | Ratings
_log = logging.getLogger(__name__)
#: particles for judging a model, more than for fitting it
_PARTICLES_FOR_BOUND = 100


@spelled_out(FitOptions, like=FitSettings)
def fit(
    model: Any,
    data: Table,
    *,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    callback: Callable[[dict[str, float]], None] | None = None,
    loggers: Sequence[Logger] = (),
    check: bool = True,
    **settings: Unpack[FitOptions],
) -> FitResult:
    """Fit ``model`` to ``data`` and return the best state seen on held-out rows.

    Further arguments are the fields of :class:`FitSettings`: ``particles``, ``steps``,
    ``batch_size``, ``learning_rate``, ``mechanism_rate`` (how much faster the mechanism's
    coefficients learn), ``schedule``, ``gradient``, ``unobserved``, ``validation`` (share of rows
    held out; 0 fits all rows and keeps the last state), ``evaluations``, ``patience`` (stop after
    so many evaluations without a better bound) and ``seed``.

    Args:
        checkpoint: a file to save the fit's state in at every evaluation; if it exists, the fit
            goes on from it and ends as if it had never stopped. It is removed at the end.
        callback: called with each row of the history.
        check: see afterwards, on some of the rows, what the mechanism's slopes on the values
            themselves rest on, and warn (:class:`absentia.IdentificationWarning`) where that is the
            decoder's shape alone; ``identification`` of the result.
        loggers: where the history is written as it comes: :class:`absentia.CSVLogger`,
            :class:`absentia.TensorBoardLogger`, :class:`absentia.WandbLogger`, or your own.

    Raises:
        NonFiniteLossError: if the loss is no longer finite; names the site. The model keeps its
            best state so far.
        ValueError: for settings out of range or a checkpoint of another fit.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(50, 2))
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows)
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, sign="+"), data, steps=20, progress=False)
    >>> len(fitted.history) == 20 and bool(np.isfinite(fitted.bound))
    True
    """
    given = with_new_names("fit", settings, INTEGRATION_MODE)
    check_names("fit", given, names_of(fit))
    plan = FitSettings(**given)
    path = None if checkpoint is None else checkpoint_path(checkpoint)
    if not isinstance(data, IncompleteData | Ratings):
        raise KindError(
            f"data is a {type(data).__name__}; read it with IncompleteData.from_frame or from_numpy"
        )
    data = of_model(model, data)
    if isinstance(data, IncompleteData):
        data = _checked(model, data)
    _check_trainable(model, dtype)
    told: list[Callable[[dict[str, float]], None]] = [logger.log for logger in loggers]
    told += [callback] if callback is not None else []
    asked = {"particles": plan.particles, "batch_size": plan.batch_size}
    with asked_for("fit", **asked), one_at_a_time(), learning():
        model.to(device=device, dtype=dtype)
        parameter = next(model.parameters())
        with computing(model):
            data = data.to(device=parameter.device, dtype=parameter.dtype)
            train, held_out = _split(data, plan)
            run = _Run(model, train, held_out, plan, path)
            was_training = model.training
            model.train()
            try:
                for logger in loggers:
                    logger.start(plan.to_dict(), resumed=path is not None and path.exists())
                with seeded(plan.seed, parameter.device):
                    run.go(progress, told)
            finally:
                run.restore_best()
                model.train(was_training)
                for logger in loggers:
                    logger.finish()
    if path is not None:
        path.unlink(missing_ok=True)
    forget_start(model)
    history = pd.DataFrame(run.history)
    bound = run.best_bound if held_out is not None else float(history["train_bound"].iloc[-1])
    whole = data.whole if isinstance(data, IncompleteData) and data.whole else data
    with computing(model):
        identification = check_slopes(model, data, plan, stacklevel=2) if check else None
    return FitResult(
        model=model,
        scaler=whole.scaler,
        columns=whole.columns,
        history=history,
        bound=bound,
        best_step=run.best_step,
        settings=plan,
        schema=whole.schema,
        covariate_schema=data.covariate_schema,
        identification=identification,
        rows=len(data),
    )


def _checked(model: Any, data: IncompleteData) -> IncompleteData:
    """Return data that the model can be fitted to, with a target where it predicts one."""
    predicts = declarations(model).predictor is not None
    if data.target is None and predicts:
        raise InputError(
            f"a {type(model).__name__} predicts a target; give one with data.with_target(y)"
        )
    if data.target is not None and not predicts:
        raise InputError(
            f"a {type(model).__name__} takes no target; fit SupervisedNotMIWAE, or "
            f"data.without_target()"
        )
    mechanism = declarations(model).missingness
    if mechanism is not None:
        mechanism.check(data)
    return with_matching_target(model, data)


def _check_trainable(model: Any, dtype: torch.dtype | None) -> None:
    """Refuse parameters that no gradient can reach, and a dtype that has none."""
    if dtype is not None and not dtype.is_floating_point:
        raise InputError(f"dtype is {dtype}; give torch.float32 or torch.float64")
    for name, parameter in model.named_parameters():
        if parameter.is_inference():
            raise InputError(
                f"parameter '{name}' was made inside torch.inference_mode() and cannot be "
                f"trained; make the model outside of it"
            )


def _split(data: Table, plan: FitSettings) -> tuple[Table, Table | None]:
    if plan.validation == 0 or len(data) == 1:
        return data, None
    held = min(max(round(plan.validation * len(data)), 1), len(data) - 1)
    generator = torch.Generator().manual_seed(plan.seed + 7919)
    order = torch.randperm(len(data), generator=generator)
    return data.rows(order[held:].sort().values), data.rows(order[:held].sort().values)


class _Run:
    """The state of one fit between two evaluations."""

    def __init__(
        self,
        model: Any,
        train: Table,
        held_out: Table | None,
        plan: FitSettings,
        path: Path | None,
    ) -> None:
        self.model, self.train, self.held_out = model, train, held_out
        self.plan, self.path = plan, path
        self.elbo = ImportanceWeightedELBO(
            plan.particles, gradient=plan.gradient, unobserved=plan.unobserved
        )
        self.optimiser = make_optimiser(model, plan)
        self.schedule = make_schedule(self.optimiser, plan)
        self.batches = Batches(train.x, train.s, plan.batch_size, plan.seed, **train.extras())
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.best_bound, self.best_step = -math.inf, 0
        self.best_state = copy.deepcopy(model.state_dict())
        self.waited = 0

    def go(self, progress: bool, told: Sequence[Callable[[dict[str, float]], None]]) -> None:
        """Take steps until the last step, or until patience runs out."""
        self._resume()
        every = max(1, self.plan.steps // self.plan.evaluations)
        bar = tqdm(
            total=self.plan.steps, initial=self.step, desc="fit", disable=not progress, leave=False
        )
        total, count = torch.zeros(()), 0
        with bar:
            while self.step < self.plan.steps and not self._out_of_patience():
                total = total + self._one_step()
                count += 1
                if self.step % every and self.step != self.plan.steps:
                    continue
                row = self._evaluate(float(total) / count)
                bar.update(count)
                bar.set_postfix(bound=f"{row['bound']:.3f}")
                total, count = torch.zeros(()), 0
                _log.debug("step %d: bound %.4f nats a row", self.step, row["bound"])
                for tell in told:
                    with callers_turn(self.train.x.device):
                        tell(row)
                self.model.train()
        _log.info(
            "the fit ended at step %d of %d, %s; the state of step %d is kept, bound %.4f",
            self.step,
            self.plan.steps,
            "all steps done" if self.step == self.plan.steps else "out of patience",
            self.best_step,
            self.best_bound,
        )

    def _out_of_patience(self) -> bool:
        return self.plan.patience is not None and self.waited >= self.plan.patience

    def _one_step(self) -> Tensor:
        x, s = self.batches.next()
        extras = self.batches.extras
        size = len(self.train)
        model, guide = self.model.model, self.model.guide
        try:
            loss = self.elbo.differentiable_loss(model, guide, x, s, size, **extras) / size
        except torch.linalg.LinAlgError:  # a guide that factorises a matrix notices first
            self._stop_at(x, s, extras)
        if not bool(loss.isfinite()):
            self._stop_at(x, s, extras)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        return loss.detach().cpu()

    def _stop_at(self, x: Tensor, s: Tensor, extras: dict[str, Tensor]) -> NoReturn:
        cause = first_bad_site(self.model.model, self.model.guide, x, s, **extras)
        raise NonFiniteLossError(
            f"the loss is not finite at step {self.step + 1}: {cause}. Lower learning_rate (now "
            f"{self.plan.learning_rate:g}), raise the decoder's floor, or fit in float64"
        )

    def _evaluate(self, loss: float) -> dict[str, float]:
        for name, parameter in self.model.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise NonFiniteLossError(
                    f"parameter '{name}' is not finite after step {self.step}; lower learning_rate "
                    f"(now {self.plan.learning_rate:g})"
                )
        row = {
            "step": self.step,
            "train_bound": -loss,
            "validation_bound": self._validation_bound(),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        row["bound"] = row["validation_bound"] if self.held_out is not None else -loss
        self.history.append(row)
        self.waited += 1
        # without held-out rows there is nothing to choose by: the last state is the result
        if self.held_out is None or row["bound"] > self.best_bound:
            self.best_bound, self.best_step, self.waited = row["bound"], self.step, 0
            self.best_state = copy.deepcopy(self.model.state_dict())
        if self.path is not None:
            self._checkpoint()
        return row

    @torch.no_grad()
    def _validation_bound(self) -> float:
        if self.held_out is None:
            return math.nan
        judge = ImportanceWeightedELBO(_PARTICLES_FOR_BOUND, unobserved=self.plan.unobserved)
        rows = torch.arange(len(self.held_out), device=self.held_out.x.device).split(64)
        x, s = self.held_out.x, self.held_out.s
        self.model.eval()
        # the same random numbers each time, so that evaluations differ by the model alone
        with seeded(self.plan.seed, x.device):
            parts = [
                judge.bound(
                    self.model.model,
                    self.model.guide,
                    x[part],
                    s[part],
                    **self.held_out.extras(part),
                )
                for part in rows
            ]
        self.model.train()
        return float(torch.cat(parts).mean())

    def restore_best(self) -> None:
        """Put the best state back into the model."""
        self.model.load_state_dict(self.best_state)

    def _identity(self) -> dict[str, Any]:
        data = hashlib.sha256(self.train.fingerprint())
        if self.held_out is not None:
            data.update(self.held_out.fingerprint())
        data.update(repr((self.train.columns, self.train.scaler.to_dict())).encode())
        for name, value in self.train.extras().items():
            data.update(name.encode() + value.cpu().numpy().tobytes())
        # what load_state_dict would overwrite in silence: signs and given slopes are buffers
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
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "batches": self.batches.state(),
            "found": self.elbo.found(self.model.model),
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
            self._take_up(state)
        except Exception as error:  # whatever is wrong inside the file, it is the file's fault
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise damaged(self.path, why) from error

    def _take_up(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["best"])  # seen to fit before anything is replaced
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["schedule"].keys() != self.schedule.state_dict().keys():
            raise InputError("its part 'schedule' is of another schedule")
        self.schedule.load_state_dict(state["schedule"])
        self.batches.restore(state["batches"])
        device = self.train.x.device
        self.elbo.take_as_found(self.model.model, state["found"], device)
        set_random_state(state["random"], device)
        self.best_bound, self.best_step, self.waited = state["best_at"]
        self.step, self.history, self.best_state = state["step"], state["history"], state["best"]
