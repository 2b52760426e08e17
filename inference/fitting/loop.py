"""Fitting a model to a table by maximising the importance-weighted bound."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack, cast

import pandas as pd
import torch

from ...data import IncompleteData, Ratings
from ...data.arguments import check_names, names_of, spelled_out
from ...data.errors import InputError, KindError
from ...data.renamed import INTEGRATION_MODE, with_new_names
from ...data.scan import Scan
from ...data.system.memory import asked_for
from ...data.system.process import one_at_a_time, seeded
from ...models.never_fitted import forget_start, never_fitted
from ...models.programs.base import declarations
from ..evaluating import computing, learning
from ..prepare import of_model
from ..scanned.ranks import Ranks
from ..scanned.streamed import MOST_HELD_OUT, StreamedRows, split_scan
from ..targets import with_matching_target
from .autocast import hidden_in_bfloat16
from .averaging import averages_forms
from .bent_scaler import with_columns
from .checking import check_slopes
from .checkpoint import checkpoint_path
from .loggers import Logger
from .quasi_newton import is_plain, is_quick
from .result import FitResult
from .run import Run, Table
from .sampled import usual_sweeps
from .settings import NOT_OF_SWEEPS, OF_ADAM, FitOptions, FitSettings, goes_until_flat
from .starts import start_at_the_best
from .until_flat import MOST_ROWS
from .usual import usual_rate
from .warm_start import start_mechanism

_log = logging.getLogger(__name__)


@spelled_out(FitOptions, like=FitSettings)
def fit(
    model: Any,
    data: Table | Scan,
    *,
    rows_in_memory: int = 50_000,
    distributed: Literal["ddp"] | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    callback: Callable[[dict[str, float]], None] | None = None,
    loggers: Sequence[Logger] = (),
    check: bool = True,
    **settings: Unpack[FitOptions],
) -> FitResult:
    """Fit ``model`` to ``data``, and keep the state with the best bound on held-out rows.

    The bound is the importance-weighted lower bound on the log-likelihood of the observed values
    and the mask (:class:`absentia.ImportanceWeightedELBO`).

    Further arguments are the fields of :class:`FitSettings`: ``particles`` (importance samples per
    row), ``steps``, ``batch_size``, ``learning_rate``, ``mechanism_rate`` (the factor by which the
    mechanism's coefficients learn faster), ``schedule`` (of the rate, see below), ``gradient``,
    ``unobserved`` (whether missing values are integrated out or sampled), ``validation`` (the share
    of rows held out; 0 fits all rows and keeps the last state), ``evaluations`` (their number in
    all), ``patience`` (stop after so many evaluations without a better bound), ``seed``,
    ``n_init`` (the starts of a mixture's components, of which the best after a short fit goes on),
    ``optimiser`` and ``autocast`` (True computes the hidden layers of networks in bfloat16 during
    the fit, which is quicker on GPUs that have it, and slower on most processors; parameters,
    densities and weights keep their precision).

    The optimiser is ``"adam"`` on minibatches, for every
    model, or ``"l-bfgs"`` on the whole table, which is some ten times faster and serves linear
    decoders with the guide that they determine (``encoder="exact"`` or ``"mode"``). ``"auto"``
    takes L-BFGS where it can (with ``"mode"`` up to 2,000 cells), unless a setting of Adam's is
    given (``steps``, ``batch_size``, the two rates, ``schedule``, ``gradient``, ``evaluations``,
    ``n_init``). L-BFGS ends when ten iterations bring less than .001 nats per row, and
    at the latest after ``steps`` iterations. It fits all rows and holds none out, unless
    ``validation`` or ``patience`` is given. Where a linear model or a mixture averages over forms
    of its mechanism (``missingness="auto"``), ``"auto"`` takes ``"gibbs"``, which samples the
    posterior of all parameters by four chains or eight
    (:class:`~absentia.inference.fitting.sampled.PosteriorSampling`); the draws are in
    ``posterior``. ``steps`` then is the number of sweeps; where it is left out there are 1,000, and
    down to 400 where a sweep takes long (from some 300 rows by 30 columns on). Of very many rows
    the chains read a random part, by the seed: 8,000 rows of 10 columns, 1,000 of 30 or more.

    The schedule ``"until-flat"`` ends Adam's fit when the bound on held-out rows has stopped
    rising by more than its standard error
    (:class:`~absentia.inference.fitting.until_flat.UntilFlat`): ``steps`` is a ceiling, the rows
    held out are at most 1,000, all particles take part in the last stage only, and the mechanism of
    a new network starts from that under a linear decoder
    (:func:`~absentia.inference.fitting.warm_start.start_mechanism`). ``"one-cycle"``,
    ``"cosine"`` and ``"constant"`` take exactly ``steps`` steps. ``"auto"`` is until-flat where
    rows are held out and none of ``steps``, ``evaluations`` and ``patience`` is given, else
    one-cycle. The rate of until-flat is .01 for linear decoders and .002 for networks.

    Args:
        model: the model, which is fitted in place, or a function of the table that makes one, such
            as ``absentia.NotMIWAEPPCA``.
        data: the table, or the ratings. Of a :func:`absentia.scan` with more rows than
            ``rows_in_memory``, a random sample of so many is read: a model is made from it, L-BFGS
            and the sampler are given it alone, and Adam's minibatches come from all rows. They are
            read four parts (at most 262,144 rows) at a time in an order that ``seed`` determines;
            at most 10,000 rows are held out, chosen by a hash of the row's key.
        rows_in_memory: the number of rows of a scan that are read at once.
        distributed: ``"ddp"`` where ``torchrun`` has started several processes of the script: each
            reads parts of its own of a scan, gradients are averaged over them (gloo, or nccl on
            GPUs), and a step is one of as many times ``batch_size`` rows. All of them return the
            fit; the first one writes the checkpoint, from which any number of processes can go on.
        checkpoint: a file in which the state of the fit is saved at every evaluation. If it exists,
            the fit goes on from it and ends as if it had never stopped. The file is removed when
            the fit ends.
        progress: show a progress bar.
        device: the device to fit on; when left out, the model's.
        dtype: the precision to fit in; when left out, the model's.
        callback: a function that is called with each row of the history.
        loggers: loggers to which each row of the history is written, such as
            :class:`absentia.inference.CSVLogger`, :class:`absentia.inference.TensorBoardLogger`,
            :class:`absentia.inference.WandbLogger`, or your own.
        check: check afterwards, on some of the rows, what identifies the mechanism's slopes on
            the missing values, and warn (:class:`absentia.inference.IdentificationWarning`) of
            slopes that rest on the decoder's shape alone. The result is in ``identification``.
        settings: fields of :class:`FitSettings`.

    Returns:
        The fitted model, with its settings and the history of the fit.

    Raises:
        NonFiniteLossError: the loss is no longer finite; the message names the site. The model
            keeps its best state so far.
        ValueError: a setting is out of range, or the checkpoint belongs to another fit.

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
    judged = "validation" in given or given.get("patience") is not None
    plan = FitSettings(**given)
    path = None if checkpoint is None else checkpoint_path(checkpoint)
    streamed: Scan | None = None
    if isinstance(data, Scan):
        few = _in_memory(data, rows_in_memory, plan.seed)
        streamed, data = (data if len(few) < len(data) else None), few
    if not isinstance(data, IncompleteData | Ratings):
        raise KindError(
            f"data is a {type(data).__name__}, not IncompleteData; read it with "
            f"IncompleteData.from_frame or from_numpy"
        )
    ranks = Ranks.of(distributed)
    loggers = loggers if ranks.first else ()
    if callable(model) and not isinstance(model, torch.nn.Module):
        model = model(data)
    data = cast(Table, of_model(model, data))
    if isinstance(data, IncompleteData):
        data = _checked(model, data)
    _check_trainable(model, dtype)
    listeners: list[Callable[[dict[str, float]], None]] = [logger.log for logger in loggers]
    listeners += [callback] if callback is not None else []
    asked = {"particles": plan.particles, "batch_size": plan.batch_size}
    with asked_for("fit", **asked), one_at_a_time(), learning():
        model.to(device=device, dtype=dtype)
        parameter = next(model.parameters())
        with computing(model):
            data = data.to(device=parameter.device, dtype=parameter.dtype)
            plan = _with_optimiser(plan, given, model, data)
            plan = _with_schedule(plan, given, len(data))
            if plan.schedule == "until-flat" and "learning_rate" not in given:
                plan = replace(plan, learning_rate=usual_rate(model))
            if plan.optimiser == "l-bfgs" and not judged:
                plan = replace(plan, validation=0.0)
            if ranks.world > 1 and (streamed is None or plan.optimiser != "adam"):
                raise InputError(
                    "distributed='ddp' divides the minibatches of Adam, and there are none here: "
                    "give a scan with more rows than rows_in_memory, and optimiser='adam'"
                )
            if streamed is not None and plan.optimiser == "adam":
                assert isinstance(data, IncompleteData)
                most = MOST_ROWS if plan.schedule == "until-flat" else MOST_HELD_OUT
                train: Table | StreamedRows
                held_out: Table | None
                train, held_out = split_scan(
                    streamed, model, data, plan.validation, most, plan.seed, ranks
                )
            else:
                train, held_out = _split(data, plan)
                if streamed is not None:
                    taken = plan.optimiser, len(data), len(streamed)
                    _log.info("%s is given a sample of %d of %d rows", *taken)
            begins = path is None or not path.exists()
            new = begins and never_fitted(model)
            if plan.schedule == "until-flat" and new:
                with seeded(plan.seed, parameter.device):
                    start_mechanism(model, train if streamed is None else data, plan)
            if plan.optimiser == "adam" and new:
                start_at_the_best(model, train if streamed is None else data, plan)
            ranks.same_start(model)
            run = Run(model, train, held_out, plan, path)
            was_training = model.training
            model.train()
            try:
                for logger in loggers:
                    logger.start(plan.to_dict(), resumed=path is not None and path.exists())
                # each process has random numbers of its own
                own = seeded(plan.seed + 104_729 * ranks.rank, parameter.device)
                with own, hidden_in_bfloat16(model, plan.autocast):
                    run.go(progress and ranks.first, listeners if ranks.first else ())
            finally:
                run.restore_best()
                model.train(was_training)
                for logger in loggers:
                    logger.finish()
    ranks.wait()
    if path is not None and ranks.first:
        path.unlink(missing_ok=True)
    forget_start(model)
    history = pd.DataFrame(run.history)
    bound = run.best_bound if held_out is not None else float(history["train_bound"].iloc[-1])
    whole = data.whole if isinstance(data, IncompleteData) and data.whole else data
    posterior = run.stepper.posterior() if plan.optimiser == "gibbs" else None
    scaler, identification = whole.scaler, None
    if posterior is not None:
        posterior.put(model, len(posterior) - 1)
        # slopes are not checked further: the odds of the forms say what can be known of them
        scaler = with_columns(scaler, whole.columns, posterior.scaler, data.columns)
    elif check:
        with computing(model):
            identification = check_slopes(model, data, plan, stacklevel=2)
    return FitResult(
        model=model,
        scaler=scaler,
        columns=whole.columns,
        history=history,
        bound=bound,
        best_step=run.best_step,
        settings=plan,
        schema=whole.schema,
        covariate_schema=data.covariate_schema,
        identification=identification,
        rows=len(data) if isinstance(train, IncompleteData | Ratings) else len(streamed or data),
        posterior=posterior,
    )


def _in_memory(scan: Scan, rows: int, seed: int) -> IncompleteData:
    """Read so many rows of a scan at random; all of them if it has no more.

    They come in the order of the files, or of the hashes of their keys, if there is a key.
    """
    if rows < 1:
        raise InputError(f"rows_in_memory is {rows}; give at least 1")
    if len(scan) <= rows and scan.key is None:
        return scan.range(0, len(scan))
    return scan.sample(rows, seed)  # with a key in an order that follows from the keys


def _with_optimiser(
    plan: FitSettings, given: Mapping[str, Any], model: Any, data: Table
) -> FitSettings:
    """Return the settings with the optimiser decided.

    Raises:
        InputError: L-BFGS was asked for, and the model's bound is not smooth (see
            :func:`~absentia.inference.fitting.quasi_newton.is_plain`); or the sampler was, and the
            model cannot be sampled, or a setting has no meaning for it.
    """
    if plan.optimiser == "adam":
        return plan
    averages = averages_forms(model, data)
    others = [name for name in NOT_OF_SWEEPS if given.get(name) is not None]
    if plan.optimiser == "gibbs" or (plan.optimiser == "auto" and averages and not others):
        if not averages:
            raise InputError(
                "optimiser='gibbs' samples the posterior of a linear Gaussian decoder, or of a "
                "mixture, with its exact guide under missingness='auto', on a table with missing "
                "values: NotMIWAEPPCA(data, 'auto'); use another optimiser"
            )
        if plan.patience is not None:
            raise InputError(
                "patience has no meaning for optimiser='gibbs', whose bound does not rise; leave "
                "it out, and give steps, the number of sweeps"
            )
        assert isinstance(data, IncompleteData)
        steps = plan.steps if given.get("steps") is not None else usual_sweeps(model, data)
        return replace(plan, optimiser="gibbs", validation=0.0, steps=steps)
    asked_of_adam = any(name in given for name in OF_ADAM)
    plain = is_plain(model, data, plan.unobserved)
    if plan.optimiser == "auto":
        quick = plain and is_quick(model, data)
        return replace(plan, optimiser="l-bfgs" if quick and not asked_of_adam else "adam")
    if not plain:
        raise InputError(
            "optimiser='l-bfgs' needs a bound that is a smooth function of the parameters: a "
            "linear decoder with the guide that it determines (decoder='linear', NotMIWAEPPCA, "
            "PPCA, encoder='exact' or 'mode'), and a mechanism whose missing values are all "
            "integrated out; use optimiser='adam'"
        )
    return plan


def _with_schedule(plan: FitSettings, given: Mapping[str, Any], rows: int) -> FitSettings:
    """Return the settings with the schedule decided.

    Raises:
        InputError: a schedule that reads held-out rows was asked for, and the table has one row.
    """
    if plan.schedule == "until-flat" and rows == 1:
        raise InputError(
            "schedule='until-flat' holds rows out, and the table has one row; give another schedule"
        )
    if plan.schedule != "auto" or plan.optimiser != "adam":
        return plan
    return replace(plan, schedule="until-flat" if goes_until_flat(given, rows) else "one-cycle")


def _checked(model: Any, data: IncompleteData) -> IncompleteData:
    """Return data that the model can be fitted to, with a target if the model predicts one."""
    predicts = declarations(model).predictor is not None
    if data.target is None and predicts:
        raise InputError(
            f"a {type(model).__name__} predicts a target; give one with data.with_target(y)"
        )
    if data.target is not None and not predicts:
        raise InputError(
            f"the data have a target and a {type(model).__name__} predicts none; fit a "
            f"SupervisedNotMIWAE, or fit to data.without_target()"
        )
    mechanism = declarations(model).missingness
    if mechanism is not None:
        mechanism.check(data)
    return with_matching_target(model, data)


def _check_trainable(model: Any, dtype: torch.dtype | None) -> None:
    """Refuse parameters that no gradient can reach, and a dtype that has no gradients."""
    if dtype is not None and not dtype.is_floating_point:
        raise InputError(f"dtype is {dtype}; give torch.float32 or torch.float64")
    for name, parameter in model.named_parameters():
        if parameter.is_inference():
            raise InputError(
                f"parameter '{name}' was made inside torch.inference_mode() and cannot be "
                f"trained; make the model outside of it"
            )


def _split(data: Table, plan: FitSettings) -> tuple[Table, Table | None]:
    """Split the rows at random into those to fit and those held out; None if none are."""
    if plan.validation == 0 or len(data) == 1:
        return data, None
    held = min(max(round(plan.validation * len(data)), 1), len(data) - 1)
    if plan.schedule == "until-flat":
        held = min(held, MOST_ROWS)
    generator = torch.Generator().manual_seed(plan.seed + 7919)
    order = torch.randperm(len(data), generator=generator)
    return data.rows(order[held:].sort().values), data.rows(order[:held].sort().values)
