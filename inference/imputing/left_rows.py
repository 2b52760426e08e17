"""Seen rows, each predicted as if it had the gaps of other rows."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from ...data import IncompleteData
from ...models.programs.base import RowModel
from ..gibbs.posterior import Posterior
from ..prepare import programs_of
from .left_out import PARTICLES, Refits, hidden_draws, hide, truncated
from .odds import odds_at_random, odds_of_pattern


class LeftRows(NamedTuple):
    """Rows in which cells were hidden, so that they look like others, and what is predicted there.

    Attributes:
        rows: (C,) the row.
        hidden: (C, p) which of its seen cells were hidden.
        odds: (C,) the odds of being seen as the others are, given all that was seen.
        draws: for each, draws (D, q) of its q hidden cells.
        weight: (C, D) weights of these draws, each row's with the sum 1.
    """

    rows: np.ndarray
    hidden: np.ndarray
    odds: np.ndarray
    draws: list[np.ndarray]
    weight: np.ndarray


def left_rows(
    model: RowModel,
    data: IncompleteData,
    posterior: Posterior | None,
    settings: dict[str, Any],
    seed: int,
    cells: tuple[np.ndarray, np.ndarray],
    refits: Refits = (),
) -> LeftRows:
    """Predict hidden cells of rows together, as :func:`~.left_out.left_out` does single cells.

    Args:
        model, data, posterior, settings, seed, refits: as for that function.
        cells: the rows (C,), those of a pattern next to each other, and what is hidden (C, p).
    """
    from .by_draws import divided  # which returns an imputation, to which this belongs

    rows, hidden = cells
    draws: list[np.ndarray] = [np.empty((0, 0))] * len(rows)
    if posterior is None:
        odds = np.empty(len(rows))
        weight = np.full((len(rows), settings["draws"]), 1 / settings["draws"])
        for part, one in refits or [(np.arange(len(data)), model)]:
            mine = np.flatnonzero(np.isin(rows, part))
            if len(mine):
                odds[mine] = _odds(one, data, rows[mine], hidden[mine], PARTICLES, seed)[0]
                found = hidden_draws(one, data, rows[mine], hidden[mine], settings, seed)[0]
                for k, drawn in zip(mine, _by_row(found, hidden[mine]), strict=True):
                    draws[k] = drawn
        return LeftRows(rows, hidden, odds * _ignored(model, data, cells), draws, weight)
    _, count, size, kept = divided(len(posterior), settings["particles"], settings["draws"])
    one = copy.deepcopy(model)
    each = {**settings, "particles": size, "draws": kept, "refine": False, "tolerance": None}
    odds, sampled, ratio = np.zeros(len(rows)), [], []
    for number, draw in enumerate(posterior.chosen(count)):
        posterior.put(one, draw)
        own, evidence = _odds(one, data, rows, hidden, size, seed + number)
        part_drawn, without = hidden_draws(one, data, rows, hidden, each, seed + number)
        odds += own / count
        sampled.append(part_drawn)
        ratio.append(without - evidence)
    weight = np.repeat(truncated(np.stack(ratio)).T, kept, axis=1) / kept
    together = _by_row(np.concatenate(sampled), hidden)
    return LeftRows(rows, hidden, odds * _ignored(model, data, cells), together, weight)


def _by_row(draws: np.ndarray, hidden: np.ndarray) -> list[np.ndarray]:
    """Split draws (D, M) of cells that come row by row."""
    return np.split(draws, np.cumsum(hidden.sum(1))[:-1], axis=1)


def _odds(
    model: RowModel,
    data: IncompleteData,
    rows: np.ndarray,
    hidden: np.ndarray,
    particles: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return odds (C,) of patterns, and log p(x_o, s) of the rows (C,)."""
    table, programs = data.without_target().rows(rows), programs_of(model)
    after = data.s.cpu().numpy()[rows] & ~hidden
    odds, evidence = np.empty(len(rows)), np.empty(len(rows))
    for pattern in np.unique(after, axis=0):
        mine = np.flatnonzero((after == pattern).all(1))
        odds[mine], evidence[mine] = odds_of_pattern(
            model, programs, table.rows(mine), pattern, particles, seed
        )
    return odds, evidence


def _ignored(
    model: RowModel, data: IncompleteData, cells: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the factor (C,) of the odds by columns with an ignorable mechanism."""
    ignored = model.missingness.dependence(len(data.columns)).ignorable.cpu().numpy()
    rows, hidden = cells
    if not (ignored & hidden.any(0)).any():
        return np.ones(len(rows))
    seen = data.without_target().rows(rows)
    return odds_at_random(data, ignored, seen, hide(seen, hidden))
