"""Scores of a completed case: its cells, its columns' means, and pooled intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ....inference import pool
from ...metrics import crps, rmse
from .cases import Case
from .imputers import Completed


def scores_of(case: Case, found: Completed) -> dict[str, float | None]:
    """Score a completed case; what a method does not give is None.

    * ``rmse``, over hidden numbers and codes with an order, in sd of the complete columns;
    * ``bias``, the mean over the columns with hidden values of the absolute error of their
      completed mean, in sd;
    * ``brier``, the Brier score of hidden levels without order;
    * ``crps`` in sd, and ``coverage_90`` of cells, whose intervals are made of the draws' order
      statistics, so that draws from the truth would cover 90 % whatever their number;
    * ``coverage_mean`` and ``coverage_slope``, the shares of the columns with hidden values whose
      mean, and whose slope on the column that it is most correlated with, lie inside their pooled
      95 % intervals (:func:`pooled_coverage`);
    * ``cpu_seconds`` and ``pooling_cpu_seconds``.
    """
    order = case.has_order
    hidden = case.missing & order
    unit = _unit(case.truth)
    gaps = np.flatnonzero(hidden.any(0))
    moved = (found.point - case.truth).mean(0)[gaps] / unit[gaps]
    scores: dict[str, float | None] = {
        "rmse": rmse(found.point, case.truth, hidden, unit),
        "bias": float(np.abs(moved).mean()),
        "brier": _brier(case, found),
        "crps": None,
        "coverage_90": None,
        "coverage_mean": None,
        "coverage_slope": None,
        "cpu_seconds": round(found.cpu_seconds, 2),
        "pooling_cpu_seconds": round(found.pooling_cpu_seconds, 2),
    }
    if found.draws is not None:
        own, values = found.draws[:, hidden], case.truth[hidden]
        scale = np.broadcast_to(unit, case.truth.shape)[hidden]
        low, high = np.quantile(own, [0.05, 0.95], axis=0, method="weibull")
        scores["crps"] = float(np.mean(crps(own, values) / scale))
        scores["coverage_90"] = float(((low <= values) & (values <= high)).mean())
    if found.tables is not None:
        scores |= pooled_coverage(case, found.tables)
    return scores


def pooled_coverage(case: Case, tables: np.ndarray) -> dict[str, float | None]:
    """Return how often pooled 95 % intervals hold what the whole real table says.

    The n rows of a case are a simple random sample from the N of the table. So the sampling
    variance of an estimate from complete rows is multiplied by 1 - n / N: the intervals have their
    coverage under repeated sampling and amputation of this very table, and where all of its rows
    are studied they state the uncertainty from missing values alone.

    Args:
        case: the case.
        tables: (m, n, p) completed tables.
    """
    gaps = np.flatnonzero((case.missing & case.has_order).any(0))
    partners = _partners(case, gaps)
    share = 1 - len(case.truth) / len(case.population)

    def estimates(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = len(table)
        means = table[:, gaps].mean(0), table[:, gaps].var(0, ddof=1) / n
        lines = [_slope(table[:, j], table[:, k]) for j, k in partners]
        slopes = np.array(lines).reshape(-1, 2).T
        return np.append(means[0], slopes[0]), share * np.append(means[1], slopes[1])

    truth = estimates(case.population)[0]
    analysed = [tuple(map(pd.Series, estimates(table))) for table in tables]
    pooled = pool(analysed).table
    inside = (pooled["lower"].to_numpy() <= truth) & (truth <= pooled["upper"].to_numpy())
    at = len(gaps)
    return {
        "coverage_mean": float(inside[:at].mean()),
        "coverage_slope": float(inside[at:].mean()) if partners else None,
    }


def _partners(case: Case, gaps: np.ndarray) -> list[tuple[int, int]]:
    """Pair each column that has gaps with the one that it is most correlated with in the table."""
    varied = np.flatnonzero(case.has_order & (np.ptp(case.population, axis=0) > 0))
    pairs = []
    for j in gaps:
        others = [k for k in varied if k != j]
        if j in varied and others:
            strength = [np.corrcoef(case.population[:, [j, k]].T)[0, 1] for k in others]
            pairs.append((int(j), int(others[int(np.argmax(np.abs(strength)))])))
    return pairs


def _slope(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Return the least-squares slope of y on x, and its variance that is robust to any spread."""
    centred = x - x.mean()
    total = float(centred @ centred)
    if total == 0:
        return 0.0, 0.0
    slope = float(centred @ y) / total
    left = y - y.mean() - slope * centred
    n = len(y)
    return slope, float((centred**2) @ (left**2)) / total**2 * n / max(n - 2, 1)


def _unit(truth: np.ndarray) -> np.ndarray:
    sd = truth.std(0)
    return np.asarray(np.where(sd > 0, sd, 1.0))


def _brier(case: Case, found: Completed) -> float | None:
    errors: list[Any] = []
    for j, column in enumerate(case.data.schema):
        gone = case.missing[:, j]
        if column.name in found.chances and gone.any():
            hot = np.eye(column.num_values)[case.truth[gone, j].astype(int)]
            errors.append(((found.chances[column.name][gone] - hot) ** 2).sum(1))
    return float(np.concatenate(errors).mean()) if errors else None
