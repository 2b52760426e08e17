"""The usual task: a method imputes the values that amputation hid, and is scored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ...inference import FitResult, impute
from ...inference.imputing.mask import mask_probability
from ...inference.plots.mechanism import missing_probability
from ...models import RowModel
from ..metrics import interval_scores, mae, rmse
from .fillers import BASELINES
from .methods import MODELS, chosen_by_bound, fitted_by, made, with_oracle_decoder
from .tables import Hidden, hidden_table

_DRAWS = 200
_SHOWN, _FIRST = 6, 40  # pictures in a figure, and of how many they are selected
_WIDE = 200  # the most columns for which the expected mask is computed


@dataclass(frozen=True)
class Outcome:
    """A completed table (n, p), draws (m, cells) of its missing cells if any, and diagnostics."""

    point: np.ndarray
    draws: np.ndarray | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def completion(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Score one method on one table; return the scores, and the data of its figures."""
    hidden = hidden_table(configuration)
    outcome = complete(configuration, hidden)
    scored = hidden.scored
    against = (scored.truth, scored.missing, hidden.unit)
    metrics: dict[str, Any] = {
        "rmse": rmse(outcome.point, *against),
        "mae": mae(outcome.point, *against),
    }
    if (
        hidden.shape is not None
    ):  # in standard deviations of all pixels together, as is usual for MNIST
        metrics["rmse_sd"] = metrics["rmse"] / float(hidden.truth.std())
    extra = dict(outcome.extra)
    for rule, point in extra.pop("points", {}).items():
        metrics[f"rmse_{rule.replace('-', '_')}"] = rmse(point, *against)
    if outcome.draws is not None:
        metrics |= interval_scores(outcome.draws, *against)
    metrics |= extra.pop("metrics", {})
    if configuration["seed"] == 0 and hidden.truth.shape[1] == 2:
        points = outcome.point[scored.missing.any(1)].round(3).tolist()
        extra["plane"] = {**extra.get("plane", {}), "points": points}
    if configuration["seed"] == 0 and hidden.shape is not None:
        rows = shown_rows(scored)
        pixels = (255 * outcome.point[rows]).clip(0, 255).round().astype(int).tolist()
        extra["pictures"] = {**extra.get("pictures", {}), "rows": rows.tolist(), "imputed": pixels}
    return {"missing_cells": int(scored.missing.sum()), "metrics": metrics, **extra}


def shown_rows(hidden: Hidden) -> np.ndarray:
    """Select, from the first pictures, those that lose most pixels."""
    lost = hidden.missing[:_FIRST].sum(1)
    found: np.ndarray = np.sort(np.argsort(-lost, kind="stable")[:_SHOWN])
    return found


def complete(configuration: Mapping[str, Any], hidden: Hidden) -> Outcome:
    """Give a method the incomplete table, and return the rows that are scored as it completes them.

    Raises:
        InputError: for a kind of method that is not known.
    """
    kind = configuration["kind"]
    if kind in MODELS:
        return _by_model(configuration, hidden)
    if kind not in BASELINES:
        known = ", ".join([*MODELS, *BASELINES])
        raise InputError(f"kind of method '{kind}' is not one of {known}")
    centre, scale = _scale(configuration, hidden)
    truth = (hidden.truth - centre) / scale
    table = np.where(hidden.missing, np.nan, truth)
    options = {**configuration["model"], "seed": configuration["seed"]}
    filled = centre + scale * BASELINES[kind](table, truth, **options)
    return Outcome(filled[-hidden.test :] if hidden.test else filled)


def _scale(configuration: Mapping[str, Any], hidden: Hidden) -> tuple[np.ndarray, np.ndarray]:
    truth = hidden.truth
    if hidden.shape is not None:
        return np.zeros(truth.shape[1]), np.ones(truth.shape[1])
    complete = configuration["scale"] == "complete"
    seen = truth if complete else np.where(hidden.missing, np.nan, truth)
    return np.nanmean(seen, 0), np.nanstd(seen, 0)


def data_of(
    configuration: Mapping[str, Any], hidden: Hidden
) -> tuple[IncompleteData, IncompleteData]:
    """Return the data to fit and the data to score; pictures are not standardised."""
    fitted, scored = hidden.fitted, hidden.scored
    table = np.where(fitted.missing, np.nan, fitted.truth)
    data = IncompleteData.from_numpy(table, standardise=hidden.shape is None)
    if configuration["scale"] == "complete" and hidden.shape is None:
        data = data.rescaled(Standardiser(hidden.truth.mean(0), hidden.truth.std(0)))
    if not hidden.test:
        return data, data
    other = np.where(scored.missing, np.nan, scored.truth)
    return data, IncompleteData.from_numpy(other, like=data)


def _by_model(configuration: Mapping[str, Any], hidden: Hidden) -> Outcome:
    seed = int(configuration["seed"])
    data, scored = data_of(configuration, hidden)
    begun, worked = time.perf_counter(), time.process_time()
    chosen, bounds = chosen_by_bound(configuration, data, seed, hidden.shape)
    options = {**configuration["model"], **chosen}
    model = made(configuration, options, data, seed, hidden.shape)
    if configuration["fit"].get("on") == "complete":
        fitted = with_oracle_decoder(configuration, model, data, hidden.truth, seed)
    else:
        fitted = fitted_by(configuration, model, data, seed)
    fit_seconds, fit_work = time.perf_counter() - begun, time.process_time() - worked
    begun = time.perf_counter()
    options = {"particles": 1000, **configuration["impute"]}
    rule, draws = options.pop("rule", "posterior"), int(options.pop("draws", _DRAWS))
    filled = impute(fitted, scored, draws=draws, seed=seed, check=False, **options)
    impute_seconds = time.perf_counter() - begun
    plain = {
        "particles": options["particles"],
        "unobserved": options.get("unobserved", "auto"),
        "check": False,
    }
    published = impute(
        fitted, scored, rule="decoder-mean", refine=False, draws=draws, seed=seed, **plain
    )
    by_rule = {"posterior": filled, "decoder-mean": published}
    summary = filled.summary()
    held_out = float(configuration["fit"].get("validation", 0.0)) > 0
    extra: dict[str, Any] = {
        "points": {name: found.mean for name, found in by_rule.items()},
        "metrics": {
            "bound": max(bounds.values()) if bounds else fitted.bound,
            "log_evidence": float(filled.log_evidence.mean()),
            **_mask_scores(fitted, scored, hidden.scored),
            "khat_good_before": summary["weights_good_before"],
            "khat_good": summary["weights_good"],
            "median_ess_share": summary["median_ess_share"],
            "fit_seconds": round(fit_seconds, 1),
            "fit_cpu_seconds": round(fit_work, 1),
            "impute_seconds": round(impute_seconds, 1),
        },
        "bound_of": "held-out rows" if bounds or held_out else "training rows",
        "bounds": bounds,
        "chosen": chosen,
        "settings": fitted.settings.to_dict(),
        "parameters": _parameters(model),
    }
    if seed == 0 and hidden.truth.shape[1] == 2:
        extra["plane"] = {"mechanism": _mechanism_in_the_plane(fitted, hidden.truth)}
    if seed == 0 and hidden.shape is not None:
        chosen_rows = shown_rows(hidden.scored)
        extra["pictures"] = {"missing": _mechanism_of_pictures(fitted, filled.mean[chosen_rows])}
    return Outcome(by_rule[rule].mean, by_rule[rule].draws(draws)[:, hidden.scored.missing], extra)


def _parameters(model: RowModel) -> dict[str, int]:
    """Count the learnt parameters, in all and of the mechanism."""
    count = {"all": model, "mechanism": model.missingness}
    return {
        name: sum(p.numel() for p in part.parameters() if p.requires_grad)
        for name, part in count.items()
    }


def _mechanism_in_the_plane(fitted: FitResult, truth: np.ndarray) -> dict[str, Any] | None:
    """Return the learnt P(x0 missing | x) on a grid over a table of two columns."""
    mechanism = fitted.model.missingness
    if mechanism.asks or mechanism.ignorable:
        return None
    axes = [np.linspace(x.min(), x.max(), 61) for x in truth.T]
    grid = np.stack(np.meshgrid(*axes), -1)  # (up, across, 2)
    missing = missing_probability(fitted.model, fitted.scaler, grid)[..., 0]
    shown = {name: axis.round(3).tolist() for name, axis in zip(("x0", "x1"), axes, strict=True)}
    return {**shown, "missing": missing.round(3).tolist()}


def _mechanism_of_pictures(fitted: FitResult, completed: np.ndarray) -> list[list[int]] | None:
    """Return P(missing | completed picture) of each pixel, in percent."""
    mechanism = fitted.model.missingness
    if mechanism.asks or mechanism.ignorable:
        return None
    found: list[list[int]] = (
        (100 * missing_probability(fitted.model, fitted.scaler, completed)).round().astype(int)
    ).tolist()
    return found


def _mask_scores(fitted: FitResult, data: IncompleteData, hidden: Hidden) -> dict[str, Any]:
    """Score how often the mask is predicted correctly, in columns that have missing values.

    ``mask_accuracy`` predicts it from the true values, by P(s | x), and
    ``mask_accuracy_posterior`` from the observed values, by the posterior expectation of P(s | x).
    """
    mechanism = fitted.model.missingness
    if mechanism.ignorable:
        return {"mask_accuracy": None}
    gaps = np.any(hidden.missing, axis=0)
    found: dict[str, Any] = {"mask_accuracy": None}
    if not mechanism.asks:
        called = missing_probability(fitted.model, fitted.scaler, hidden.truth) > 0.5
        found["mask_accuracy"] = float((called == hidden.missing)[:, gaps].mean())
    if len(gaps) <= _WIDE:
        called = mask_probability(fitted, data) > 0.5
        found["mask_accuracy_posterior"] = float((called == hidden.missing)[:, gaps].mean())
    return found
