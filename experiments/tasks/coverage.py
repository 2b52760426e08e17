"""The coverage of pooled intervals, of a mean and a slope under a known MNAR mechanism.

In the simulated table, y is missing by logistic self-masking, x is a covariate of the analysis, and
w is an auxiliary variable that is correlated with y and does not affect missingness.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import linregress

from ...data import IncompleteData
from ...data.errors import InputError
from ...inference import multiple_imputation
from ...models import PPCA, NotMIWAEPPCA
from .fitting import fit

#: E[y], and the slope of y on x alone: 0.6 + 0.5 cov(w, x) / var(x)
MEAN, SLOPE = 1.0, 0.6 + 0.5 * 0.49
ANALYSES = ("mean", "slope")
_KINDS = ("proper", "plug-in", "at-random")


def coverage(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Measure error, standard error and coverage of pooled 95 % intervals on one simulated table.

    Kind "proper" draws the parameters from their posterior (:func:`absentia.multiple_imputation`),
    "plug-in" holds them at their estimates, as if they were known, and "at-random" draws those of
    PPCA, a model that assumes missing at random.

    Raises:
        InputError: for another kind of method.
    """
    kind, seed = configuration["kind"], int(configuration["seed"])
    if kind not in _KINDS:
        raise InputError(f"kind of method '{kind}' is not one of {', '.join(_KINDS)}")
    arguments = {k: v for k, v in configuration["amputation"].items() if k != "name"}
    data = IncompleteData.from_frame(simulate(seed, configuration["table"]["rows"], **arguments))
    options = {"seed": seed, **configuration["model"]}
    settings = {"seed": seed, "progress": False, **configuration["fit"]}
    m = int(configuration["impute"]["m"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a high k-hat is recorded below
        random = kind == "at-random"
        model = PPCA(data, **options) if random else NotMIWAEPPCA(data, "y ~ +y", **options)
        several = multiple_imputation(
            fit(model, data, **settings),
            data,
            m,
            parameters="fixed" if kind == "plug-in" else "auto",
            seed=seed,
        )
    pooled = several.pool(analyse, complete_df=len(data) - 2).table
    truth = pd.Series([MEAN, SLOPE], ANALYSES)
    inside = (pooled["lower"] <= truth) & (truth <= pooled["upper"])
    metrics: dict[str, Any] = {"khat": None if np.isnan(several.khat) else several.khat}
    for what in ANALYSES:
        metrics[f"coverage_{what}"] = float(inside[what])
        metrics[f"error_{what}"] = float(pooled["estimate"][what] - truth[what])
        metrics[f"se_{what}"] = float(pooled["se"][what])
    return {"missing": float((~data.s[:, 0]).double().mean()), "metrics": metrics}


def simulate(
    seed: int, rows: int, slope: float = 1.5, centre: float = 1.3, by: str = "y"
) -> pd.DataFrame:
    """Simulate a table of y, x and w, in which P(y missing) = expit(slope (y - centre)).

    With ``by="x"`` the probability depends on x in place of y: y is then missing at random.

    >>> frame = simulate(0, 500)
    >>> bool(0.3 < frame["y"].isna().mean() < 0.6), list(frame.columns)
    (True, ['y', 'x', 'w'])
    """
    rng = np.random.default_rng(seed)
    common = rng.normal(size=rows)
    x, w = (0.7 * common + 0.51**0.5 * rng.normal(size=rows) for _ in range(2))
    y = MEAN + 0.6 * x + 0.5 * w + 0.6 * rng.normal(size=rows)
    gone = rng.random(rows) < 1 / (1 + np.exp(-slope * ({"y": y, "x": x}[by] - centre)))
    return pd.DataFrame({"y": np.where(gone, np.nan, y), "x": x, "w": w})


def analyse(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Estimate the mean of y and its slope on x by least squares, with their variances."""
    line = linregress(table["x"], table["y"])
    estimates = pd.Series([table["y"].mean(), line.slope], ANALYSES)
    return estimates, pd.Series([table["y"].var() / len(table), line.stderr**2], ANALYSES)


def coverage_table(results: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[list[str]]:
    """Tabulate coverage, bias, mean standard error and empirical sd by method and analysis."""
    rows = [["method", "analysis", "coverage", "bias", "mean se", "sd of estimates", "data sets"]]
    for method in dict.fromkeys(method for method, _, _ in results):
        own = [found["metrics"] for m, _, found in results if m == method]
        for what in ANALYSES:
            error = np.array([one[f"error_{what}"] for one in own])
            rows.append(
                [
                    method,
                    what,
                    f"{np.mean([one[f'coverage_{what}'] for one in own]):.3f}",
                    f"{error.mean():.3f}",
                    f"{np.mean([one[f'se_{what}'] for one in own]):.3f}",
                    f"{error.std(ddof=1):.3f}" if len(error) > 1 else "",
                    str(len(own)),
                ]
            )
    return rows
