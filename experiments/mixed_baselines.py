"""Imputation of mixed tables by well-kept libraries: mean or mode, MICE, missForest."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (scikit-learn's own switch)
from sklearn.impute import IterativeImputer

from ..data import IncompleteData


class MixedCompleted(NamedTuple):
    """Completed numbers and codes (n, p), and per column with levels their chances (n, V)."""

    values: np.ndarray
    chances: dict[str, np.ndarray]


def mean_mode(data: IncompleteData) -> MixedCompleted:
    """The mean of numbers, the most frequent of levels; chances are the observed shares."""
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


def mice(data: IncompleteData, seed: int = 0) -> MixedCompleted:
    """Chained equations (IterativeImputer, Bayesian ridge) on encoded columns.

    Numbers and ordered levels are standardised, other levels become indicators; a filled cell's
    chances are its indicators, clipped to [0, 1] and normalised, or 1 at the nearest ordered level.
    """
    blocks: list[np.ndarray] = []
    places: list[slice] = []
    for j, column in enumerate(data.schema):
        own = data.values[:, j]
        nominal = column.kind in ("binary", "categorical")
        if nominal:
            hot = (own[:, None] == np.arange(column.num_values)).astype(float)
            hot[np.isnan(own)] = np.nan
            block = hot
        else:
            block = own[:, None]
        start = sum(b.shape[1] for b in blocks)
        places.append(slice(start, start + block.shape[1]))
        blocks.append(block)
    wide = np.hstack(blocks)
    centre, scale = np.nanmean(wide, axis=0), np.nanstd(wide, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    with warnings.catch_warnings():
        # ten rounds are MICE's custom; whether they meet scikit-learn's tolerance is not asked
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = IterativeImputer(random_state=seed).fit_transform((wide - centre) / scale)
    filled = centre + scale * filled
    values, chances = data.values.copy(), {}
    for j, column in enumerate(data.schema):
        gone, block = np.isnan(values[:, j]), filled[:, places[j]]
        if column.kind in ("binary", "categorical"):
            share = np.clip(block, 1e-6, 1)
            chances[column.name] = share / share.sum(1, keepdims=True)
            values[gone, j] = chances[column.name][gone].argmax(1)
        elif column.levels:
            nearest = np.clip(np.rint(block[:, 0]), 0, column.num_values - 1).astype(int)
            chances[column.name] = np.eye(column.num_values)[nearest]
            values[gone, j] = nearest[gone]
        else:
            values[gone, j] = block[gone, 0]
    return MixedCompleted(values, chances)


def miss_forest(
    data: IncompleteData, seed: int = 0, trees: int = 100, rounds: int = 10
) -> MixedCompleted:
    """missForest (Stekhoven & Buehlmann, Bioinformatics 2012): chained random forests.

    A regression forest for numbers, a classification forest for levels, columns in order of their
    missing rates, until the change between rounds grows for both kinds, and then the round before.
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
            kind: Any = RandomForestClassifier if column.levels else RandomForestRegressor
            forest = kind(n_estimators=trees, random_state=seed + number, n_jobs=1)
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
    """Relative squared change of numbers, share of changed levels; 0 where there are none."""
    numbers, levels = gone & ~levelled, gone & levelled
    first = 0.0
    if numbers.any():
        first = float(((new - old)[numbers] ** 2).sum() / (new[numbers] ** 2).sum())
    second = float((new != old)[levels].mean()) if levels.any() else 0.0
    return first, second


def encoded(frame: pd.DataFrame, data: IncompleteData) -> np.ndarray:
    """A complete table as the numbers and codes (n, p) of the incomplete one's schema."""
    return data.schema.encode(frame[list(data.columns)])
