"""Imputation baselines for mixed tables from well-kept libraries: mode, MICE, missForest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import BayesianRidge, LogisticRegression

from ..data import IncompleteData


class MixedCompleted(NamedTuple):
    """A completed table of a mixed schema.

    Attributes:
        values: (n, p) numbers, and codes of levels.
        chances: for each column with levels, the probabilities (n, V) of its levels.
    """

    values: np.ndarray
    chances: dict[str, np.ndarray]


def mean_mode(data: IncompleteData) -> MixedCompleted:
    """Impute the mean of numbers and the mode of levels, with observed shares as probabilities."""
    values, chances = data.values.copy(), {}
    for j, column in enumerate(data.schema):
        seen = values[~np.isnan(values[:, j]), j]
        if column.levels:
            share = np.bincount(seen.astype(int), minlength=column.num_values) / len(seen)
            chances[column.name] = np.tile(share, (len(values), 1))
            filled = float(share.argmax())
        else:
            filled = float(seen.mean())
        values[np.isnan(values[:, j]), j] = filled
    return MixedCompleted(values, chances)


def mice(data: IncompleteData, rounds: int = 10) -> MixedCompleted:
    """Impute by chained equations (van Buuren & Groothuis-Oudshoorn, J. Stat. Softw. 2011).

    The columns, in the order of their missing rates, are regressed on all *other* columns, by
    Bayesian ridge for numbers and codes of ordered levels, and by logistic regression for other
    levels, until no cell changes by more than 1e-3 standard deviations of its column. As
    predictors, numbers are standardised, and levels without order are indicators. The probabilities
    of ordered levels are those of the predictive Normal between cuts half way between the codes,
    and the imputed value is the nearest code.

    The indicators of one column never predict each other, as they would in scikit-learn's
    IterativeImputer on a table of indicators: they are missing together, so that each would be an
    exact function of the others' starting values, and would never leave the observed share.
    """
    gone = np.isnan(data.values)
    filled = mean_mode(data)
    values, chances = filled.values, dict(filled.chances)
    centre, scale = np.nanmean(data.values, axis=0), np.nanstd(data.values, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    blocks = []
    for j, column in enumerate(data.schema):
        if column.levels:
            seen = ~gone[:, j]
            chances[column.name][seen] = np.eye(column.num_values)[values[seen, j].astype(int)]
        if column.kind in ("binary", "categorical"):
            blocks.append(chances[column.name][:, 1:].copy())
        else:
            # codes, too, start at their mean
            own = np.where(gone[:, j], centre[j], data.values[:, j])
            blocks.append((own[:, None] - centre[j]) / scale[j])
    order = [j for j in np.argsort(gone.sum(0), kind="stable") if gone[:, j].any()]
    for _ in range(rounds):
        largest = 0.0
        for j in order:
            column, missing = data.schema[j], gone[:, j]
            others = np.hstack([block for k, block in enumerate(blocks) if k != j])
            train, target = others[~missing], data.values[~missing, j]
            if column.kind in ("binary", "categorical"):
                share = _logistic(train, target.astype(int), others[missing], column.num_values)
                chances[column.name][missing] = share
                new = share[:, 1:]
            else:
                ridge = BayesianRidge().fit(train, (target - centre[j]) / scale[j])
                mean, sd = ridge.predict(others[missing], return_std=True)
                new = mean[:, None]
                values[missing, j] = centre[j] + scale[j] * mean
                if column.levels:
                    cuts = (np.arange(column.num_values - 1) + 0.5 - centre[j]) / scale[j]
                    below = ndtr((cuts - new) / sd[:, None])
                    ends = np.ones((len(new), 1))
                    chances[column.name][missing] = np.diff(np.hstack([0 * ends, below, ends]))
            largest = max(largest, float(np.abs(new - blocks[j][missing]).max()))
            blocks[j][missing] = new
        if largest < 1e-3:
            break
    for j, column in enumerate(data.schema):
        if column.kind in ("binary", "categorical"):
            values[gone[:, j], j] = chances[column.name][gone[:, j]].argmax(1)
        elif column.levels:
            values[:, j] = np.clip(np.rint(values[:, j]), 0, column.num_values - 1)
    return MixedCompleted(values, chances)


def _logistic(
    train: np.ndarray, codes: np.ndarray, rows: np.ndarray, num_values: int
) -> np.ndarray:
    """Return the probabilities (n, V) of the codes, which are zero for codes never observed."""
    share = np.zeros((len(rows), num_values))
    seen = np.unique(codes)
    if len(seen) == 1:
        share[:, seen[0]] = 1
        return share
    share[:, seen] = LogisticRegression(max_iter=1000).fit(train, codes).predict_proba(rows)
    return share


def miss_forest(
    data: IncompleteData,
    seed: int = 0,
    trees: int = 100,
    rounds: int = 10,
    features: float | str = 1.0,
) -> MixedCompleted:
    """Impute by chained random forests: missForest (Stekhoven & Buehlmann, Bioinformatics 2012).

    Numbers are predicted by a regression forest, levels by a classification forest, and columns
    are taken in the order of their missing rates. Once the change between rounds grows both for
    numbers and for levels, the result is that of the round before. ``features``
    is the number of predictors at each split of a regression tree, as scikit-learn's
    ``max_features``: all of them, or "sqrt" as in the authors' package and in classification trees.
    """
    gone = np.isnan(data.values)
    levelled = np.array([bool(column.levels) for column in data.schema])
    now = mean_mode(data)
    order = [j for j in np.argsort(gone.sum(0), kind="stable") if gone[:, j].any()]
    before: tuple[float, float] = (np.inf, np.inf)
    for number in range(rounds):
        values, chances = now.values.copy(), dict(now.chances)
        for j in order:
            others = np.delete(np.arange(values.shape[1]), j)
            column, missing = data.schema[j], gone[:, j]
            settings: Any = {"n_estimators": trees, "random_state": seed + number, "n_jobs": 1}
            forest: Any = (
                RandomForestClassifier(**settings)
                if column.levels
                else RandomForestRegressor(**settings, max_features=features)
            )
            forest.fit(values[~missing][:, others], values[~missing, j])
            if column.levels:
                share = forest.predict_proba(values[missing][:, others])
                whole = np.zeros((int(missing.sum()), column.num_values))
                whole[:, forest.classes_.astype(int)] = share
                table = chances[column.name].copy()
                table[missing] = whole
                chances[column.name] = table
                values[missing, j] = whole.argmax(1)
            else:
                values[missing, j] = forest.predict(values[missing][:, others])
        change = _change(now.values, values, gone, levelled)
        if change[0] >= before[0] and change[1] >= before[1]:
            return now
        now, before = MixedCompleted(values, chances), change
    return now


def _change(
    old: np.ndarray, new: np.ndarray, gone: np.ndarray, levelled: np.ndarray
) -> tuple[float, float]:
    """Return the relative squared change of numbers, and the share of levels that changed."""
    numbers, levels = gone & ~levelled, gone & levelled
    first = 0.0
    if numbers.any():
        first = float(((new - old)[numbers] ** 2).sum() / (new[numbers] ** 2).sum())
    second = float((new != old)[levels].mean()) if levels.any() else 0.0
    return first, second


def encoded(frame: pd.DataFrame, data: IncompleteData) -> np.ndarray:
    """Encode a complete table as numbers and codes (n, p) by the schema of incomplete data."""
    return data.schema.encode(frame[list(data.columns)])
