"""The objective of a trial: the bound of the model with its settings, on rows held out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...data import IncompleteData
from ...data.errors import InputError
from ...data.table_reading import typed_table
from ...inference import impute
from ..metrics import rmse
from ..tasks.completion import data_of
from ..tasks.methods import check_comparable, fitted_by, made
from ..tasks.tables import Hidden, hidden_table
from .sweep import Sweep

if TYPE_CHECKING:
    from optuna import Trial

_VALIDATION = 0.2  # the share of the rows that is held out


def objective(sweep: Sweep, trial: Trial) -> float:
    """Fit the model with a trial's settings; return its bound on the held-out rows."""
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


def _drawn(sweep: Sweep, trial: Trial) -> dict[str, Any]:
    """Return the sweep's configuration with the values that a trial suggests."""
    found = {**sweep.configuration}
    for key, range_ in sweep.search.items():
        part, name = key.split(".", 1)
        if (
            "choice" in range_
        ):  # Optuna stores numbers and text only, so a list is stored as its JSON
            value = json.loads(
                trial.suggest_categorical(key, [json.dumps(v) for v in range_["choice"]])
            )
        else:
            whole = isinstance(range_["low"], int) and isinstance(range_["high"], int)
            suggest = trial.suggest_int if whole else trial.suggest_float
            value = suggest(key, range_["low"], range_["high"], log=bool(range_.get("log")))
        found[part] = {**found[part], name: value}
    return found


def check_comparable_bounds(sweep: Sweep) -> None:
    """Refuse a search over mechanisms whose models bound different quantities."""
    if "model.alpha" in sweep.search:
        raise InputError(
            f"sweep '{sweep.name}', search 'model.alpha': alpha is the power of the mask's "
            f"likelihood, and bounds with different powers cannot be compared; run a sweep for "
            f"each alpha"
        )
    offered = sweep.search.get("model.missingness", {}).get("choice")
    if offered:
        data, hidden = _data(sweep, sweep.configuration)
        shape = None if hidden is None else hidden.shape
        wanted = [{"missingness": one} for one in offered]
        check_comparable(sweep.configuration, wanted, data, sweep.seed, shape)


def _data(sweep: Sweep, configuration: Mapping[str, Any]) -> tuple[IncompleteData, Hidden | None]:
    if sweep.file is not None:
        return IncompleteData.from_frame(typed_table(sweep.file).frame, schema="infer"), None
    hidden = hidden_table(configuration)
    return data_of(configuration, hidden)[0], hidden
