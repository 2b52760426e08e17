"""Baselines and oracles that complete a table, by the name that ``kind`` of a method gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import KNNImputer

from ..baselines import chained, column_mean
from ..oracle import truncated_gaussian


def _column_mean(table: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    return column_mean(table).mean


def _constant(table: np.ndarray, truth: np.ndarray, seed: int, value: float) -> np.ndarray:
    return np.where(np.isnan(table), value, table)


def _row_mean(table: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    return np.where(np.isnan(table), np.nanmean(table, 1, keepdims=True), table)


def _pixel_max(table: np.ndarray, truth: np.ndarray, seed: int, channels: int) -> np.ndarray:
    pixels = table.reshape(len(table), channels, -1)
    brightest = np.broadcast_to(np.nanmax(pixels, 1, keepdims=True), pixels.shape)
    return np.where(np.isnan(table), brightest.reshape(table.shape), table)


def _true_mean(table: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    return np.where(np.isnan(table), truth.mean(0), table)


def _neighbours(table: np.ndarray, truth: np.ndarray, seed: int, k: int = 5) -> np.ndarray:
    return np.asarray(KNNImputer(n_neighbors=k).fit_transform(table))


def _mice(
    table: np.ndarray, truth: np.ndarray, seed: int, rounds: int = 10, order: str = "ascending"
) -> np.ndarray:
    return chained(table, seed, max_iter=rounds, imputation_order=order)


def _miss_forest(
    table: np.ndarray,
    truth: np.ndarray,
    seed: int,
    trees: int = 100,
    rounds: int = 10,
    order: str = "ascending",
) -> np.ndarray:
    forest = RandomForestRegressor(n_estimators=trees, random_state=seed, n_jobs=1)
    return chained(table, seed, forest, max_iter=rounds, imputation_order=order)


def _gaussian_oracle(table: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    return truncated_gaussian(truth, np.isnan(table), seed=seed)


#: by name, functions of the table (n, p) with NaN, the complete table (for oracles), and options
BASELINES: dict[str, Callable[..., np.ndarray]] = {
    "constant": _constant,
    "mean": _column_mean,
    "row-mean": _row_mean,
    "pixel-max": _pixel_max,
    "true-mean": _true_mean,
    "knn": _neighbours,
    "mice": _mice,
    "missforest": _miss_forest,
    "gaussian-oracle": _gaussian_oracle,
}
