"""The sections of the HTML report on a fit, each with texts, tables and pictures."""

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

#: how many columns have figures
_MOST_SHOWN = 9


@dataclass
class Section:
    """A section of the page: a heading with its contents.

    Attributes:
        title: the heading.
        text: a paragraph below it.
        figures: captions, each with a PNG picture in base64.
        tables: captions, each with a table in HTML.
        verbatim: text to be shown in its own lines.
    """

    title: str
    text: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[tuple[str, str]] = field(default_factory=list)
    verbatim: str = ""


class Writer:
    """The writer of the sections of a report, in order.

    Args:
        fitted: the fit, or its model.
        data: the table.
        replications: the number of tables to simulate for the checks of the model.
        seed: the seed of all random numbers.
    """

    def __init__(self, fitted: Fitted, data: IncompleteData, replications: int, seed: int) -> None:
        self.fitted, self.data = fitted, data
        self.replications, self.seed = replications, seed
        self.model = model_of(fitted)
        missing = (~data.s).double().mean(0).cpu().numpy()
        order = [j for j in np.argsort(-missing, kind="stable") if missing[j] > 0]
        self.columns = [data.columns[j] for j in order[:_MOST_SHOWN]]
        self.left_out = len(order) - len(self.columns)
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
        found = Section("The table", _which_are_shown(self.left_out))
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
                    "shifted, by so many standard deviations of their columns: "
                    + ", ".join(f"{name} {shift:+g}" for name, shift in shifts.items())
                    + ". Nothing in the table can show whether these shifts are right."
                )
            return found
        fit = fit_of(self.fitted)
        if fit is not None and fit.odds is not None:
            found.title = "Why values are missing: what the table says"
            found.text = (
                "No mechanism was assumed: every column may have one of several, and the table "
                "was asked which of them it supports. Below are their posterior probabilities, and "
                "what one standard deviation of the column's own value adds to the log-odds of "
                "being missing where the own value matters (mean and 90 % interval). The imputed "
                "values are averages over all of them."
            )
            found.verbatim = "\n".join(fit.odds_in_words())
            found.tables.append(("Odds of the mechanisms", _html(fit.odds)))
            return found
        with warnings.catch_warnings():
            # the warnings at the top of the page include this one
            warnings.simplefilter("ignore", IdentificationWarning)
            own = check_identification(self.fitted, self.data, seed=self.seed)
        self.identification = own
        found.verbatim = str(mechanism.describe(self.data).checked(own))
        found.text = (
            "Every answer below rests on these equations. Where a value's absence depends on the "
            "value itself, the data tell about the slope only through the shape that the model "
            "gives the values, or through other columns that are associated with the value and "
            "that its mechanism does not read."
        )
        if len(own):
            shown = own[["rests_on", "r2", "by", "skewness", "kurtosis"]]
            shown.columns = pd.Index(
                ["rests on", "explained by others", "above all by", "skewness", "excess kurtosis"]
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
            columns = [name for name in self.columns if self._depends_on_itself(name)]
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

    def _depends_on_itself(self, name: str) -> bool:
        """Whether a column's absence depends on its own value, on an axis that can be drawn."""
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
            "the model is right. All draws use the fitted parameters, as if these were known. "
            "For analyses use multiple_imputation and pool, which carry their uncertainty.",
        )
        found.tables += [
            (
                "Means beside those under missing at random (a short PPCA fit): where they differ, "
                "the assumed mechanism makes the difference",
                _html(_means_by_column(filled)),
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
        most_uneven = incomplete[np.argmax(np.nan_to_num(filled.khat[incomplete], neginf=-9.0))]
        if self.data.index.is_unique:
            label = self.data.index[most_uneven]
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
            f"{self.replications} tables were simulated from the fitted model. A p-value near 0 "
            f"marks what they do not reproduce. Other p-values do not prove the mechanism, which "
            f"no observed value can test.",
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
                "No sensitivity curve was given. slope_sensitivity varies a slope, "
                "delta_sensitivity shifts the missing values, and answers compares three kinds of "
                "models; pass their curves to report(curves=[...])."
            )
        for curve in curves:
            for name in curve.estimands:
                picture = _png(plot_sensitivity, curve, name)
                found.figures.append(
                    (f"{name} by the {curve.assumption} of '{curve.column}'", picture)
                )
        return found


def _which_are_shown(left_out: int) -> str:
    if not left_out:
        return ""
    return f"Figures show the columns with most missing values; {left_out} are left out."


def _means_by_column(filled: Imputation) -> pd.DataFrame:
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
    """Draw a figure and return it as a PNG picture in base64."""
    buffer = io.BytesIO()
    draw(*arguments, **options).savefig(buffer, format="png", dpi=100)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _html(frame: pd.DataFrame) -> str:
    return frame.to_html(border=0, float_format=lambda value: f"{value:.4g}", na_rep="")
