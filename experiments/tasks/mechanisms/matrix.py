"""A mixed table as a matrix of numbers, for libraries that know nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....data import IncompleteData
from ...mixed_baselines import MixedCompleted
from .cases import is_nominal


def completed_as_matrix(
    data: IncompleteData, complete: Callable[[np.ndarray], np.ndarray]
) -> MixedCompleted:
    """Complete a table by a function that completes a matrix of numbers, with NaN where missing.

    The columns of the matrix have mean 0 and sd 1 where they are observed. Numbers and codes with
    an order have a column each. Levels without order have an indicator each but for the first, as
    indicators that add up to one are more than some libraries can take; all of them are missing
    where the level is. The completed codes stay between the lowest and the highest, and need not be
    whole: they are expectations. The probabilities of levels without order are their completed
    indicators, the first one the rest, cut at 0 and divided by their sum.
    """
    whole, widths = _matrix(data)
    scale = np.nanstd(whole, axis=0)
    centre, scale = np.nanmean(whole, axis=0), np.where(scale > 0, scale, 1.0)
    found = centre + scale * complete((whole - centre) / scale)
    values, chances = data.values.copy(), {}
    parts = np.split(found, np.cumsum(widths)[:-1], axis=1)
    for j, (column, part) in enumerate(zip(data.schema, parts, strict=True)):
        gone = np.isnan(data.values[:, j])
        if is_nominal(column):
            hot = np.clip(np.column_stack([1 - part.sum(1), part]), 1e-6, None)
            chances[column.name] = hot / hot.sum(1, keepdims=True)
            values[gone, j] = hot[gone].argmax(1)
        elif column.levels:
            values[gone, j] = np.clip(part[gone, 0], 0, column.num_values - 1)
        else:
            values[gone, j] = part[gone, 0]
    return MixedCompleted(values, chances)


def _matrix(data: IncompleteData) -> tuple[np.ndarray, list[int]]:
    """Return the matrix in the table's own units, and the number of its columns for each column."""
    parts = []
    for j, column in enumerate(data.schema):
        own = data.values[:, [j]]
        if is_nominal(column):
            hot = (own == np.arange(1, column.num_values)).astype(float)
            own = np.where(np.isnan(own), np.nan, hot)
        parts.append(own)
    return np.hstack(parts), [part.shape[1] for part in parts]
