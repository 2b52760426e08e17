"""The coverage of coefficients' intervals, on tables simulated from a mechanism that is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from ...data import IncompleteData
from ...data.errors import InputError
from ...inference import coefficient_posterior
from ...models import NotMIWAEPPCA, missing
from .fitting import fit


def recovery(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return intervals of the coefficients of a mechanism beside the true values, in data units.

    The scenario declares the mechanism: its ``formulas`` by column, the true ``coefficients`` by
    column and term, the ``link``, and the ``prior_scale`` of a Normal prior on coefficients, if
    there is one.

    Raises:
        InputError: for another kind of method than "not-miwae-ppca".
    """
    if configuration["kind"] != "not-miwae-ppca":
        raise InputError(
            f"kind of method '{configuration['kind']}' is not possible here; give not-miwae-ppca"
        )
    seed, mechanism = int(configuration["seed"]), configuration["amputation"]
    truth: Mapping[str, Mapping[str, float]] = mechanism["coefficients"]
    table = masked(complete_table(seed, configuration["table"]["rows"]), mechanism, seed)
    data = IncompleteData.from_frame(table, covariates=["site"])
    scale = mechanism.get("prior_scale")
    prior = None if scale is None else torch.distributions.Normal(0.0, float(scale))
    what = missing(dict(mechanism["formulas"]), prior=prior, link=mechanism.get("link", "logit"))
    model = NotMIWAEPPCA(data, what, seed=seed, **configuration["model"])
    fitted = fit(model, data, seed=seed, **configuration["fit"])
    level = float(configuration["impute"].get("level", 0.9))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = coefficient_posterior(fitted, data, level=level, seed=seed)
    described = model.missingness.describe()
    coefficients: dict[str, dict[str, float]] = {
        f"{column} ~ {term}": {
            "truth": value,
            **_numbers(found.loc[f"{column} ~ {term}"]),
        }
        for column, values in truth.items()
        for term, value in values.items()
    }
    return {
        "metrics": {"coverage": coverage_of(coefficients)},
        "coefficients": coefficients,
        "settings": fitted.settings.to_dict(),
        "missing": {c: float(table[c].isna().mean()) for c in truth},
        "warnings": [str(one.message) for one in said],
        "identified": {c: described[c].identified for c in truth},
    }


def _numbers(row: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in row.items()}


def coverage_of(coefficients: Mapping[str, Mapping[str, float]]) -> float:
    """Return the share of the intervals that contain the truth.

    >>> coverage_of({"a ~ a": {"truth": 1.0, "lower": 0.5, "upper": 0.9}})
    0.0
    """
    return float(
        np.mean([one["lower"] <= one["truth"] <= one["upper"] for one in coefficients.values()])
    )


def complete_table(seed: int, rows: int) -> pd.DataFrame:
    """Simulate columns a, b, w, v of a two-factor model, and a covariate site."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 2))
    loading = np.array([[1.0, 0.3], [0.2, 1.0], [0.9, -0.4], [0.5, 0.8]])
    x = z @ loading.T + np.array([2.0, 0.0, 1.0, -1.0]) + 0.5 * rng.normal(size=(rows, 4))
    table = pd.DataFrame(x, columns=["a", "b", "w", "v"])
    table["site"] = rng.choice(["x", "y"], size=rows)
    return table


def masked(table: pd.DataFrame, mechanism: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Return the table with values hidden by the mechanism, which is written here by hand."""
    rng = np.random.default_rng(10_000 + seed)
    truth = mechanism["coefficients"]
    probit = mechanism.get("link", "logit") == "probit"
    gone: dict[str, np.ndarray] = {}
    for column in ("b", "a"):  # whether a is missing may depend on whether b is
        if column not in truth:
            continue
        terms = {
            "Intercept": np.ones(len(table)),
            "site[y]": (table["site"] == "y").to_numpy(float),
            "I(a ** 2)": table["a"].to_numpy() ** 2,
            "is_missing(b)": gone.get("b", np.zeros(len(table))).astype(float),
            **{c: table[c].to_numpy() for c in ("a", "b", "w", "v")},
        }
        score = sum(value * terms[term] for term, value in truth[column].items())
        noise = rng.normal(size=len(table)) if probit else rng.logistic(size=len(table))
        gone[column] = score + noise > 0
    result = table.copy()
    for column, where in gone.items():
        result.loc[where, column] = np.nan
    return result


def recovery_table(results: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[list[str]]:
    """Make a table of the coefficients: truth, mean estimate, standard deviations and coverage."""
    rows = [
        ["mechanism", "coefficient", "truth", "mean estimate", "mean sd", "sd over seeds", "held"]
    ]
    inside = total = 0
    for name in dict.fromkeys(scenario for _, scenario, _ in results):
        own = [found for _, scenario, found in results if scenario == name]
        for coefficient in own[0]["coefficients"]:
            found = [one["coefficients"][coefficient] for one in own]
            held = sum(one["lower"] <= one["truth"] <= one["upper"] for one in found)
            estimates = [one["estimate"] for one in found]
            inside, total = inside + held, total + len(found)
            spread = f"{np.std(estimates, ddof=1):.3f}" if len(found) > 1 else ""
            rows.append(
                [
                    name,
                    coefficient,
                    f"{found[0]['truth']:g}",
                    f"{np.mean(estimates):.3f}",
                    f"{np.mean([one['sd'] for one in found]):.3f}",
                    spread,
                    f"{held} of {len(found)}",
                ]
            )
    rows.append(["all", "", "", "", "", "", f"{inside} of {total}"])
    return rows
