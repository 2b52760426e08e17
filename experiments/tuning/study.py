"""Optuna's study of a sweep, in a folder where several processes work and where it is resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.errors import InputError, NotInstalledError
from ...data.system.workers import is_alive
from .sweep import Sweep

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

_MADE_OF = "made of"  # the study's attribute that holds what the bounds of its trials depend on


def study_of(sweep: Sweep, folder: Path) -> Study:
    """Open the study in a folder, or create it.

    Raises:
        NotInstalledError: if Optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise NotInstalledError(
            "tuning needs Optuna; install it by: pip install 'absentia[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=sweep.name,
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        load_if_exists=True,
        direction="maximize",
        sampler=sampler(sweep, 0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6, n_warmup_steps=2),
    )
    if not study.trials and _MADE_OF not in study.user_attrs:
        study.set_user_attr(_MADE_OF, sweep.made_of())
    return study


def sampler(sweep: Sweep, number: int) -> BaseSampler:
    """Seed a sampler for each trial, so that a resumed sweep samples what it would have sampled."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=sweep.seed + 1000 * number, n_startup_trials=8)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts: it is finished or running, or no fit succeeds with its settings."""
    return trial.state.name != "FAIL" or "error" in trial.user_attrs


def check_same(study: Study, sweep: Sweep, folder: Path) -> None:
    """Refuse to continue a study of another table or other settings, which is not comparable.

    Raises:
        InputError: if anything differs; names it.
    """
    names = [s.study_name for s in study._storage.get_all_studies() if s.study_name != sweep.name]
    if names:
        raise InputError(f"{folder} holds trials of sweep '{names[0]}'; give another --out")
    known, now = study.user_attrs.get(_MADE_OF), sweep.made_of()
    if known is None:
        raise InputError(
            f"{folder} holds trials of an earlier version of absentia, which did not record their "
            f"settings; give another --out"
        )
    for name in [*now, *known]:
        before, after = known.get(name), now.get(name)
        if before == after:
            continue
        raise InputError(
            f"{folder} holds trials with another {name}{_difference(before, after)}; give another "
            f"--out, or restore the earlier value"
        )


def _difference(before: object, after: object) -> str:
    """Describe the first setting that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        key = next(k for k in [*after, *before] if before.get(k) != after.get(k))
        return f": {key} was {json.dumps(before.get(key))} and is {json.dumps(after.get(key))}"
    if isinstance(before, str) and len(before) == 64:  # a hash, which tells a reader nothing
        return ""
    return f": it was {json.dumps(before)} and is {json.dumps(after)}"


def forget_dead(study: Study) -> None:
    """Mark trials of this machine's killed processes as failed, so that they run again."""
    for trial in study.trials:
        process = trial.user_attrs.get("process")
        if trial.state.name == "RUNNING" and process is not None and not is_alive(tuple(process)):
            study.tell(trial.number, state=type(trial.state).FAIL)
