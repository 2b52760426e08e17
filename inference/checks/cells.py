"""Whether seen cells look like draws from what the model predicts for them from their rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..imputing.conformal import effective
from ..imputing.imputation import Imputation
from .seen import by_odds

#: into how many parts the values of a probability integral transform are counted
_PARTS = 10
#: the levels of central intervals
_LEVELS = np.arange(1, 20) / 20
#: p-values below this are taken for a misfit
_SMALL = 0.01
#: how far the mean of the transform may be from a half, or its spread from one, to be named
_SHIFT, _SPREAD = 0.05, 0.2


@dataclass(frozen=True)
class CellCheck:
    """What seen cells say about the model's predictions of missing ones, by column.

    Attributes:
        columns: one row per incomplete column of numbers; see :func:`check_cells`.
        pit: the histogram of the probability integral transform, one row per column and one
            column per tenth: shares of the weight, .1 each if the model is right.
        reliability: one row per column and one column per level, .05 to .95: the share of the
            weight inside central intervals of this level.
    """

    columns: pd.DataFrame
    pit: pd.DataFrame
    reliability: pd.DataFrame


def check_cells(imputation: Imputation, *, folds: int = 5) -> CellCheck:
    """Check the margins: whether seen cells are like draws from their predictions as missing ones.

    The value x of a cell has the probability integral transform u = F(x), where F is the
    distribution that the model gives the cell from the rest of its row, were it missing. With the
    odds of being missing as weights, u is uniform on (0, 1) if the model is right (Dawid, 1984, for
    cells that went missing, by the weights of Tibshirani et al., NeurIPS 2019). The table
    ``columns`` has

    - ``cells`` and ``effective``, as in :meth:`absentia.inference.Imputation.calibration`;
    - ``crps``, the weighted mean of E|X - x| - E|X - X'| / 2 under F, in standard deviations of the
      seen values: the energy I-score of single cells (Naf et al., 2025), by which models of one
      table can be compared without the truth, as far as their odds agree;
    - ``mean`` and ``spread``, those of u: .5, and 1 as 12 times the variance. More spread means
      that predictions are too narrow, less that they are too wide;
    - ``distance`` and ``p_value``: Kolmogorov's largest distance from the uniform distribution, and
      its p-value with the effective number of cells;
    - ``finding``: what is wrong and what to do, empty where the p-value is at least .01.

    Args:
        imputation: the imputation of the table, from :func:`absentia.impute`, with draws.
        folds: the number of refits, as for :meth:`absentia.inference.Imputation.interval`.

    Raises:
        ValueError: the imputation kept no draws, or the model is a pattern mixture.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = np.exp(rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=300))
    >>> rows[::3, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, progress=False)
    >>> found = ab.check.check_cells(ab.impute(fitted, data)).columns
    >>> bool(found.loc["a", "p_value"] < 0.01)  # a log-normal column is not Gaussian
    True
    """
    own = imputation.modelled
    calibrated = by_odds(own, folds)
    left = calibrated.left_out(folds)
    rng = np.random.default_rng(0)
    below = (left.draws < left.values).mean(0)
    ties = (left.draws == left.values).mean(0)
    u = below + ties * rng.random(len(left.values))  # uniform also for counts and heaps
    rows, shares, held = {}, {}, {}
    for j, column in enumerate(own.data.schema):
        mine = left.columns == j
        if column.levels or not mine.any():
            continue
        weight = left.odds[:, mine].mean(0)
        size = effective(weight)
        if not size:  # no seen cell could have been missing
            continue
        weight = weight / weight.sum()
        mean = float(weight @ u[mine])
        spread = 12 * float(weight @ (u[mine] - mean) ** 2)
        distance = _distance(u[mine], weight)
        p_value = _kolmogorov(distance, size)
        seen = own.data.x[own.data.s[:, j], j].double().cpu().numpy()
        unit = float(seen.std()) or 1.0
        crps = float(weight @ crps_of(left.draws[:, mine], left.values[mine])) / unit
        wrong = p_value < _SMALL
        finding = _finding(mean, spread) if wrong else ""
        rows[column.name] = (
            int(mine.sum()), size, crps, mean, spread, distance, p_value, finding
        )  # fmt: skip
        part = np.minimum((u[mine] * _PARTS).astype(int), _PARTS - 1)
        shares[column.name] = np.bincount(part, weight, minlength=_PARTS)
        held[column.name] = weight @ (2 * np.abs(u[mine] - 0.5)[:, None] <= _LEVELS)
    names = ["cells", "effective", "crps", "mean", "spread", "distance", "p_value", "finding"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    table.index.name = "column"
    pit = pd.DataFrame.from_dict(shares, orient="index", columns=range(1, _PARTS + 1))
    curves = pd.DataFrame.from_dict(held, orient="index", columns=_LEVELS)
    return CellCheck(
        table,
        pit.rename_axis("column").rename_axis(columns="tenth"),
        curves.rename_axis("column").rename_axis(columns="level"),
    )


def crps_of(draws: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score (C,) of sorted draws (D, C).

    >>> crps_of(np.array([[0.0], [2.0]]), np.array([1.0]))
    array([0.5])
    """
    count = len(draws)
    rank = (2 * np.arange(1, count + 1) - count - 1) / count**2
    found: np.ndarray = np.abs(draws - values).mean(0) - rank @ draws
    return found


def _distance(u: np.ndarray, weight: np.ndarray) -> float:
    """Return the largest distance of a weighted distribution function from the uniform one."""
    order = np.argsort(u)
    after = np.cumsum(weight[order])
    before = after - weight[order]
    return float(max(np.abs(after - u[order]).max(), np.abs(before - u[order]).max()))


def _kolmogorov(distance: float, size: float) -> float:
    """Return the p-value of Kolmogorov's distance of so many values (Stephens, 1970)."""
    from scipy.special import kolmogorov

    root = np.sqrt(size)
    return float(kolmogorov(distance * (root + 0.12 + 0.11 / root)))


def _finding(mean: float, spread: float) -> str:
    """Say in words what is wrong with the predictions of a column, and what to do."""
    parts = []
    if abs(mean - 0.5) > _SHIFT:
        parts.append(f"values lie {'above' if mean > 0.5 else 'below'} their predictions")
    if abs(spread - 1) > _SPREAD:
        parts.append(f"predictions are too {'narrow' if spread > 1 else 'wide'}")
    what = " and ".join(parts) or "the shape differs from the predictions"
    return (
        f"{what}: declare the column's kind (positive, bounded, count) or take decoder='mixture', "
        f"and calibrate intervals"
    )
