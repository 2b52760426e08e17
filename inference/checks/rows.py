"""Energy scores of whole rows: beside the truth, and by seen rows where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from ...data import IncompleteData
from ...data.errors import InputError
from ..imputing.conformal import effective
from ..imputing.imputation import Imputation
from .seen import by_odds

#: the most names of columns in a pattern's label
_NAMED = 4


def energy_of(draws: np.ndarray, values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the energy score sum_d w_d |X_d - x| - sum_de w_d w_e |X_d - X_e| / 2 of draws (D, q).

    Its expectation is smallest for the true distribution (Gneiting & Raftery, JASA 2007); with one
    cell it is the CRPS.

    >>> energy_of(np.array([[0.0, 0.0], [6.0, 8.0]]), np.array([3.0, 4.0]))
    2.5
    """
    w = np.full(len(draws), 1 / len(draws)) if weight is None else weight
    return float(w @ cdist(draws, values[None])[:, 0] - w @ cdist(draws, draws) @ w / 2)


def energy_score(imputation: Imputation, truth: ArrayLike | pd.DataFrame) -> float:
    """Return the mean energy score of the missing numbers of each incomplete row; less is better.

    It judges the draws of a row's missing cells together, and with them their dependence. Each
    column is in standard deviations of its seen values; columns of levels are left out.

    Args:
        imputation: the imputation, with draws.
        truth: (n, p) the complete table, in the data's own units.

    Raises:
        ValueError: the table has another shape, or no number is missing.
    """
    data = imputation.data
    complete = np.asarray(truth, dtype=np.float64)
    if complete.shape != data.values.shape:
        raise InputError(
            f"the truth has shape {complete.shape} and the imputed table {data.values.shape}; give "
            f"the complete table with the same rows and columns"
        )
    draws = imputation.draws(imputation.num_draws) / _units(data)
    judged = np.isnan(data.values) & _numbers(data)
    rows = np.flatnonzero(judged.any(1))
    if not len(rows):
        raise InputError("no number is missing, so that there is nothing to score")
    complete = complete / _units(data)
    found = [energy_of(draws[:, i, judged[i]], complete[i, judged[i]]) for i in rows]
    return float(np.mean(found))


@dataclass(frozen=True)
class RowScore:
    """The odds-weighted energy I-score of an imputation; see :func:`energy_iscore`.

    Attributes:
        score: the mean over patterns, each with the weight of its rows; smaller is better.
        share: the share of the incomplete rows whose patterns are in that mean.
        patterns: one row per pattern: the number of ``rows`` that have it, the ``donors`` in which
            the same cells were hidden, how many equally weighted ones these are worth
            (``effective``), and the ``score``; NaN where no donor could have had the pattern.
    """

    score: float
    share: float
    patterns: pd.DataFrame


def energy_iscore(
    imputation: Imputation, *, patterns: int = 10, donors: int = 50, folds: int = 5
) -> RowScore:
    """Score an imputation without the truth: by seen rows, hidden as others are.

    Complete rows are donors of every pattern of what is missing: its cells are hidden, predicted
    together as if they had gone missing, and judged by the energy score. A donor has the weight of
    its odds P(pattern | row) / P(nothing missing | row), since p(row | pattern) / p(row | complete)
    is proportional to them, so that donors stand for the rows that have the pattern. These are the
    I-scores of Naf, Spohn, Michel & Meinshausen (2023; with the energy score, Naf, Grzesiak &
    Scornet, 2025), which assume missing at random, with the odds of the fitted mechanism instead.
    Each column is in standard deviations of its seen values. Models of one table can be compared as
    far as their odds agree.

    Args:
        imputation: the imputation of the table, from :func:`absentia.impute`, with draws.
        patterns: how many of the most frequent patterns are scored.
        donors: the most donors of a pattern, taken from the complete rows at random.
        folds: the number of refits, as for :meth:`absentia.inference.Imputation.interval`.

    Raises:
        ValueError: the imputation kept no draws, the model is a pattern mixture, no number is
            missing, or no row is complete.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[::3, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, progress=False)
    >>> found = ab.check.energy_iscore(ab.impute(fitted, data), donors=20)
    >>> bool(0.3 < found.score < 1), list(found.patterns.index)
    (True, ['a'])
    """
    own = imputation.modelled
    calibrated = by_odds(own, folds)
    data = own.data
    s, numbers = data.s.cpu().numpy(), _numbers(data)
    kinds, counts = np.unique(s[(~s & numbers).any(1)], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:patterns]
    complete = np.flatnonzero(s.all(1))
    if not len(order) or not len(complete):
        raise InputError(
            "no number is missing, so that there is nothing to score"
            if not len(order)
            else "no row is complete, so that none can stand for those that are not; score single "
            "cells with check_cells"
        )
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.choice(complete, min(donors, len(complete)), replace=False)) for _ in order]
    place = np.repeat(order, len(rows[0]))
    left = calibrated.left_rows((np.concatenate(rows), ~kinds[place]), folds)
    x, unit = data.x.double().cpu().numpy(), _unit(data)
    each = np.empty(len(place))
    for k, (row, mask) in enumerate(zip(left.rows, left.hidden, strict=True)):
        judged = mask & numbers
        draws = left.draws[k][:, numbers[mask]] / unit[judged]
        each[k] = energy_of(draws, x[row, judged] / unit[judged], left.weight[k])
    table = {}
    for k in order:
        mine = place == k
        odds = left.odds[mine]
        size = effective(odds)
        score = float(odds @ each[mine] / odds.sum()) if size else np.nan
        table[_label(data, ~kinds[k])] = (int(counts[k]), int(mine.sum()), size, score)
    names = ["rows", "donors", "effective", "score"]
    found = pd.DataFrame.from_dict(table, orient="index", columns=names).rename_axis("missing")
    good = found[found["score"].notna()]
    score = float(np.average(good["score"], weights=good["rows"])) if len(good) else np.nan
    return RowScore(score, float(good["rows"].sum() / counts.sum()), found)


def _label(data: IncompleteData, missing: np.ndarray) -> str:
    """Name the columns of a pattern."""
    names = [name for name, gone in zip(data.columns, missing, strict=True) if gone]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _numbers(data: IncompleteData) -> np.ndarray:
    return np.array([not column.levels for column in data.schema])


def _unit(data: IncompleteData) -> np.ndarray:
    """Return standard deviations (p,) of seen values, in the model's units."""
    x, s = data.x.double().cpu().numpy(), data.s.cpu().numpy()
    return _spread(np.where(s, x, np.nan))


def _units(data: IncompleteData) -> np.ndarray:
    """Return standard deviations (p,) of seen values, in the data's units."""
    return _spread(data.values)


def _spread(values: np.ndarray) -> np.ndarray:
    seen = ~np.isnan(values)
    found = np.array([column[has].std() if has.any() else 1.0 for column, has in
                      zip(values.T, seen.T, strict=True)])  # fmt: skip
    return np.where(found > 0, found, 1.0)
