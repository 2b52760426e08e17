"""The search: trials are run, in several processes if asked for, and their results written.

The objective never uses the true values of missing cells. Where they are known, the RMSE of each
trial is recorded beside its bound, to see after the sweep whether the two agree.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
from joblib import effective_n_jobs

from ...data.errors import AbsentiaWarning, InputError
from ...data.system.backends import on_backend
from ...data.system.files import write_figure_atomic, write_text_atomic
from ...data.system.workers import in_workers, this_process, workers_stopped_with_us
from ...inference.plots.tuning import plot_tuning
from .objective import check_comparable_bounds, objective
from .results import importances, table_of
from .study import check_same, counts, forget_dead, sampler, study_of
from .sweep import Sweep


def tune(
    sweep: Sweep,
    folder: Path,
    jobs: int = 1,
    trials: int | None = None,
    backend: str | None = None,
) -> pd.DataFrame:
    """Run the trials that are missing, and write all results.

    ``journal.log`` is Optuna's storage: a sweep that was stopped is resumed, and several processes,
    on this machine or others, may share a folder. A trial whose bound is below the median of the
    earlier trials at the same step is pruned. ``trials.csv``, ``importance.csv``, ``sweep.png`` and
    ``best.json`` are written at the end.

    Args:
        sweep: the declaration of what is tuned.
        folder: the folder of the results.
        jobs: the number of trials that run at once, with one thread each.
        trials: the number of trials in all; the sweep's own number when left out.
        backend: whose workers run the trials: ``"loky"``, ``"dask"``, ``"ray"`` or a name that was
            registered with joblib; they must see the folder.

    Returns:
        A table with one row per trial.

    Raises:
        NotInstalledError: if Optuna is not installed.
        InputError: if no trial was completed, or if the bounds of different settings could not be
            compared.
    """
    wanted = sweep.trials if trials is None else trials
    if wanted < 1:
        raise InputError(f"trials is {wanted}; give at least 1")
    check_comparable_bounds(sweep)
    study = study_of(sweep, folder)
    check_same(study, sweep, folder)
    forget_dead(study)
    with on_backend(backend, jobs), workers_stopped_with_us():
        workers = effective_n_jobs(jobs)
        # each worker runs trials until there are enough
        tasks = ((sweep, folder.resolve(), wanted) for _ in range(workers))
        for _ in in_workers(_work, tasks, workers):
            pass
    found = table_of(sweep, folder)
    failed = int(found["error"].notna().sum())
    if failed:
        warnings.warn(
            f"{failed} trials failed; their errors are in {folder / 'trials.csv'}",
            AbsentiaWarning,
            stacklevel=2,
        )
    write_text_atomic(folder / "trials.csv", found.to_csv(index=False))
    complete = found[found["state"] == "COMPLETE"]
    if not len(complete):
        errors = found["error"].dropna()
        why = f" ({errors.iloc[0]})" if len(errors) else ""
        raise InputError(f"none of {wanted} trials was completed{why}; see {folder / 'trials.csv'}")
    importance = importances(sweep, folder)
    write_text_atomic(folder / "importance.csv", importance.to_csv())
    write_figure_atomic(folder / "sweep.png", plot_tuning(found, importance))
    best = complete.sort_values("bound").iloc[-1]
    chosen = {key: json.loads(str(best[key])) for key in sweep.search}
    write_text_atomic(folder / "best.json", json.dumps(chosen, indent=1) + "\n")
    return found


def _work(sweep: Sweep, folder: Path, wanted: int) -> None:
    """Run trials one by one until all processes together have run as many as are wanted."""
    import optuna
    import torch

    torch.set_num_threads(1)
    study = study_of(sweep, folder)
    while sum(map(counts, study.trials)) < wanted:
        trial = study.ask()
        study.sampler = sampler(sweep, trial.number)
        trial.set_user_attr("process", this_process())
        try:
            study.tell(trial, objective(sweep, trial))
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except (
            ArithmeticError,
            MemoryError,
            TypeError,
            ValueError,
        ) as error:  # a setting with which no fit succeeds
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        except BaseException:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            raise
