"""Whether the odds of the forms of a mechanism can be believed, on simulated tables.

Two checks of ``missingness="auto"``. Where a skewed column is missing completely at random, its own
value must not be blamed, and its mean must be unbiased. And where mechanisms are drawn from their
prior, the posterior odds of the forms must be calibrated: of all columns whose own value matters
with probability .8, it must matter in 80 %.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ...data import IncompleteData
from ...data.errors import InputError
from ...inference import impute
from ...models import NotMIWAEPPCA
from ...models.missingness.averaged import FORMS
from .fitting import fit
from .simulated_prior import drawn_exactly, mechanisms_from_prior, posterior_of, ranks

#: margins of the skewed columns, as distributions of SciPy
MARGINS: Mapping[str, Any] = {
    "log-normal": stats.lognorm(1.0),
    "exponential": stats.expon(),
    "bounded": stats.beta(2.0, 5.0),
}
#: the mechanism under which all else has its prior, too
EXACT = "prior of the sampler"
#: levels of the intervals of completed means that are tabulated
_LEVELS = (0.5, 0.9, 0.95)
_COLUMNS = ["a", "b", "c", "d"]
#: rates of missing values of the tables that are kept; a choice by the mask alone leaves the
#: posterior given the mask as it is
_RATES = 0.1, 0.6
#: edges of the bins of predicted probabilities
_BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def form_odds(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Fit one simulated table, and record the odds of the forms beside the truth.

    Raises:
        InputError: for another kind of method than "not-miwae-ppca", or an unknown mechanism.
    """
    if configuration["kind"] != "not-miwae-ppca":
        raise InputError(
            f"kind of method '{configuration['kind']}' is not possible here; give not-miwae-ppca"
        )
    seed, rows = int(configuration["seed"]), int(configuration["table"]["rows"])
    name = configuration["amputation"]["name"]
    if name not in (EXACT, "prior", *MARGINS):
        known = ", ".join([EXACT, "prior", *MARGINS])
        raise InputError(f"mechanism '{name}' is not one of {known}")
    if name == EXACT:
        return _exactly(seed, rows)
    if name == "prior":
        truth, missing, forms = drawn_from_the_prior(seed, rows)
    else:
        truth, missing, forms = skewed_at_random(seed, rows, name)
    data = IncompleteData.from_numpy(np.where(missing, np.nan, truth), columns=_COLUMNS)
    model = NotMIWAEPPCA(data, seed=seed, **configuration["model"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a high k-hat is no concern here
        fitted = fit(model, data, seed=seed, **{"optimiser": "auto", **configuration["fit"]})
        filled = impute(fitted, data, draws=0, seed=seed, check=False, **configuration["impute"])
    assert fitted.odds is not None
    columns: dict[str, dict[str, Any]] = {}
    found = fitted.odds.to_dict("index")
    for column, form in forms.items():
        j = _COLUMNS.index(column)
        unit = truth[:, j].std()
        columns[column] = {
            "form": form,
            "odds": {other: float(found[column][other]) for other in FORMS},
            "slope": float(found[column]["slope"]),
            "missing": float(missing[:, j].mean()),
            "bias": float((filled.mean[:, j] - truth[:, j]).mean() / unit),
        }
    return _scored(columns)


def _exactly(seed: int, rows: int) -> dict[str, Any]:
    """Sample the posterior of a table from the prior itself, without any preparation."""
    drawn = drawn_exactly(seed, rows)
    posterior, means = posterior_of(drawn, seed)
    truth = drawn.truth.mean(0)[2:]
    rank = ranks(means, truth.tolist())
    found = means.mean((0, 1)).numpy()
    unit = drawn.truth.std(0)[2:]
    columns = {
        column: {
            "form": drawn.forms[k],
            "odds": dict(zip(FORMS, posterior.odds[k + 2].tolist(), strict=True)),
            "missing": float(drawn.missing[:, k + 2].mean()),
            "bias": float((found[k] - truth[k]) / unit[k]),
            "rank": rank[k],
        }
        for k, column in enumerate("cd")
    }
    return _scored(columns)


def _scored(columns: dict[str, dict[str, Any]]) -> dict[str, Any]:
    own = [own_value(one["odds"]) for one in columns.values()]
    true = [one["odds"][one["form"]] for one in columns.values()]
    metrics = {
        "own": float(np.mean(own)),
        "bias": float(np.mean([one["bias"] for one in columns.values()])),
        "log_score": float(np.mean(np.log(np.maximum(true, 1e-6)))),
    }
    return {"metrics": metrics, "columns": columns}


def own_value(odds: Mapping[str, float]) -> float:
    """Return the probability that a column's own value matters.

    >>> own_value({form: 1 / 6 for form in FORMS})
    0.5
    """
    return float(sum(value for form, value in odds.items() if "own value" in form))


Simulated = tuple[np.ndarray, np.ndarray, dict[str, str]]


def skewed_at_random(seed: int, rows: int, margin: str) -> Simulated:
    """Simulate four skewed columns, of which the last two lose 30 % completely at random.

    They are joined by a Gaussian copula with correlations of .64.

    Returns:
        The complete table, the missing mask, and the true forms by column.
    """
    rng = np.random.default_rng([seed, 1])
    normal = 0.8 * rng.normal(size=(rows, 1)) + 0.6 * rng.normal(size=(rows, 4))
    truth = MARGINS[margin].ppf(stats.norm.cdf(normal))
    missing = rng.random(truth.shape) < np.array([0.0, 0.0, 0.3, 0.3])
    return truth, missing, dict.fromkeys("cd", "completely at random")


def drawn_from_the_prior(seed: int, rows: int) -> Simulated:
    """Simulate two complete columns and two that are missing by mechanisms from the prior.

    All parameters have the priors that :class:`~absentia.models.AveragedMissingness` describes, and
    columns have unit variance, as the model standardises them. Tables in which a column loses less
    than a tenth or more than six tenths are drawn again.

    Returns:
        As :func:`skewed_at_random`.
    """
    rng = np.random.default_rng([seed, 2])
    while True:
        found = _from_the_prior(rng, rows)
        rates = found[1][:, 2:].mean(0)
        if ((rates >= _RATES[0]) & (rates <= _RATES[1])).all():
            return found


def _from_the_prior(rng: np.random.Generator, rows: int) -> Simulated:
    d = len(_COLUMNS) - 1
    weight = rng.normal(size=(4, d)) / np.sqrt(rng.gamma(1.0, size=d))
    noise = 0.1 / rng.gamma(1.0, size=4)
    unit = np.sqrt((weight**2).sum(1) + noise)
    z = rng.normal(size=(rows, d))
    x = (z @ weight.T + rng.normal(size=(rows, 4)) * np.sqrt(noise)) / unit
    missing, forms = np.zeros((rows, 4), bool), {}
    for j, form, gone in mechanisms_from_prior(rng, x, z):
        missing[:, j], forms[_COLUMNS[j]] = gone, form
    return x, missing, forms


def form_odds_table(results: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[list[str]]:
    """Tabulate the odds under skewed columns, and the reliability of those under the prior."""
    rows = [["mechanism", "", "columns", "predicted", "found"]]
    for margin in MARGINS:
        own = [found for _, name, found in results if name == margin]
        columns = [one for found in own for one in found["columns"].values()]
        if not columns:
            continue
        odds = np.array([own_value(one["odds"]) for one in columns])
        bias = np.array([found["metrics"]["bias"] for found in own])
        error = bias.std(ddof=1) / len(bias) ** 0.5 if len(bias) > 1 else np.nan
        count = str(len(odds))
        rows += [
            [margin, "P(own value) below .5", count, "", f"{(odds < 0.5).mean():.2f}"],
            [margin, "mean P(own value)", count, f"{odds.mean():.2f}", "0"],
            [margin, "bias of the mean, sd", count, "", f"{bias.mean():.3f} ({error:.3f})"],
        ]
    for name in ("prior", EXACT):
        drawn = [
            one for _, own, found in results if own == name for one in found["columns"].values()
        ]
        if drawn:
            rows += _calibration(name, drawn)
    return rows


def _calibration(name: str, drawn: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return rows on columns whose mechanisms were drawn from the prior."""
    predicted = np.array([own_value(one["odds"]) for one in drawn])
    true = np.array(["own value" in one["form"] for one in drawn])
    rows = _reliability(name, "own value matters", predicted, true)
    for form in FORMS:
        predicted = np.array([one["odds"][form] for one in drawn])
        true = np.array([one["form"] == form for one in drawn])
        error = np.sqrt(np.maximum(predicted * (1 - predicted), 0).sum()) / len(true)
        found = f"{true.mean():.3f} ({error:.3f})"
        rows.append([name, form, str(len(true)), f"{predicted.mean():.3f}", found])
    rank = np.array([one["rank"] for one in drawn if "rank" in one])
    for level in _LEVELS if len(rank) else ():
        inside = float((np.abs(rank - 0.5) <= level / 2).mean())
        error = np.sqrt(level * (1 - level) / len(rank))
        label = f"{100 * level:g} % intervals of the mean"
        rows.append([name, label, str(len(rank)), f"{level:.2f}", f"{inside:.2f} ({error:.2f})"])
    return rows


def _reliability(name: str, what: str, predicted: np.ndarray, true: np.ndarray) -> list[list[str]]:
    """Return rows of a reliability curve, with the standard error that calibration implies."""
    rows = []
    for low, high in itertools.pairwise(_BINS):
        inside = (predicted >= low) & ((predicted < high) | (high == _BINS[-1]))
        if inside.any():
            p = predicted[inside]
            error = np.sqrt((p * (1 - p)).sum()) / len(p)
            found = f"{true[inside].mean():.2f} ({error:.2f})"
            label = f"{what}, {low:g} to {high:g}"
            rows.append([name, label, str(len(p)), f"{p.mean():.2f}", found])
    return rows
