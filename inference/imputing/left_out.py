"""Seen cells, each predicted from the rest of its row as if it were missing."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...data import IncompleteData
from ...models.programs.base import RowModel
from ..gibbs.posterior import Posterior
from ..prepare import programs_of
from .odds import odds_at_random, odds_of_missing

#: the most seen cells that are predicted, in all, and the least and most of a column
_CELLS, _OF_A_COLUMN = 10_000, (50, 500)
#: the most draws of cells that are held at once
_DRAWS_AT_ONCE = 20_000_000
PARTICLES = 1000

#: pairs of rows, and a model that has not seen them
Refits = Sequence[tuple[np.ndarray, RowModel]]


class LeftOut(NamedTuple):
    """Seen cells and what the model predicts for them from the rest of their rows.

    Attributes:
        rows: (C,) the row of each cell.
        columns: (C,) its column.
        values: (C,) its value, in the model's units.
        odds: (M, C) its odds of being missing, under draws of the parameters or under one value.
        draws: (D, C) draws from its distribution as if it were missing, each column in order.
        share: (p,) the share of the column's seen cells that are here.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    odds: np.ndarray
    draws: np.ndarray
    share: np.ndarray


def left_out(
    model: RowModel,
    data: IncompleteData,
    posterior: Posterior | None,
    settings: dict[str, Any],
    seed: int,
    refits: Refits = (),
) -> LeftOut:
    """Predict seen cells of incomplete columns as :func:`absentia.impute` would, were they missing.

    Up to 500 cells of each column, chosen at random, are hidden one at a time. Under draws of the
    parameters, which the cell itself has helped to choose, each draw has the weight

        p(rest of the row, s_j = 0 | draw) / p(row | draw),

    truncated at the square root of their number times the mean (Ionides, 2008), which turns draws
    given the table into draws given the table without the cell. Where the parameters are held at
    one value, each cell is predicted by the refit that has not seen its row, if there are any.

    Args:
        model: the model.
        data: its :func:`~absentia.inference.prepare.prepared` data.
        posterior: draws of the parameters, None where they are held.
        settings: those of the imputation.
        seed: the seed of the random numbers.
        refits: pairs of rows and a model that has not seen them; the model itself if none.
    """
    rows, columns, share = _chosen(data, seed)
    ignored = model.missingness.dependence(len(data.columns)).ignorable.cpu().numpy()
    if posterior is None:
        found, sampled = np.empty((1, len(rows))), np.empty((settings["draws"], len(rows)))
        for part, one in refits or [(np.arange(len(data)), model)]:
            mine = np.flatnonzero(np.isin(rows, part))
            if not len(mine):
                continue
            used, place = np.unique(rows[mine], return_inverse=True)
            seen = data.without_target().rows(used)
            odds = odds_of_missing(one, programs_of(one), seen, PARTICLES, seed)[0]
            found[:, mine] = odds[place, columns[mine]]
            masks = _single(columns[mine], len(ignored))
            draws = hidden_draws(one, data, rows[mine], masks, settings, seed)[0]
            sampled[:, mine] = np.sort(draws, axis=0)
    else:
        found, sampled = _under_draws(model, data, posterior, (rows, columns), settings, seed)
    mine = ignored[columns]
    if mine.any():
        here = data.without_target().rows(rows[mine])
        found[:, mine] = odds_at_random(
            data, ignored, here, hide(here, _single(columns[mine], len(ignored)))
        )
    x = data.x.double().cpu().numpy()
    return LeftOut(rows, columns, x[rows, columns], found, sampled, share)


def _chosen(data: IncompleteData, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Choose seen cells of the columns that have missing values, at random and in order."""
    s = data.s.cpu().numpy()
    rng = np.random.default_rng([seed, 17])
    incomplete = np.flatnonzero(~s.all(0) & s.any(0))
    most = int(np.clip(_CELLS // max(len(incomplete), 1), *_OF_A_COLUMN))
    share = np.ones(s.shape[1])
    rows, columns = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
    for j in incomplete:
        mine = np.flatnonzero(s[:, j])
        if len(mine) > most:
            share[j] = most / len(mine)
            mine = np.sort(rng.choice(mine, most, replace=False))
        rows.append(mine)
        columns.append(np.full(len(mine), j))
    return np.concatenate(rows), np.concatenate(columns), share


def _single(columns: np.ndarray, width: int) -> np.ndarray:
    """Return masks (C, p) of one cell a row."""
    return np.arange(width) == columns[:, None]


def hide(rows: IncompleteData, hidden: np.ndarray) -> IncompleteData:
    """Hide cells (C, p) of rows."""
    values = rows.values.copy()
    values[hidden] = np.nan
    return rows.with_values(values)


def _blocks(data: IncompleteData, rows: np.ndarray, draws: int) -> Iterator[np.ndarray]:
    """Split cells into blocks, of whose rows all draws of missing values can be held at once."""
    held = np.cumsum((~data.s.cpu().numpy()).sum(1)[rows] + 1) * draws // _DRAWS_AT_ONCE
    for block in np.unique(held):
        yield np.flatnonzero(held == block)


def hidden_draws(
    model: RowModel,
    data: IncompleteData,
    rows: np.ndarray,
    hidden: np.ndarray,
    settings: dict[str, Any],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return draws (D, M) of hidden cells, row by row, and log p(x_o, s) of what is left (C,).

    Args:
        model, data, settings, seed: as for :func:`left_out`.
        rows: (C,) the rows, each of which is taken by itself.
        hidden: (C, p) the cells that are hidden.
    """
    from .tables import imputed  # which returns an imputation, to which this belongs

    data = data.without_target()
    drawn, evidence = [np.empty((settings["draws"], 0))], [np.empty(0)]
    for block in _blocks(data, rows, settings["draws"]):
        table = hide(data.rows(rows[block]), hidden[block])
        found = imputed(model, table, programs_of(model), **{**settings, "seed": seed})
        cells = found._cells
        own = hidden[block][cells.rows, cells.columns]
        drawn.append(cells.draws[:, own].astype(np.float64))
        evidence.append(found.log_evidence)
    return np.concatenate(drawn, axis=1), np.concatenate(evidence)


def _under_draws(
    model: RowModel,
    data: IncompleteData,
    posterior: Posterior,
    cells: tuple[np.ndarray, np.ndarray],
    settings: dict[str, Any],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return odds (M, C) and sorted draws (D, C) of hidden cells, under draws of the parameters."""
    from .by_draws import divided

    _, count, size, kept = divided(len(posterior), settings["particles"], settings["draws"])
    own = copy.deepcopy(model)
    each = {**settings, "particles": size, "draws": kept, "refine": False, "tolerance": None}
    rows, columns = cells
    used, place = np.unique(rows, return_inverse=True)
    table = data.without_target().rows(used)
    masks = _single(columns, len(data.columns))
    odds, drawn, log_ratio = [], [], []
    for part, draw in enumerate(posterior.chosen(count)):
        posterior.put(own, draw)
        at = seed + part
        found, evidence = odds_of_missing(own, programs_of(own), table, size, at)
        draws, without = hidden_draws(own, data, rows, masks, each, at)
        odds.append(found[place, columns])
        drawn.append(draws)
        log_ratio.append(without - evidence[place])
    weight = np.repeat(truncated(np.stack(log_ratio)), kept, axis=0)
    return np.stack(odds), evened(np.concatenate(drawn), weight)


def truncated(log_ratio: np.ndarray) -> np.ndarray:
    """Return importance weights (M, C) that sum to 1, truncated at sqrt(M) times their mean."""
    ratio = np.exp(log_ratio - log_ratio.max(0))
    ratio = np.minimum(ratio, ratio.mean(0) * math.sqrt(len(ratio)))
    found: np.ndarray = ratio / ratio.sum(0)
    return found


def evened(draws: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return as many draws (D, C) without weights, in order: quantiles of the weighted ones.

    Equal weights leave the draws as they are, but for their order.

    >>> evened(np.array([[3.0], [1.0], [2.0]]), np.array([[0.0], [0.5], [0.5]]))[:, 0]
    array([1., 1., 2.])
    """
    order = np.argsort(draws, axis=0, kind="stable")
    draws, weight = (np.take_along_axis(a, order, 0) for a in (draws, weight))
    edges = np.cumsum(weight, axis=0)
    edges /= edges[-1]
    at = (np.arange(len(draws)) + 0.5) / len(draws)
    found = np.empty_like(draws)
    for cell in range(draws.shape[1]):
        place = np.searchsorted(edges[:, cell], at)
        found[:, cell] = draws[np.minimum(place, len(draws) - 1), cell]
    return found
