"""Sensitivity curves of a regression, for ``absentia sensitivity`` and for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data import IncompleteData
from ..data.errors import AnalysisError, InputError
from ..data.system.files import write_figure_atomic
from ..inference import (
    Regression,
    SensitivityCurve,
    delta_sensitivity,
    fit,
    multiple_imputation,
    slope_sensitivity,
)
from ..models import PPCA, NotMIWAEPPCA
from ..models import missing as declared_missing
from ..models.programs.base import RowModel
from .console import listed
from .documents import head

_MOST = 101
_INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Question:
    """A regression of completed tables, which may read columns that are not modelled.

    Attributes:
        formula: the regression.
        family: its family.
        weights: the column of sampling weights, if any.
        beside: the columns that are not modelled, for the same rows.
    """

    formula: str
    family: Any
    weights: str | None
    beside: pd.DataFrame

    @cached_property
    def regression(self) -> Regression:
        """The regression as an analysis of a table with all columns."""
        return Regression(self.formula, self.family, self.weights)

    def __call__(self, table: pd.DataFrame) -> Any:
        """Return the results of statsmodels for a completed table of the modelled columns."""
        further = {str(name): column.to_numpy() for name, column in self.beside.items()}
        return self.regression(table.assign(**further))


def values_in(text: str, option: str) -> list[float]:
    """Read FROM:TO:STEP or a list of numbers separated by commas.

    >>> values_in("-1:1:.5", "--slopes")
    [-1.0, -0.5, 0.0, 0.5, 1.0]

    Raises:
        InputError: it is neither, or there are too many.
    """
    try:
        parts = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError as error:
        raise InputError(_unread(text, option)) from error
    if not all(map(math.isfinite, parts)):
        raise InputError(_unread(text, option))
    found = sorted(set(parts))
    if ":" in text:
        if len(parts) != 3 or not parts[2] > 0 or not parts[0] < parts[1]:
            raise InputError(_unread(text, option))
        low, high, step = parts
        count = math.floor((high - low) / step + 1e-9) + 1
        found = [float(round(low + k * step, 12)) for k in range(min(count, _MOST + 1))]
    if len(found) > _MOST:
        raise InputError(f"{option} '{text}' stands for too many numbers; give {_MOST} at most")
    return found


def _unread(text: str, option: str) -> str:
    return (
        f"{option} is '{text}'; give FROM:TO:STEP, such as -2:2:.5, or numbers with commas between "
        f"them"
    )


def curve_of(
    data: IncompleteData,
    question: Question,
    column: str,
    tried: Sequence[float],
    slopes: bool,
    missing: str | None,
    multiple: int,
    level: float,
    seed: int,
    progress: bool,
) -> SensitivityCurve:
    """Return the curve of a regression along slopes or shifts.

    Raises:
        InputError: the column is not modelled or has no missing value, or the formula does not read
            the column itself.
    """
    if column not in data.columns:
        raise InputError(
            f"--column '{column}' is no modelled column; give one of {listed(data.columns, 12)}"
        )
    if not np.isnan(data.values[:, data.columns.index(column)]).any():
        raise InputError(
            f"column '{column}' has no missing value, so that nothing depends on it; give one of "
            f"{listed(data.gaps(None), 12)}"
        )
    if slopes:
        family = column if missing is None else _family(data, column, missing)
        found = slope_sensitivity(
            family, data, question, tried, m=multiple, level=level, seed=seed, progress=progress
        )
        return SensitivityCurve(found.table, found.assumption, column, level, found.profile)
    plain = fit(PPCA(data, seed=seed), data, seed=seed, progress=progress, check=False)
    tables = multiple_imputation(plain, data, multiple, seed=seed, progress=progress)
    return delta_sensitivity(tables, column, question, tried, level=level)


def _family(data: IncompleteData, column: str, formula: str) -> Any:
    """Return models in which the formula has a given slope on the column itself."""

    def family(slope: float) -> RowModel:
        given = declared_missing(formula, fixed={column: slope})
        return NotMIWAEPPCA(data, given, scale="column")

    family(0.0)  # refuses, before any work, a formula that does not read the column
    return family


def check_terms(question: Question, frame: pd.DataFrame, asked: Sequence[str] | None) -> None:
    """Refuse, before any long work, a term that the regression of the complete cases lacks.

    Raises:
        InputError: names the terms that there are.
    """
    try:
        known = [str(name) for name in question.regression(frame).params.index]
    except AnalysisError:  # there are too few complete cases to tell
        return
    _refuse_unknown(known, asked)


def terms_of(curve: SensitivityCurve, asked: Sequence[str] | None) -> list[str]:
    """Return the terms to show: those asked for, or all but the intercept where there are others.

    Raises:
        InputError: a term is not in the regression.
    """
    known = list(curve.estimands)
    _refuse_unknown(known, asked)
    others = [name for name in known if name != _INTERCEPT]
    return list(asked) if asked else others or known


def _refuse_unknown(known: list[str], asked: Sequence[str] | None) -> None:
    unknown = [name for name in asked or () if name not in known]
    if unknown:
        raise InputError(f"--term '{unknown[0]}' is not in the regression: {listed(known, 12)}")


def write_picture(curve: SensitivityCurve, names: Sequence[str], value: float, path: Path) -> None:
    """Draw the first of the terms, with its tipping points; further ones into files beside it."""
    from ..inference.plots import plot_sensitivity

    for k, name in enumerate(names):
        where = path if k == 0 else path.with_name(f"{path.stem}-{k + 1}{path.suffix}")
        write_figure_atomic(where, plot_sensitivity(curve, name, value))


def curve_document(
    curve: SensitivityCurve, formula: str, value: float, names: Sequence[str]
) -> dict[str, Any]:
    """Return the curves as a document, with where the conclusion changes."""
    tips = {
        name: {of: curve.tipping_points(value, name, of) for of in ("estimate", "lower", "upper")}
        for name in names
    }
    return {
        **head("sensitivity"),
        "formula": formula,
        "column": curve.column,
        "assumption": curve.assumption.rstrip(","),
        "level": curve.level,
        "value": value,
        "curve": curve.table[curve.table["estimand"].isin(names)],
        "tipping_points": tips,
        "supported": None if curve.profile.empty else curve.supported(),
        "in_words": [curve.tips(value, name) for name in names]
        + ([] if curve.profile.empty else [curve.support()]),
    }
