"""Hyper-parameter search by the bound on held-out rows, which can be resumed and explained.

The objective is never a score of what was hidden. Where amputation hid it, the RMSE of each trial
is kept beside its bound, to see after the sweep whether the two agree.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from scipy.stats import spearmanr

from ..data import IncompleteData
from ..data.errors import AbsentiaWarning, InputError, NotInstalledError
from ..data.system.files import write_figure_atomic, write_text_atomic
from ..data.system.workers import is_alive, this_process, work_for, workers_stopped_with_us
from ..data.tables import read_table
from ..inference import impute
from ..inference.plots.tuning import plot_tuning
from .metrics import rmse
from .sweep import Sweep
from .tasks.completion import data_of
from .tasks.methods import check_comparable, fitted_by, made
from .tasks.tables import Hidden, hidden_table

_VALIDATION = 0.2
_MADE_OF = "made of"  # of what its trials are, in a study


def tune(sweep: Sweep, folder: Path, jobs: int = 1, trials: int | None = None) -> pd.DataFrame:
    """Run the trials that are missing, and write all results.

    ``journal.log`` is Optuna's storage: a sweep that was stopped goes on, and several processes,
    here or elsewhere, may work at one folder. Trials that lag behind the median of the earlier
    ones at the same step are pruned. ``trials.csv``, ``importance.csv`` and ``sweep.png`` are
    written at the end.

    Args:
        sweep: what is tuned.
        folder: of the results.
        jobs: trials at once, with one thread each.
        trials: how many in all; the sweep's own when left out.

    Raises:
        ImportError: Optuna is not installed.
        ValueError: no trial came to an end, or bounds of different settings could not be compared.
    """
    wanted = sweep.trials if trials is None else trials
    if wanted < 1:
        raise InputError(f"{wanted} trials; give at least 1")
    _check_comparable(sweep)
    study = _study(sweep, folder)
    _check_same(study, sweep, folder)
    _forget_dead(study)
    workers = effective_n_jobs(jobs)
    us = this_process()
    with workers_stopped_with_us():
        Parallel(n_jobs=workers)(
            delayed(work_for)(us, _work, sweep, folder, wanted) for _ in range(workers)
        )
    found = table_of(sweep, folder)
    failed = int(found["error"].notna().sum())
    if failed:
        warnings.warn(
            f"{failed} trials failed; their errors are in trials.csv", AbsentiaWarning, stacklevel=2
        )
    write_text_atomic(folder / "trials.csv", found.to_csv(index=False))
    complete = found[found["state"] == "COMPLETE"]
    if not len(complete):
        errors = found["error"].dropna()
        why = f" ({errors.iloc[0]})" if len(errors) else ""
        raise InputError(f"no trial of {wanted} came to an end{why}; see {folder / 'trials.csv'}")
    importance = importances(sweep, folder)
    write_text_atomic(folder / "importance.csv", importance.to_csv())
    write_figure_atomic(folder / "sweep.png", plot_tuning(found, importance))
    best = complete.sort_values("bound").iloc[-1]
    chosen = {key: json.loads(str(best[key])) for key in sweep.search}
    write_text_atomic(folder / "best.json", json.dumps(chosen, indent=1) + "\n")
    return found


def _study(sweep: Sweep, folder: Path) -> Any:
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise NotInstalledError("tuning needs Optuna: pip install 'absentia[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=sweep.name,
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        load_if_exists=True,
        direction="maximize",
        sampler=_sampler(sweep, 0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6, n_warmup_steps=2),
    )
    if not study.trials and _MADE_OF not in study.user_attrs:
        study.set_user_attr(_MADE_OF, sweep.made_of())
    return study


def _sampler(sweep: Sweep, number: int) -> Any:
    """Seed a sampler for each trial, so that a resumed sweep samples what it would have sampled."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=sweep.seed + 1000 * number, n_startup_trials=8)


def _work(sweep: Sweep, folder: Path, wanted: int) -> None:
    """Run trials one by one while fewer than wanted are done or under way anywhere."""
    import optuna
    import torch

    torch.set_num_threads(1)
    study = _study(sweep, folder)
    while sum(map(_counts, study.trials)) < wanted:
        trial = study.ask()
        study.sampler = _sampler(sweep, trial.number)
        trial.set_user_attr("process", this_process())
        try:
            study.tell(trial, _objective(sweep, trial))
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


def _counts(trial: Any) -> bool:
    """Whether a trial is done, under way, or of settings with which no fit succeeds."""
    return trial.state.name != "FAIL" or "error" in trial.user_attrs


def _check_same(study: Any, sweep: Sweep, folder: Path) -> None:
    """Refuse to continue with trials of another table or settings, which are not comparable."""
    names = [s.study_name for s in study._storage.get_all_studies() if s.study_name != sweep.name]
    if names:
        raise InputError(f"{folder} holds trials of sweep '{names[0]}'; give another --out")
    known, now = study.user_attrs.get(_MADE_OF), sweep.made_of()
    if known is None:
        raise InputError(
            f"{folder} holds trials of an earlier version of absentia, which did not write of what "
            f"they were; give another --out"
        )
    for name in [*now, *known]:
        before, after = known.get(name), now.get(name)
        if before == after:
            continue
        raise InputError(
            f"{folder} holds trials of another {name}{_difference(before, after)}; give another "
            f"--out, or put it back"
        )


def _difference(before: Any, after: Any) -> str:
    """Describe the first setting that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        key = next(k for k in [*after, *before] if before.get(k) != after.get(k))
        return f": {key} was {json.dumps(before.get(key))} and is {json.dumps(after.get(key))}"
    if isinstance(before, str) and len(before) == 64:  # a hash says nothing to a reader
        return ""
    return f": it was {json.dumps(before)} and is {json.dumps(after)}"


def _forget_dead(study: Any) -> None:
    """Mark trials of this machine's killed processes as failed, so that they run again."""
    for trial in study.trials:
        process = trial.user_attrs.get("process")
        if trial.state.name == "RUNNING" and process is not None and not is_alive(tuple(process)):
            study.tell(trial.number, state=type(trial.state).FAIL)


def _objective(sweep: Sweep, trial: Any) -> float:
    import optuna

    configuration = _drawn(sweep, trial)
    data, hidden = _data(sweep, configuration)
    seed = sweep.seed
    evaluations: list[float] = []

    def tell(row: dict[str, float]) -> None:
        evaluations.append(row["bound"])
        trial.report(max(evaluations), len(evaluations))
        if sweep.prune and trial.should_prune():
            raise optuna.TrialPruned

    shape = None if hidden is None else hidden.shape
    model = made(configuration, configuration["model"], data, seed, shape)
    fitted = fitted_by(
        configuration, model, data, seed, validation=_VALIDATION, evaluations=10, callback=tell
    )
    if hidden is not None:
        settings = {"particles": 200, "refine": False, "draws": 1, **configuration["impute"]}
        filled = impute(fitted, data, seed=seed, check=False, **settings)
        trial.set_user_attr("rmse", rmse(filled.mean, hidden.truth, hidden.missing, hidden.unit))
    return float(fitted.bound)


def _drawn(sweep: Sweep, trial: Any) -> dict[str, Any]:
    """Return the configuration with a trial's values in it."""
    found = {**sweep.configuration}
    for key, range_ in sweep.search.items():
        part, name = key.split(".", 1)
        if "choice" in range_:  # Optuna keeps numbers and text: a list goes as its JSON
            value = json.loads(
                trial.suggest_categorical(key, [json.dumps(v) for v in range_["choice"]])
            )
        else:
            whole = isinstance(range_["low"], int) and isinstance(range_["high"], int)
            suggest = trial.suggest_int if whole else trial.suggest_float
            value = suggest(key, range_["low"], range_["high"], log=bool(range_.get("log")))
        found[part] = {**found[part], name: value}
    return found


def _check_comparable(sweep: Sweep) -> None:
    """Refuse a search over mechanisms whose models bound different quantities."""
    if "model.alpha" in sweep.search:
        raise InputError(
            f"sweep '{sweep.name}', search 'model.alpha': the mask counts to this power, and "
            f"bounds of different powers are not of the same quantity; tune each alpha by itself"
        )
    offered = sweep.search.get("model.missingness", {}).get("choice")
    if offered:
        data, hidden = _data(sweep, sweep.configuration)
        shape = None if hidden is None else hidden.shape
        wanted = [{"missingness": one} for one in offered]
        check_comparable(sweep.configuration, wanted, data, sweep.seed, shape)


def _data(sweep: Sweep, configuration: Mapping[str, Any]) -> tuple[IncompleteData, Hidden | None]:
    if sweep.file is not None:
        return IncompleteData.from_frame(read_table(Path(sweep.file)), schema="infer"), None
    hidden = hidden_table(configuration)
    return data_of(configuration, hidden)[0], hidden


def table_of(sweep: Sweep, folder: Path) -> pd.DataFrame:
    """Tabulate each trial: state, bound, RMSE where it is known, and the values as JSON."""
    rows = []
    for trial in _study(sweep, folder).trials:
        values = {
            key: value if "choice" in sweep.search[key] else json.dumps(value)
            for key, value in trial.params.items()
        }
        bound = trial.value if trial.state.name == "COMPLETE" else None
        score = trial.user_attrs.get("rmse")
        seconds = trial.duration.total_seconds() if trial.duration else None
        rows.append(
            {"trial": trial.number, "state": trial.state.name, "bound": bound, "rmse": score,
             "seconds": seconds, "error": trial.user_attrs.get("error"), **values}
        )  # fmt: skip
    return pd.DataFrame(rows)


def importances(sweep: Sweep, folder: Path) -> pd.DataFrame:
    """Measure each parameter's share of the bound's variance, and its rank correlations.

    The share is fANOVA's (Hutter, Hoos & Leyton-Brown, ICML 2014), from Optuna. Correlations are
    Spearman's, of parameters that are numbers.
    """
    import optuna

    study = _study(sweep, folder)
    found = table_of(sweep, folder)
    complete = found[found["state"] == "COMPLETE"]
    share: Mapping[str, float] = {}
    if len(complete) > 3 and np.ptp(complete["bound"]) > 0:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=sweep.seed)
        share = optuna.importance.get_param_importances(study, evaluator=evaluator)
    rows = {}
    for key in sweep.search:
        values = complete[key].map(json.loads)
        numbers = len(set(map(str, values))) > 1 and all(isinstance(v, int | float) for v in values)
        row = {"importance": share.get(key, np.nan)}
        for score in ("bound", "rmse"):
            known = numbers and len(complete) > 2 and complete[score].notna().all()
            varied = known and np.ptp(complete[score]) > 0
            row[f"correlation with {score}"] = (
                float(spearmanr(values.astype(float), complete[score]).statistic)
                if varied
                else np.nan
            )
        rows[key] = row
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("importance", ascending=False)
