"""Sources of parameters for multiple imputation: their posterior, refits, or the fit itself."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import AbsentiaWarning, InputError
from ...data.system.process import own_settings, seeded
from ...data.system.workers import Parcel, in_workers
from ...models import rebuild
from ...models.programs.base import RowModel
from ..fitting.loop import fit
from ..fitting.result import FitResult
from .laplace import MOST_PARAMETERS
from .parameters import ParameterPosterior

Parameters = Literal["auto", "posterior", "laplace", "bootstrap", "ensemble", "mechanism", "fixed"]
_PROPOSALS = 200  # draws of the parameters, from which m are resampled by weight
_SHORTER = 4  # a refit that starts from the fit takes the fit's steps divided by this
_FEWEST = 250  # but no fewer, where these were not many more than needed

#: a model, and the values at which to hold its coefficients where they have priors
Source = tuple[RowModel, Mapping[str, Tensor] | None]


class Sources(NamedTuple):
    """A sequence of m models, their kind, and k-hat of their Normal approximation."""

    kind: str
    khat: float
    models: Iterator[Source]


def sources(
    fitted: FitResult,
    data: IncompleteData,
    m: int,
    parameters: Parameters,
    *,
    steps: int | None = None,
    jobs: int = 1,
    seed: int = 0,
) -> Sources:
    """Return m draws of a fitted model's parameters; see :func:`absentia.multiple_imputation`.

    Two models may be the same module, which is changed in place: use each before the next.

    Raises:
        ValueError: the source is unknown, or m is less than one.
    """
    if parameters not in get_args(Parameters):
        raise InputError(
            f"parameters {parameters!r} is not one of {', '.join(get_args(Parameters))}"
        )
    if m < 1:
        raise InputError(f"{m} draws of the parameters are asked for; give at least 1")
    if fitted.model.frozen and parameters != "fixed":
        raise InputError(
            "this model is the second of two stages, in which only the predictor was learnt; give "
            "the fit of the first stage, or parameters='fixed'"
        )
    sampled = fitted.posterior
    if parameters == "auto" and sampled is not None:
        parameters = "posterior"
    if parameters == "posterior":
        if sampled is None:
            raise InputError(
                "parameters='posterior' needs a fit that sampled the posterior of its parameters, "
                "NotMIWAEPPCA(data, 'auto'); give another source"
            )
        own = copy.deepcopy(fitted.model)
        places = sampled.chosen(m)
        return Sources(parameters, np.nan, ((sampled.put(own, k), None) for k in places))
    posterior: ParameterPosterior | None = None
    if parameters == "auto":
        parameters = "bootstrap"
        if is_small(fitted.model):
            # there is none where missing levels are sampled, or where decoder and mask share a part
            with contextlib.suppress(InputError):
                posterior = ParameterPosterior(fitted, data, decoder="joint", seed=seed)
                parameters = "laplace"
    if parameters in ("bootstrap", "ensemble"):
        steps = refit_steps(fitted, parameters) if steps is None else steps
        again = _bootstrapped if parameters == "bootstrap" else _from_scratch
        given = Parcel((fitted, data, steps))
        tasks = ((again, given, seed + 7919 * k) for k in range(m))
        refits = in_workers(_in_parcels, tasks, jobs, ordered=True)
        return Sources(parameters, np.nan, ((model.content, None) for model in refits))
    model = copy.deepcopy(fitted.model)
    if parameters == "fixed":
        return Sources(parameters, np.nan, ((model, None) for _ in range(m)))
    guide = model.coefficient_guide
    if parameters == "mechanism" and guide is not None:
        with seeded(seed), torch.no_grad():
            drawn = [{name: v.detach() for name, v in guide().items()} for _ in range(m)]
        return Sources(parameters, np.nan, ((model, coefficients) for coefficients in drawn))
    if posterior is None:
        decoder = "joint" if parameters == "laplace" else "fixed"
        posterior = ParameterPosterior(fitted, data, decoder=decoder, seed=seed)
    draws = posterior.draws(max(_PROPOSALS, 2 * m), seed)
    if not draws.reliable:
        warnings.warn(
            f"a Normal approximation of the {len(posterior.target)} parameters is poor (k-hat "
            f"{draws.khat:.2f}), and the intervals are rough; give parameters='bootstrap', fit "
            f"with more steps, or give the mechanism a prior or a column that identifies it",
            AbsentiaWarning,
            stacklevel=3,
        )
    at = draws.resampled(m, seed)
    return Sources(parameters, draws.khat, (posterior.model_at(vector) for vector in at))


def _in_parcels(again: Callable[..., RowModel], given: Parcel, seed: int) -> Parcel:
    """Refit a model from what a parcel holds, and return it in one."""
    return Parcel(again(*given.content, seed))


def is_small(model: RowModel) -> bool:
    """Whether decoder and mechanism are small enough for a Normal approximation."""
    parts = (model.decoder, model.missingness, model.predictor)
    learnt = [p for part in parts if part is not None for p in part.parameters() if p.requires_grad]
    # a rotation of the latents changes a mechanism that reads them, and a Normal cannot follow it
    turns = {"z", "z_mask"} & set(model.missingness.asks)
    if any(True for _ in model.prior.parameters()):  # nor does it hold what a learnt prior can be
        return False
    return sum(p.numel() for p in learnt) <= MOST_PARAMETERS and not turns


def refit_steps(fitted: FitResult, parameters: Parameters) -> int:
    """Return the steps of a refit to all rows, for which no held-out rows tell when to end.

    A fit that ended by its held-out rows would be overfitted by all the steps that it was allowed,
    so that a refit from scratch takes as many as led to the best state. One that starts from the
    fit takes a quarter, but enough steps to move to the maximum of its own rows.
    """
    ended = _ended_by_rows(fitted)
    all_steps = fitted.best_step if ended else fitted.settings.steps
    if parameters != "bootstrap":
        return all_steps
    return max(all_steps // _SHORTER, min(all_steps, _FEWEST) if ended else 1)


def _ended_by_rows(fitted: FitResult) -> bool:
    return fitted.settings.schedule == "until-flat"


def _settings(fitted: FitResult, steps: int, seed: int) -> dict[str, Any]:
    plan = {**fitted.settings.to_dict(), "steps": steps, "seed": seed}
    if _ended_by_rows(fitted):
        plan["schedule"] = "one-cycle"  # a schedule that reads held-out rows has none here
    # all rows are fitted and the last state is the result, since no rows are held out
    return {**plan, "validation": 0.0, "patience": None, "evaluations": 1, "progress": False}


def refitted(fitted: FitResult, data: IncompleteData, seed: int) -> RowModel:
    """Fit the model again to other rows, as it was fitted, from new initial weights.

    A fit that its held-out rows have ended takes the steps to its best state, as in an ensemble.
    """
    if _ended_by_rows(fitted):
        return _from_scratch(fitted, data, refit_steps(fitted, "ensemble"), seed)
    settings = {**fitted.settings.to_dict(), "seed": seed, "progress": False}
    return fit(_initial(fitted, data, seed), data, check=False, **settings).model


def _bootstrapped(fitted: FitResult, data: IncompleteData, steps: int, seed: int) -> RowModel:
    rows = np.random.default_rng(seed).integers(len(data), size=len(data))
    model = copy.deepcopy(fitted.model)
    return fit(model, data.rows(np.sort(rows)), check=False, **_settings(fitted, steps, seed)).model


def _from_scratch(fitted: FitResult, data: IncompleteData, steps: int, seed: int) -> RowModel:
    model = _initial(fitted, data, seed)
    return fit(model, data, check=False, **_settings(fitted, steps, seed)).model


def _initial(fitted: FitResult, data: IncompleteData, seed: int) -> RowModel:
    """Make the model of a fit anew, with new initial weights."""
    with own_settings(), seeded(seed):
        model: RowModel = rebuild(fitted.model.config)
        model.missingness.initialise(data.s.cpu().float().mean(0))
    return model.to(data.x)
