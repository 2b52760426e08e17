"""The sections of the HTML report on a fit, each with texts, tables and pictures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ...models.missingness.description import IDENTIFIED, Description
from ..checks import check_mask, check_values
from ..checks.predictive import MOST_COLUMNS
from ..identification import IdentificationWarning
from ..imputing.calibrated import Calibrate
from ..imputing.imputation import Imputation
from ..plots import (
    plot_graph,
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
from .columns import CAPTION, column_table
from .margins import intervals
from .section import Section

#: how many columns have figures
_MOST_SHOWN = 9


class Writer:
    """The writer of the sections of a report, in order.

    Args:
        fitted: the fit, or its model.
        data: the table.
        replications: the number of tables to simulate for the checks of the model.
        seed: the seed of all random numbers.
        calibrate: "odds" to calibrate intervals, None to show the model's own only.
    """

    def __init__(
        self,
        fitted: Fitted,
        data: IncompleteData,
        replications: int,
        seed: int,
        calibrate: Calibrate = None,
    ) -> None:
        self.fitted, self.data = fitted, data
        self.replications, self.seed, self.calibrate = replications, seed, calibrate
        self.model = model_of(fitted)
        missing = (~data.s).double().mean(0).cpu().numpy()
        order = [j for j in np.argsort(-missing, kind="stable") if missing[j] > 0]
        self.columns = [data.columns[j] for j in order[:_MOST_SHOWN]]
        self.left_out = len(order) - len(self.columns)
        #: what the sections find for the warnings at the top of the page
        self.identification: pd.DataFrame | None = None
        self.p_values: dict[str, np.ndarray] = {}
        self.margins: dict[str, str] = {}

    def sections(
        self,
        filled: Imputation,
        curves: Sequence[SensitivityCurve],
        first: Sequence[Section] = (),
        completed: bool = False,
    ) -> list[Section]:
        """Return all sections, in order, after those that stand first.

        ``completed`` says that a section on completed tables is among these.
        """
        held = []
        if self.calibrate is not None:  # first, since the table of columns says what it found
            section, self.margins = intervals(filled, self.columns)
            held.append(section)
        return [
            *first,
            self._table(filled),
            self._mechanism(filled),
            self._imputations(filled, completed),
            *held,
            self._checks(),
            self._sensitivity(curves),
        ]

    def _table(self, filled: Imputation) -> Section:
        found = Section("The table", _which_are_shown(self.left_out))
        found.table(CAPTION, column_table(self.data, filled, self.margins), "columns")
        found.figure("What is missing, and together with what", plot_missingness, self.data)
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
            found.points = fit.odds_in_words()
            found.table("Odds of the mechanisms", _odds(fit.odds))
            found.frames["odds"] = fit.odds
            return found
        with warnings.catch_warnings():
            # the warnings at the top of the page include this one
            warnings.simplefilter("ignore", IdentificationWarning)
            own = check_identification(self.fitted, self.data, seed=self.seed)
        self.identification = own
        described = mechanism.describe(self.data).checked(own)
        found.table("Equations, in the data's own units", _equations(described), "mechanism")
        alike = without_names(described, own)
        found.points = [f"{line[:1].upper()}{line[1:]}." for line in alike.sentences()]
        if described.edges:
            found.figure("What the absence of each column depends on", plot_graph, described)
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
            found.table(title, shown.rename_axis("column"), "identification")
        if is_small(self.model):
            try:
                estimates = coefficient_posterior(self.fitted, self.data, seed=self.seed)
                title = (
                    "Coefficients of the log-odds of being missing, in the data's own units, with "
                    "90 % intervals"
                )
                if mechanism.link == "probit":
                    title = title.replace("log-odds", "probit")
                found.table(title, estimates.rename_axis("coefficient"), "coefficients")
            except ValueError as error:
                found.text += f" Coefficients have no intervals here: {error}."
        try:
            columns = [name for name in self.columns if self._depends_on_itself(name)]
            if columns:
                found.figure(
                    "Probability of being missing by the value, other columns at their means"
                    + (", with a 90 % band" if is_small(self.model) else "")
                    + "; below it observed (blue) and imputed values (orange)",
                    plot_mechanism,
                    self.fitted,
                    self.data,
                    columns,
                    imputation=filled,
                    parameters="auto" if is_small(self.model) else "fixed",
                    seed=self.seed,
                )
        except ValueError as error:
            found.text += f" No curves: {error}."
        return found

    def _depends_on_itself(self, name: str) -> bool:
        """Whether a column's absence depends on its own value, on an axis that can be drawn."""
        j = list(self.data.columns).index(name)
        reads = self.model.missingness.dependence(len(self.data.columns)).reads
        return bool(reads[j, j]) and not self.data.schema[name].levels

    def _imputations(self, filled: Imputation, completed: bool) -> Section:
        fit = fit_of(self.fitted)
        known = (
            "All draws use the fitted parameters, as if these were known."
            if fit is None or fit.posterior is None
            else "Imputed values are averages over draws of the parameters from their posterior."
        )
        advice = (
            "Analyses of the completed tables, pooled, carry"
            if completed
            else "For analyses take the tables of multiple_imputation, pooled, which carry"
        )
        found = Section(
            "What was imputed, and how far to trust it",
            "Values were imputed by self-normalised importance sampling. The weights of a row with "
            "a Pareto k-hat above the threshold are too uneven: raise the number of particles "
            "there. Good weights mean that the numbers are what the fitted model implies, not that "
            f"the model is right. {known} {advice} the uncertainty about parameters into standard "
            "errors."
            + (
                ""
                if self.calibrate
                else " Intervals are the model's own: calibrate='odds' shows whether seen values "
                "support them."
            ),
        )
        found.table("Weights", _weights(filled))
        found.frames["weights"] = _weights(filled, words=False)
        if not self.columns:
            found.text = "Nothing is missing in this table."
            return found
        found.figure("Observed and imputed values", plot_imputed, filled, self.columns)
        found.figure("Weights", plot_reliability, filled)
        incomplete = np.flatnonzero(~self.data.s.cpu().numpy().all(1))
        most_uneven = incomplete[np.argmax(np.nan_to_num(filled.khat[incomplete], neginf=-9.0))]
        if self.data.index.is_unique:
            label = self.data.index[most_uneven]
            found.figure("The row with the most uneven weights", plot_row, filled, label)
        if fit is not None:
            found.figure("The fit", plot_history, fit)
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
            found.figure("What is missing, seen and replicated", plot_mask_check, mask)
            found.table("Share missing", _compared(mask.rates), "shares_missing")
            self.p_values["shares missing"] = mask.rates["p_value"].to_numpy()
        if not self.data.schema.discrete.any():
            values = check_values(self.fitted, self.data, **options)
            self.p_values["statistics of observed values"] = values["p_value"].to_numpy()
            worst = values.sort_values("p_value").head(12)
            title = "Observed values, the least well reproduced"
            found.table(title, _compared(worst.rename(index=_STATISTICS, level=1)), "statistics")
        return found

    def _sensitivity(self, curves: Sequence[SensitivityCurve]) -> Section:
        found = Section("How much depends on the assumption")
        if not curves:
            found.text = (
                "No sensitivity curve was given. It shows how the answer changes with what is "
                "assumed about the missing values: absentia report --column NAME --slopes -2:2:.5 "
                "(or --delta), or report(curves=[...]) in Python."
            )
        for k, curve in enumerate(curves):
            found.frames["sensitivity" if k == 0 else f"sensitivity_{k + 1}"] = curve.table
            if not curve.profile.empty:
                found.points.append(curve.support())
            slopes = [name for name in curve.estimands if name != "Intercept"]
            for name in slopes or curve.estimands:
                what = curve.assumption.rstrip(",")
                found.points.append(curve.tips(0.0, name))
                found.figure(f"{name}, by the {what} of '{curve.column}'", plot_sensitivity, curve,
                             name)  # fmt: skip
        return found


#: the statistics of observed values, in words
_STATISTICS = {"q10": "10 % quantile", "q50": "median", "q90": "90 % quantile"}


def _equations(described: Description) -> pd.DataFrame:
    """Return one row for each column with an equation."""
    rows = {
        one.column: {
            "equation": one.equation,
            "depends on": ", ".join([*one.values, *(f"R[{n}]" for n in one.masks), *one.others]),
            "is it identified?": IDENTIFIED[one.identified],
        }
        for one in described.columns
        if one.reason
    }
    columns = ["equation", "depends on", "is it identified?"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("column")


def without_names(described: Description, own: pd.DataFrame) -> Description:
    """Return a description whose sentences do not repeat the columns that a table above names."""
    named = {str(name): f"if {by} and being" for name, by in own["by"].items() if by}
    columns = tuple(
        replace(
            one,
            reason=one.reason.replace(
                named[one.column], "if the columns that explain it most (see above) and being"
            ),
        )
        if one.column in named
        else one
        for one in described.columns
    )
    return replace(described, columns=columns)


#: headings of the odds of the forms, where a reader needs other words than a program
_ODDS = {
    "slope": "slope",
    "slope_low": "5\u00a0%",
    "slope_high": "95\u00a0%",
    "together": "shared with other columns",
}
_SLOPES = [_ODDS[name] for name in ("slope", "slope_low", "slope_high")]


def _odds(odds: pd.DataFrame) -> pd.DataFrame:
    """Write the odds of the forms to two places."""
    shown = odds.rename(columns=_ODDS).astype(object)
    for name in shown.columns:
        shown[name] = [_share(value, name) for value in shown[name]]
    return shown


def _share(value: float, name: str) -> str:
    if np.isnan(value):
        return ""
    return "<.01" if 0 <= value < 0.005 and name not in _SLOPES else f"{value:.2f}"


def _weights(filled: Imputation, words: bool = True) -> pd.DataFrame:
    """Return the diagnostics of the weights, for a reader with shares as percentages."""
    named = {
        "particles": "importance samples of a row (median)",
        "median_ess_share": "effective share of them (median)",
        "khat_threshold": "k-hat up to which weights are good",
        "weights_good_before": "rows with good weights before refinement",
        "weights_good": "rows with good weights",
        "refined_rows": "rows that were refined",
    }
    values: dict[str, Any] = dict(filled.summary())
    if words:
        for key in ("median_ess_share", "weights_good_before", "weights_good", "refined_rows"):
            values[key] = f"{100 * values[key]:.1f} %"
        values["particles"] = f"{values['particles']:g}"
        values["khat_threshold"] = f"{values['khat_threshold']:.2f}"
    found = pd.DataFrame({"value": values}).rename(index=named)
    return found.rename_axis("of all rows")


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of a comparison with replicated tables in words."""
    words = {"mean": "replicated", "lower": "5 %", "upper": "95 %", "p_value": "p-value"}
    return table.rename(columns=words)


def _which_are_shown(left_out: int) -> str:
    if not left_out:
        return ""
    return f"Figures show the columns with most missing values; {left_out} are left out."
