"""Sensitivity curves: an answer as a function of an assumption, and its tipping points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ...data.errors import InputError
from ...models.programs.base import RowModel
from ..fitting.usual import usual_settings
from ..uncertainty.analysis import is_fitted
from ..uncertainty.rubin import Pooled, pool
from .profile import interval

#: options of all fits, which use all rows
_FIT: Mapping[str, Any] = {"validation": 0.0, "progress": False}
#: steps of Adam where none are given, for models that L-BFGS cannot fit
_STEPS = 2_000


def fit_settings(
    model: RowModel, data: IncompleteData, given: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the arguments of :func:`absentia.fit` for one of the models of a curve.

    Args:
        model: the model to fit.
        data: the table.
        given: arguments that the user gave, by name.
    """
    options = {**_FIT, **(given or {})}
    steps, rate = options.pop("steps", None), options.pop("learning_rate", None)
    return {**usual_settings(model, data, steps, rate, options, _STEPS), **options}


@dataclass(frozen=True)
class SensitivityCurve:
    """Estimates along an assumption: a mechanism's slope, or a shift of the missing values.

    Attributes:
        table: one row for each value of the assumption and each estimand: ``at`` (the value),
            ``estimand``, ``estimate``, ``se``, ``lower``, ``upper``, ``fmi`` (the fraction of
            missing information), ``how`` ("fitted", "reweighted", "refitted" or "shifted") and
            ``khat`` (the Pareto k-hat of the weights).
        assumption: what is varied.
        column: the column that it concerns.
        level: the coverage of the intervals, a probability.
        profile: for slopes, the maximal log-likelihood at each of them, and at further slopes near
            its maximum and near the ends of the supported interval; empty for shifts.
    """

    table: pd.DataFrame
    assumption: str
    column: str
    level: float
    profile: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))

    @property
    def estimands(self) -> tuple[str, ...]:
        """The names of the estimands."""
        return tuple(dict.fromkeys(self.table["estimand"]))

    def of(self, estimand: str | None = None) -> pd.DataFrame:
        """Return the rows of one estimand (by default the first), by the assumption's value.

        Raises:
            ValueError: there is none of this name.
        """
        name = self.estimands[0] if estimand is None else estimand
        if name not in self.estimands:
            raise InputError(f"estimand '{name}' is not one of {', '.join(self.estimands)}")
        rows = self.table[self.table["estimand"] == name]
        return rows.drop(columns="estimand").set_index("at").sort_index()

    def tipping_points(
        self, value: float = 0.0, estimand: str | None = None, of: str = "estimate"
    ) -> list[float]:
        """Return where the curve crosses ``value``, by linear interpolation, if anywhere.

        Args:
            value: the estimate at which the conclusion changes.
            estimand: the name of the estimand, by default the first.
            of: ``"estimate"``, or ``"lower"`` or ``"upper"`` for an end of the interval: where an
                end crosses the value, the interval begins to contain it, and the conclusion
                changes.
        """
        if of not in ("estimate", "lower", "upper"):
            raise InputError(f"of {of!r} is not one of estimate, lower, upper")
        rows = self.of(estimand)
        at, height = rows.index.to_numpy(float), rows[of].to_numpy(float) - value
        found = [float(a) for a, h in zip(at, height, strict=True) if h == 0]
        for k in np.flatnonzero(height[:-1] * height[1:] < 0):
            share = height[k] / (height[k] - height[k + 1])
            found.append(float(at[k] + share * (at[k + 1] - at[k])))
        return sorted(found)

    def tips(self, value: float = 0.0, estimand: str | None = None) -> str:
        """Say in a sentence where the conclusion changes, if anywhere among the values tried.

        Args:
            value: the estimate at which the conclusion changes.
            estimand: the name of the estimand, by default the first.
        """
        name = self.estimands[0] if estimand is None else estimand
        rows = self.of(name)
        within = (rows["lower"] <= value) & (value <= rows["upper"])
        ends = self.tipping_points(value, name, "lower") + self.tipping_points(value, name, "upper")
        crossed = self.tipping_points(value, name)
        said = []
        if crossed:
            said.append(f"the estimate crosses {value:g} at {_listed(crossed)}")
        else:
            side = "above" if rows["estimate"].iloc[0] > value else "below"
            said.append(f"the estimate stays {side} {value:g}")
        if ends:
            said.append(
                f"its interval begins or ends to contain {value:g} at {_listed(sorted(ends))}"
            )
        else:
            said.append(f"its interval {'always' if within.all() else 'never'} contains {value:g}")
        tried = f"{rows.index.min():g} to {rows.index.max():g}"
        return f"{name}: {', and '.join(said)} ({self._what} tried: {tried})."

    @property
    def _what(self) -> str:
        return "shifts" if self.profile.empty else "slopes"

    def supported(self, level: float | None = None) -> tuple[float, float]:
        """Return the interval of slopes that the data do not contradict, by a chi-square test.

        An end is infinite if the data contradict none of the slopes tried on that side; these are
        in ``profile``.

        Raises:
            ValueError: the assumption is a shift, which the data cannot contradict.
        """
        if self.profile.empty:
            raise InputError(
                "the data cannot support or contradict a shift of missing values; use the curve of "
                "slope_sensitivity"
            )
        level = self.level if level is None else level
        return interval(self.profile, level)

    @property
    def weakly_identified(self) -> bool:
        """Whether the data do not bound the slope on both sides, among the slopes tried."""
        return not all(np.isfinite(self.supported()))

    def __repr__(self) -> str:
        """Show the curve, one block per estimand."""
        parts = [f"{self.assumption} of '{self.column}', {100 * self.level:g} % intervals"]
        for name in self.estimands:
            rows = self.of(name)[["estimate", "lower", "upper", "how", "khat"]]
            parts.append(f"{name}\n{rows.round(4)}")
        if not self.profile.empty:
            parts.append(self.support())
        return "\n".join(parts)

    def support(self) -> str:
        """Say in a sentence what the data say about the slope.

        Raises:
            ValueError: the assumption is a shift, which the data cannot contradict.
        """
        low, high = self.supported()
        tried = [f"{slope:.3g}" for slope in (self.profile.index.min(), self.profile.index.max())]
        ends = f"{100 * self.level:g} % interval of the slope"
        if np.isinf(low) and np.isinf(high):
            return f"The data contradict none of the slopes tried, {tried[0]} to {tried[1]}."
        if np.isinf(low):
            return f"The {ends} is open below: up to {high:.3g}, with {tried[0]} the lowest tried."
        if np.isinf(high):
            return f"The {ends} is open above: from {low:.3g}, with {tried[1]} the highest tried."
        return f"The {ends} that the data support is {low:.3g} to {high:.3g}."


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def analysed(
    tables: Iterable[pd.DataFrame], analysis: Callable[[pd.DataFrame], Any] | str, level: float
) -> Pooled:
    """Pool an analysis; a number without a variance gets the variance 0 in each table."""
    if isinstance(analysis, str):
        return pool(tables, analysis, level=level)

    def with_variance(table: pd.DataFrame) -> Any:
        result = analysis(table)
        if isinstance(result, tuple) or is_fitted(result):
            return result
        if isinstance(result, Mapping):
            result = pd.Series(dict(result))
        if isinstance(result, pd.Series):
            return result, pd.Series(0.0, index=result.index)
        return float(result), 0.0

    return pool(tables, with_variance, level=level)


def rows_of(pooled: Pooled, at: float, how: str, khat: float) -> pd.DataFrame:
    """Return the rows of one value of the assumption in the curve's table."""
    kept = pooled.table[["estimate", "se", "lower", "upper", "fmi"]]
    frame = kept.rename_axis("estimand").reset_index()
    frame.insert(0, "at", float(at))
    return frame.assign(how=how, khat=khat)
