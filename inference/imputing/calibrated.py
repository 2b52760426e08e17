"""Intervals of missing cells, stretched until seen cells of the same column support their level."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ...data.errors import InputError
from ...models.programs.base import RowModel
from ..fitting.result import FitResult
from ..gibbs.posterior import Posterior
from . import conformal
from .cells import MissingCells
from .left_out import LeftOut, Refits, left_out
from .left_rows import LeftRows, left_rows

#: the share of a column's missing values for which the odds of its seen ones must stand
_REPRESENTED = 0.5
#: the effective number of seen cells below which even their median is left to chance
_FEWEST = 5
#: how many columns a message names
_NAMED = 4

#: by what intervals are calibrated, None for those of the model
Calibrate = Literal["odds"] | None
#: what is done with columns in which seen cells cannot stand for the missing ones
Refused = Literal["error", "plain"]


@dataclass(frozen=True)
class Calibrated:
    """What an imputation needs to calibrate its intervals, computed when first asked for.

    Attributes:
        model: the model that was imputed with.
        data: the table, as the model reads it.
        posterior: draws of the parameters, None where they are held at one value.
        settings: those of the imputation.
        fitted: the fit, if it is one of these rows.
    """

    model: RowModel
    data: IncompleteData
    posterior: Posterior | None
    settings: dict[str, Any]
    fitted: FitResult | None = None
    _known: dict[int, LeftOut] = field(default_factory=dict)
    _made: dict[int, Refits] = field(default_factory=dict)

    def left_out(self, folds: int) -> LeftOut:
        """Return the cells that are left out, from as many refits; they are kept for other levels.

        A fit that has draws of its parameters, or none of these rows, is not refitted.
        """
        folds = self._folds(folds)
        if folds not in self._known:
            self._known[folds] = left_out(
                self.model,
                self.data,
                self.posterior,
                self.settings,
                self._seed,
                self._refits(folds),
            )
        return self._known[folds]

    def left_rows(self, cells: tuple[np.ndarray, np.ndarray], folds: int) -> LeftRows:
        """Return rows, some of whose cells are hidden, as :func:`.left_rows.left_rows` does."""
        refits = self._refits(self._folds(folds))
        return left_rows(
            self.model, self.data, self.posterior, self.settings, self._seed, cells, refits
        )

    @property
    def _seed(self) -> int:
        return int(self.settings["seed"]) + 1

    def _folds(self, folds: int) -> int:
        refits = self.fitted is not None and self.posterior is None and not self.model.frozen
        return min(folds, len(self.data)) if refits else 0

    def _refits(self, folds: int) -> Refits:
        if folds in self._made:
            return self._made[folds]
        self._made[folds] = self._refitted(folds, self._seed)
        return self._made[folds]

    def _refitted(self, folds: int, seed: int) -> Refits:
        if not folds or self.fitted is None:
            return []
        from ..uncertainty.sources import refitted  # which imputes, too

        rows = np.arange(len(self.data))
        order = np.random.default_rng([seed, 23]).permutation(rows)
        parts = [np.sort(part) for part in np.array_split(order, folds)]
        others = [self.data.rows(np.delete(rows, part)) for part in parts]
        return [
            (part, refitted(self.fitted, other, seed + k))
            for k, (part, other) in enumerate(zip(parts, others, strict=True))
        ]

    def table(self, level: float, gamma: float, folds: int) -> pd.DataFrame:
        """Tabulate the calibration of each incomplete column of numbers."""
        check_arguments(gamma, folds)
        rows = {}
        for j, column in enumerate(self.data.schema):
            if column.levels or bool(self.data.s[:, j].all()):
                continue
            rows[column.name] = self._column(j, level, gamma, folds)
        names = ["cells", "effective", "represented", "plain", "stretch", "refused"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        table.index.name = "column"
        return table.astype({"refused": object})

    def _column(self, j: int, level: float, gamma: float, folds: int) -> tuple[Any, ...]:
        if self.model.delta is not None:
            why = "a pattern mixture shifts values and has no odds of being missing"
            return 0, 0.0, np.nan, np.nan, np.inf, why
        left = self.left_out(folds)
        mine = left.columns == j
        if not mine.any():
            return 0, 0.0, np.nan, np.nan, np.inf, "the column has no seen value"
        draws, scores = left.odds[:, mine], self._scores(left, mine, level)
        odds = draws.mean(0)
        size, missing = conformal.effective(odds), int((~self.data.s[:, j]).sum())
        represented = float(odds.sum() / left.share[j] / missing)
        found = conformal.upper_stretch(scores, draws, level, gamma)
        why = _refusal(size, represented, found)
        plain = conformal.covered(scores, odds)
        return int(mine.sum()), size, represented, plain, found, why

    def _scores(self, left: LeftOut, cells: np.ndarray, level: float) -> np.ndarray:
        draws = left.draws[:, cells]
        low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0)
        least = self._least[left.columns[cells]]
        return conformal.scores(left.values[cells], low, middle, high, least)

    @cached_property
    def _least(self) -> np.ndarray:
        """Half-lengths (p,) below which no interval counts: half a unit of a count."""
        counts = np.array([column.kind == "count" for column in self.data.schema])
        return np.where(counts, 0.5 / self.data.scaler.scale, 1e-9)

    def ends(
        self, cells: MissingCells, level: float, gamma: float, refused: Refused, folds: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends (M,) of calibrated intervals of the missing cells, in the model's units.

        Raises:
            ValueError: seen cells of a column cannot stand for its missing ones, and ``refused`` is
                ``"error"``; gamma is below 1.
        """
        if refused not in get_args(Refused):
            raise InputError(f"refused is {refused!r}; give error or plain")
        schema = self.data.schema
        low, middle, high = (
            cells.quantiles(schema, q) for q in ((1 - level) / 2, 0.5, (1 + level) / 2)
        )
        table = self.table(level, gamma, folds)
        bad = table[table["refused"] != ""]
        if len(bad) and refused == "error":
            raise InputError(_sentence(bad))
        factor = np.ones(len(self.data.columns))
        for name, row in table.drop(index=bad.index).iterrows():
            factor[self.data.columns.index(str(name))] = row["stretch"]
        below, above = conformal.halves(low, middle, high, self._least[cells.columns])
        stretched = np.isin(cells.columns, np.flatnonzero([not c.levels for c in schema]))
        stretched &= ~np.isin(cells.columns, [self.data.columns.index(n) for n in bad.index])
        q = factor[cells.columns]
        low = np.where(stretched, middle - q * below, low)
        high = np.where(stretched, middle + q * above, high)
        return self._of_counts(low, cells, np.ceil), self._of_counts(high, cells, np.floor)

    def _of_counts(self, ends: np.ndarray, cells: MissingCells, inwards: Any) -> np.ndarray:
        """Move the ends of counts to values that they can take."""
        found, scaler = ends.copy(), self.data.scaler
        for j, column in enumerate(self.data.schema):
            mine = cells.columns == j
            if column.kind != "count" or not mine.any():
                continue
            own = scaler.invert_cells(ends[mine], cells.columns[mine])
            whole = np.maximum(inwards(np.round(own, 6)), 0.0)
            found[mine] = scaler.standardise_cells(whole, cells.columns[mine])
        return found


def check_arguments(gamma: float, folds: Any) -> None:
    """Refuse a factor of the odds, or a number of refits, that is out of range.

    Raises:
        ValueError: the message names the argument.
    """
    if not 1 <= gamma < np.inf:
        raise InputError(
            f"gamma is {gamma}; give 1 to trust the model's odds of being missing, or a larger "
            f"number, the factor by which they may be wrong"
        )
    if isinstance(folds, bool) or not isinstance(folds, Integral) or folds < 0 or folds == 1:
        raise InputError(
            f"folds is {folds!r}; give the number of refits, at least 2, or 0 for none"
        )


def _refusal(size: float, represented: float, found: float) -> str:
    """Say why the intervals of a column cannot be calibrated; nothing where they can."""
    if not size:
        return (
            "no seen value could have been missing, so that none says what missing ones are like "
            "(a limit or a step)"
        )
    if represented < _REPRESENTED:
        return (
            f"by the model's odds the seen values stand for {100 * represented:.0f} % of the "
            f"missing ones; the others are where hardly any value is seen (a limit, a step, or a "
            f"steep slope)"
        )
    if size < _FEWEST:
        return (
            f"seen values that could have been missing count for {size:.1f} cells, and {_FEWEST} "
            f"are needed"
        )
    if not np.isfinite(found):
        return (
            "in a tenth of the draws of the parameters no seen value could have been missing "
            "(a limit or a step)"
        )
    return ""


def _sentence(bad: pd.DataFrame) -> str:
    parts = [f"'{name}': {why}" for name, why in bad["refused"].head(_NAMED).items()]
    more = len(bad) - _NAMED
    listed = "; ".join(parts) + (f"; and {more} more columns" if more > 0 else "")
    return (
        f"these intervals cannot be calibrated: {listed}. Lower the level, take the interval that "
        f"the model gives (calibrate=None), or give refused='plain' to do so in these columns only"
    )
