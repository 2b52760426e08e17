"""Completing a table by a baseline or a model, as a cell's configuration says."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...data import IncompleteData, Standardiser
from ...inference import FitResult, fit, impute
from ...inference.plots.mechanism import missing_probability
from ...models import MIWAE, PPCA, KnownMargins, NotMIWAE, NotMIWAEPPCA
from .fillers import BASELINES

MODELS: dict[str, Any] = {
    "miwae": MIWAE,
    "not-miwae": NotMIWAE,
    "not-miwae-ppca": NotMIWAEPPCA,
    "ppca": PPCA,
}
_DRAWS = 200


@dataclass(frozen=True)
class Outcome:
    """A completed table (n, p), draws of its missing cells (m, cells) if any, and diagnostics."""

    point: np.ndarray
    draws: np.ndarray | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def complete(configuration: Mapping[str, Any], truth: np.ndarray, missing: np.ndarray) -> Outcome:
    """Hide the cells ``missing`` (n, p) of ``truth`` (n, p) from a method and let it fill them.

    Raises:
        ValueError: for a kind of method that is not known.
    """
    kind = configuration["kind"]
    if kind in MODELS:
        return _by_model(configuration, truth, missing)
    if kind not in BASELINES:
        known = ", ".join([*MODELS, *BASELINES])
        raise ValueError(f"method '{kind}' is not one of {known}")
    centre, scale = _scale(configuration, truth, missing)
    table = np.where(missing, np.nan, (truth - centre) / scale)
    options = {**configuration["model"], "seed": configuration["seed"]}
    return Outcome(centre + scale * BASELINES[kind](table, (truth - centre) / scale, **options))


def _scale(
    configuration: Mapping[str, Any], truth: np.ndarray, missing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    seen = truth if configuration["scale"] == "complete" else np.where(missing, np.nan, truth)
    return np.nanmean(seen, 0), np.nanstd(seen, 0)


def _by_model(configuration: Mapping[str, Any], truth: np.ndarray, missing: np.ndarray) -> Outcome:
    seed = int(configuration["seed"])
    data = IncompleteData.from_numpy(np.where(missing, np.nan, truth))
    if configuration["scale"] == "complete":
        data = data.rescaled(Standardiser(truth.mean(0), truth.std(0)))
    begun = time.perf_counter()
    chosen, bounds = _chosen(configuration, data, seed)
    model = _made(configuration, {**configuration["model"], **chosen}, data, seed)
    if configuration["fit"].get("on") == "complete":
        fitted = _with_oracle_decoder(configuration, model, data, truth, seed)
    else:
        fitted = _fitted(configuration, model, data, seed)
    fit_seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    options = {"particles": 1000, **configuration["impute"]}
    rule = options.pop("rule", "posterior")
    filled = impute(fitted, data, num_draws=_DRAWS, seed=seed, **options)
    impute_seconds = time.perf_counter() - begun
    plain = {"particles": options["particles"], "missing": options.get("missing", "auto")}
    published = impute(
        fitted, data, rule="decoder-mean", refine=False, num_draws=_DRAWS, seed=seed, **plain
    )
    by_rule = {"posterior": filled, "decoder-mean": published}
    summary = filled.summary()
    held_out = float(configuration["fit"].get("validation", 0.0)) > 0
    extra = {
        "points": {name: found.mean for name, found in by_rule.items()},
        "metrics": {
            "bound": max(bounds.values()) if bounds else fitted.bound,
            "log_evidence": float(filled.log_evidence.mean()),
            "mask_accuracy": _mask_accuracy(fitted, truth, missing),
            "khat_good_before": summary["reliable_rows_before"],
            "khat_good": summary["reliable_rows"],
            "median_ess_share": summary["median_ess_share"],
            "fit_seconds": round(fit_seconds, 1),
            "impute_seconds": round(impute_seconds, 1),
        },
        "bound_of": "held-out rows" if bounds or held_out else "training rows",
        "bounds": bounds,
        "chosen": chosen,
        "settings": fitted.settings.to_dict(),
    }
    if truth.shape[1] == 2 and seed == 0:
        extra["plane"] = {"mechanism": _mechanism_in_the_plane(fitted, truth)}
    return Outcome(by_rule[rule].mean, by_rule[rule].draws(_DRAWS)[:, missing], extra)


def _fitted(
    configuration: Mapping[str, Any], model: Any, data: IncompleteData, seed: int, **more: Any
) -> FitResult:
    options = {"validation": 0.0, **configuration["fit"], **more}
    options.pop("on", None)
    return fit(model, data, seed=seed, progress=False, **options)


def _with_oracle_decoder(
    configuration: Mapping[str, Any],
    model: Any,
    data: IncompleteData,
    truth: np.ndarray,
    seed: int,
) -> FitResult:
    """The model with the decoder that the *complete* table teaches; its mechanism is given.

    Raises:
        ValueError: for a guide that would have to learn about missing values, or a mechanism
            that would have to be learnt.
    """
    learns = list(model.missingness.parameters()) + list(model.encoder.parameters())
    if learns:
        raise ValueError("fit.on = 'complete' is for a limit and the exact guide of PPCA")
    whole = IncompleteData.from_numpy(truth).rescaled(data.scaler)
    twin = PPCA(whole, latent_dim=model.decoder.latent_dim, seed=seed)
    fitted = _fitted(configuration, twin, whole, seed)
    model.decoder.load_state_dict(twin.decoder.state_dict())
    return replace(fitted, model=model)


def _made(
    configuration: Mapping[str, Any], options: Mapping[str, Any], data: IncompleteData, seed: int
) -> Any:
    given = dict(options)
    rows = given.pop("margin_rows", 0)
    if rows:
        rows = len(data) if rows == "n" else rows
        given["margins"] = _known_margins(configuration, data, rows)
    if isinstance(given.get("latent_dim"), str):
        given["latent_dim"] = latent_size(given["latent_dim"], len(data.columns))
    return MODELS[configuration["kind"]](data, seed=seed, **given)


def _known_margins(
    configuration: Mapping[str, Any], data: IncompleteData, rows: float
) -> KnownMargins:
    """Mean 0 and sd 1: what a scale taken from the complete table tells every method of it.

    Raises:
        ValueError: where the scale was taken from the observed values.
    """
    if configuration["scale"] != "complete":
        raise ValueError("margin_rows goes with scale = 'complete', which tells means and sd")
    columns = len(data.columns)
    return KnownMargins(columns, [0.0] * columns, [1.0] * columns, rows)


def latent_size(text: str, columns: int) -> int:
    """A latent size in terms of the number of columns, p.

    >>> latent_size("p-1", 30), latent_size("p/2", 30)
    (29, 15)

    Raises:
        ValueError: for anything but p-N and p/N.
    """
    head, sign, number = text.partition("-") if "-" in text else text.partition("/")
    if head.strip() != "p" or not sign or not number.strip().isdigit():
        raise ValueError(f"latent_dim '{text}'; give a number, 'p-1' or 'p/2'")
    found = columns - int(number) if sign == "-" else columns // int(number)
    return max(found, 1)


def _chosen(
    configuration: Mapping[str, Any], data: IncompleteData, seed: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """Of the values to choose from, those with the best bound on held-out rows."""
    bounds: dict[str, float] = {}
    best: dict[str, Any] = {}
    for candidate in candidates(configuration["choose"]):
        model = _made(configuration, {**configuration["model"], **candidate}, data, seed)
        found = _fitted(configuration, model, data, seed, validation=0.1).bound
        if not bounds or found > max(bounds.values()):
            best = candidate
        bounds[", ".join(f"{k}={v}" for k, v in candidate.items())] = found
    return best, bounds


def candidates(choose: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of the values to choose from; none where there is nothing to choose.

    >>> list(candidates({"a": [1, 2], "b": [3]}))
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    if choose:
        for values in itertools.product(*choose.values()):
            yield dict(zip(choose, values, strict=True))


def _mechanism_in_the_plane(fitted: FitResult, truth: np.ndarray) -> dict[str, Any] | None:
    """P(x0 missing | x) as it was learnt, on a grid over a table of two columns."""
    mechanism = fitted.model.missingness
    if mechanism.asks or mechanism.ignorable:
        return None
    axes = [np.linspace(x.min(), x.max(), 61) for x in truth.T]
    grid = np.stack(np.meshgrid(*axes), -1)  # (up, across, 2)
    missing = missing_probability(fitted.model, fitted.scaler, grid)[..., 0]
    shown = {name: axis.round(3).tolist() for name, axis in zip(("x0", "x1"), axes, strict=True)}
    return {**shown, "missing": missing.round(3).tolist()}


def _mask_accuracy(fitted: FitResult, truth: np.ndarray, missing: np.ndarray) -> float | None:
    """Share of cells, in columns that lose values, whose absence P(s | true x) calls right."""
    mechanism = fitted.model.missingness
    if mechanism.asks or mechanism.ignorable:
        return None
    called = missing_probability(fitted.model, fitted.scaler, truth) > 0.5
    gaps = missing.any(0)
    return float((called == missing)[:, gaps].mean())
