"""The sections of the page, each with texts, tables and pictures."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ..checks import check_mask, check_values
from ..checks.predictive import MOST_COLUMNS
from ..identification import IdentificationWarning
from ..imputing.beside import readable
from ..imputing.imputation import Imputation
from ..plots import (
    plot_history,
    plot_imputed,
    plot_mask_check,
    plot_mechanism,
    plot_missingness,
    plot_reliability,
    plot_row,
    plot_sensitivity,
)
from ..prepare import Fitted, fit_of, model_of
from ..sensitivity import SensitivityCurve, check_identification
from ..uncertainty.coefficients import coefficient_posterior
from ..uncertainty.sources import is_small

_MOST_COLUMNS = 9


@dataclass
class Section:
    """A section of the page: a heading with its contents."""

    title: str
    text: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[tuple[str, str]] = field(default_factory=list)
    verbatim: str = ""


class Writer:
    """The writer of the sections, one after another."""

    def __init__(self, fitted: Fitted, data: IncompleteData, replications: int, seed: int) -> None:
        self.fitted, self.data = fitted, data
        self.replications, self.seed = replications, seed
        self.model = model_of(fitted)
        gaps = (~data.s).double().mean(0).cpu().numpy()
        order = [j for j in np.argsort(-gaps, kind="stable") if gaps[j] > 0]
        self.columns = [data.columns[j] for j in order[:_MOST_COLUMNS]]
        self.left = len(order) - len(self.columns)
        #: what the sections find for the warnings at the top of the page
        self.identification: pd.DataFrame | None = None
        self.p_values: dict[str, np.ndarray] = {}

    def sections(self, filled: Imputation, curves: Sequence[SensitivityCurve]) -> list[Section]:
        """Return all sections, in order."""
        return [
            self._table(),
            self._mechanism(filled),
            self._imputations(filled),
            self._checks(),
            self._sensitivity(curves),
        ]

    def _table(self) -> Section:
        found = Section("The table", _shown_columns(self.left))
        found.figures.append(
            ("What is missing, and together with what", _png(plot_missingness, self.data))
        )
        found.tables.append(("Columns", _html(self.data.schema.describe())))
        return found

    def _mechanism(self, filled: Imputation) -> Section:
        mechanism = self.model.missingness
        found = Section("Why values are missing: what was assumed")
        if mechanism.ignorable:
            found.text = (
                "Values are taken to be missing at random: their absence depends on nothing that "
                "is missing itself. Nothing in the table can show whether that is so; "
                "delta_sensitivity shows how much depends on it."
            )
            delta = self.model.delta
            if delta is not None:
                shifts = {n: float(d) for n, d in zip(self.data.columns, delta, strict=True) if d}
                found.text = (
                    "A pattern mixture: values are imputed as if missing at random and then "
                    "shifted, by so many sd of their columns: "
                    + ", ".join(f"{name} {shift:+g}" for name, shift in shifts.items())
                    + ". Nothing in the table can show whether these shifts are right."
                )
            return found
        with warnings.catch_warnings():
            # the top of the page says it
            warnings.simplefilter("ignore", IdentificationWarning)
            own = check_identification(self.fitted, self.data, seed=self.seed)
        self.identification = own
        found.verbatim = str(mechanism.describe(self.data).checked(own))
        found.text = (
            "Every answer below rests on these equations. Where a value's absence depends on the "
            "value itself, the data speak for a slope only through the shape that the model gives "
            "the values, or through other columns that go with the value and that its mechanism "
            "does not read."
        )
        if len(own):
            shown = own[["rests_on", "r2", "by", "skewness", "kurtosis"]]
            shown.columns = pd.Index(
                ["rests on", "explained by others", "above all", "skewness", "excess kurtosis"]
            )
            title = "What the slopes on the values themselves rest on"
            found.tables.append((title, _html(shown)))
        if is_small(self.model):
            try:
                estimates = coefficient_posterior(self.fitted, self.data, seed=self.seed)
                title = (
                    "Coefficients of the log-odds of being missing, in the data's own units, with "
                    "90 % intervals"
                )
                if mechanism.link == "probit":
                    title = title.replace("log-odds", "probit")
                found.tables.append((title, _html(estimates)))
            except ValueError as error:
                found.text += f" Coefficients have no intervals here: {error}."
        try:
            columns = [name for name in self.columns if self._read_by_itself(name)]
            if columns:
                picture = _png(
                    plot_mechanism,
                    self.fitted,
                    self.data,
                    columns,
                    imputation=filled,
                    parameters="auto" if is_small(self.model) else "fixed",
                    seed=self.seed,
                )
                found.figures.append(
                    (
                        "P(missing) by the value, other columns at their means, 90 % band; below "
                        "it observed (blue) and imputed values (orange)",
                        picture,
                    )
                )
        except ValueError as error:
            found.text += f" No curves: {error}."
        return found

    def _read_by_itself(self, name: str) -> bool:
        j = list(self.data.columns).index(name)
        reads = self.model.missingness.dependence(len(self.data.columns)).reads
        return bool(reads[j, j]) and not self.data.schema[name].levels

    def _imputations(self, filled: Imputation) -> Section:
        summary = pd.Series(filled.summary(), name="value").to_frame()
        found = Section(
            "What was imputed, and how far to trust it",
            "Values were imputed by self-normalised importance sampling. The weights of a row with "
            "a Pareto k-hat above the threshold are too uneven: raise the number of particles "
            "there. Good weights mean that the numbers are what the fitted model implies, not that "
            "the model is right. Draws hold the parameters as fitted; for analyses use "
            "multiple_imputation and pool, which do not.",
        )
        found.tables += [
            (
                "Means beside those under missing at random (a short PPCA fit): where they differ, "
                "the assumed mechanism makes the difference",
                _html(_beside(filled)),
            ),
            ("Weights", _html(summary)),
        ]
        if not self.columns:
            found.text = "Nothing is missing in this table."
            return found
        found.figures.append(
            ("Observed and imputed values", _png(plot_imputed, filled, self.columns))
        )
        found.figures.append(("Weights", _png(plot_reliability, filled)))
        incomplete = np.flatnonzero(~self.data.s.cpu().numpy().all(1))
        least = incomplete[np.argmax(np.nan_to_num(filled.khat[incomplete], neginf=-9.0))]
        if self.data.index.is_unique:
            label = self.data.index[least]
            found.figures.append(
                ("The row with the most uneven weights", _png(plot_row, filled, label))
            )
        fit = fit_of(self.fitted)
        if fit is not None:
            found.figures.append(("The fit", _png(plot_history, fit)))
        return found

    def _checks(self) -> Section:
        found = Section(
            "Does the model look like the table?",
            f"{self.replications} tables were drawn anew from the fitted model. A p-value near 0 "
            f"marks what they do not reproduce; a good one is no proof of the mechanism, which no "
            f"observed value can test.",
        )
        options = {"replications": self.replications, "seed": self.seed}
        few = len(self.data.columns) <= MOST_COLUMNS
        if not self.model.missingness.ignorable and self.columns and few:
            mask = check_mask(self.fitted, self.data, **options)
            found.figures.append(("The mask, seen and replicated", _png(plot_mask_check, mask)))
            found.tables.append(("Share missing", _html(mask.rates)))
            self.p_values["shares missing"] = mask.rates["p_value"].to_numpy()
        if not self.data.schema.discrete.any():
            values = check_values(self.fitted, self.data, **options)
            self.p_values["statistics of observed values"] = values["p_value"].to_numpy()
            worst = values.sort_values("p_value").head(12)
            found.tables.append(("Observed values, the least well reproduced", _html(worst)))
        return found

    def _sensitivity(self, curves: Sequence[SensitivityCurve]) -> Section:
        found = Section("How much depends on the assumption")
        if not curves:
            found.text = (
                "No sensitivity curve was given. slope_sensitivity lets a slope vary, "
                "delta_sensitivity shifts what is missing, answers puts three kinds of models side "
                "by side; pass their curves to report(curves=[...])."
            )
        for curve in curves:
            for name in curve.estimands:
                picture = _png(plot_sensitivity, curve, name)
                found.figures.append(
                    (f"{name} by the {curve.assumption} of '{curve.column}'", picture)
                )
        return found


def _shown_columns(left: int) -> str:
    return (
        f"Figures show the columns with most missing values; {left} are left out." if left else ""
    )


def _beside(filled: Imputation) -> pd.DataFrame:
    """Format means by column for a reader; dates are shown as days."""
    table = filled.by_column()
    keys = ["observed_mean", "imputed_mean", "at_random_mean", "lowest", "highest"]
    shown = pd.DataFrame({"missing": table["missing"].astype(str)}, index=table.index)
    for key in keys:
        shown[key.replace("_", " ")] = [
            readable(value, str(name), filled.data.schema) for name, value in table[key].items()
        ]
    shown["outside what was observed"] = np.where(table["outside"], "YES", "no")
    return shown


def _png(draw: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    buffer = io.BytesIO()
    draw(*arguments, **options).savefig(buffer, format="png", dpi=100)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _html(frame: pd.DataFrame) -> str:
    return frame.to_html(border=0, float_format=lambda value: f"{value:.4g}", na_rep="")
