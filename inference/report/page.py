"""The page: its sections are put together here, what it looks like is in ``page.html``."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...data import IncompleteData
from ...data.files import write_text_atomic
from ..checks import check_mask, check_values
from ..coefficients import coefficient_posterior
from ..imputation import Imputation
from ..impute import impute, prepared
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
from ..sensitivity import SensitivityCurve, check_identification
from ..sources import is_small

_MOST_COLUMNS = 9
_PACKAGES = ("absentia", "torch", "pyro-ppl", "numpy", "arviz")


@dataclass
class _Section:
    """A heading with what stands below it."""

    title: str
    text: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    tables: list[tuple[str, str]] = field(default_factory=list)
    verbatim: str = ""


def report(
    fitted: Any,
    data: IncompleteData,
    path: str | Path,
    *,
    imputation: Imputation | None = None,
    curves: Sequence[SensitivityCurve] = (),
    title: str = "Analysis of missing values",
    replications: int = 100,
    seed: int = 0,
) -> Path:
    """Write one HTML page about a fit and its imputations, pictures inside, nothing fetched.

    The table and its missing values; the mechanism's equations and what identifies them; its
    coefficients with intervals and curves with bands; imputed beside observed values; how far
    weights can be trusted; replicated tables beside the one that was seen; sensitivity curves, if
    given; every warning on the way; versions, and how to cite. A part that does not apply says so.

    :param imputation: of these data by this fit; made where it is left out.
    :param curves: of :func:`absentia.slope_sensitivity` or :func:`absentia.delta_sensitivity`.
    :param replications: tables to replicate for the checks.
    :returns: where it was written.
    :raises ValueError: for data of other columns.
    :raises OSError: the file cannot be written; nothing is left behind then.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["pay", "age"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "pay ~ +pay"), data, steps=50, progress=False)
    >>> page = ab.report(fitted, data, Path(tempfile.mkdtemp()) / "r.html", replications=10)
    >>> "logit P(pay missing)" in page.read_text()
    True
    """
    path = Path(path)
    _, data = prepared(fitted, data)
    writer = _Writer(fitted, data, replications, seed)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        filled = imputation or impute(fitted, data, seed=seed)
        sections = writer.sections(filled, curves)
    said = [str(w.message) for w in heard if issubclass(w.category, UserWarning)]
    write_text_atomic(path, _rendered(title, data, filled, sections, list(dict.fromkeys(said))))
    return path


class _Writer:
    """The sections, one after another."""

    def __init__(self, fitted: Any, data: IncompleteData, replications: int, seed: int) -> None:
        self.fitted, self.data = fitted, data
        self.replications, self.seed = replications, seed
        self.model = getattr(fitted, "model", fitted)
        gaps = (~data.s).double().mean(0).cpu().numpy()
        order = [j for j in np.argsort(-gaps, kind="stable") if gaps[j] > 0]
        self.columns = [data.columns[j] for j in order[:_MOST_COLUMNS]]
        self.left = len(order) - len(self.columns)

    def sections(self, filled: Imputation, curves: Sequence[SensitivityCurve]) -> list[_Section]:
        return [
            self._table(),
            self._mechanism(filled),
            self._imputations(filled),
            self._checks(),
            self._sensitivity(curves),
        ]

    def _table(self) -> _Section:
        found = _Section("The table", _shown_columns(self.left))
        found.figures.append(
            ("What is missing, and together with what", _png(plot_missingness, self.data))
        )
        found.tables.append(("Columns", _html(self.data.schema.describe())))
        return found

    def _mechanism(self, filled: Imputation) -> _Section:
        mechanism = self.model.missingness
        found = _Section("Why values are missing: what was assumed")
        if mechanism.ignorable:
            found.text = (
                "Values are taken to be missing at random: their absence depends on nothing that "
                "is missing itself. Nothing in the table can show whether that is so; "
                "delta_sensitivity shows how much depends on it."
            )
            return found
        found.verbatim = str(mechanism.describe(self.data))
        found.text = (
            "Every answer below rests on these equations. Where a value's absence depends on the "
            "value itself, the data speak for a slope only through the shape that the model gives "
            "the values, or through other columns that go with the value and that its mechanism "
            "does not read."
        )
        own = check_identification(self.fitted, self.data, seed=self.seed)
        if len(own):
            found.tables.append(("What identifies the slopes on the values themselves", _html(own)))
        if is_small(self.model):
            try:
                estimates = coefficient_posterior(self.fitted, self.data, seed=self.seed)
                found.tables.append(("Coefficients, 90 % intervals", _html(estimates)))
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
        reads = self.model.missingness.reads(len(self.data.columns))
        return bool(reads[j, j]) and not self.data.schema[name].levels

    def _imputations(self, filled: Imputation) -> _Section:
        summary = pd.Series(filled.summary(), name="value").to_frame()
        found = _Section(
            "What was imputed, and how far to trust it",
            "Values were imputed by self-normalised importance sampling. A row with a Pareto k-hat "
            "above the threshold is not reliable: raise the number of particles there. Draws "
            "hold the parameters as fitted; for analyses use multiple_imputation and pool, which "
            "do not.",
        )
        found.tables.append(("Diagnostics", _html(summary)))
        found.figures.append(
            ("Observed and imputed values", _png(plot_imputed, filled, self.columns))
        )
        found.figures.append(("Weights", _png(plot_reliability, filled)))
        incomplete = np.flatnonzero(~self.data.s.cpu().numpy().all(1))
        if len(incomplete):
            least = incomplete[np.argmax(np.nan_to_num(filled.khat[incomplete], neginf=-9.0))]
            label = self.data.index[least]
            if self.data.index.is_unique:
                found.figures.append(("The least reliable row", _png(plot_row, filled, label)))
        if hasattr(self.fitted, "history"):
            found.figures.append(("The fit", _png(plot_history, self.fitted)))
        return found

    def _checks(self) -> _Section:
        found = _Section(
            "Does the model look like the table?",
            f"{self.replications} tables were drawn anew from the fitted model. A p-value near 0 "
            f"marks what they do not reproduce; a good one is no proof of the mechanism, which no "
            f"observed value can test.",
        )
        options = {"replications": self.replications, "seed": self.seed}
        if not self.model.missingness.ignorable:
            mask = check_mask(self.fitted, self.data, **options)
            found.figures.append(("The mask, seen and replicated", _png(plot_mask_check, mask)))
            found.tables.append(("Share missing", _html(mask.rates)))
        if not self.data.schema.discrete.any():
            values = check_values(self.fitted, self.data, **options)
            worst = values.sort_values("p_value").head(12)
            found.tables.append(("Observed values, the least well reproduced", _html(worst)))
        return found

    def _sensitivity(self, curves: Sequence[SensitivityCurve]) -> _Section:
        found = _Section("How much depends on the assumption")
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


def _rendered(
    title: str,
    data: IncompleteData,
    filled: Imputation,
    sections: list[_Section],
    warned: list[str],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    reliable = 100 * float(np.mean(filled.reliable))
    return environment.get_template("page.html").render(
        title=title,
        rows=len(data),
        columns=len(data.columns),
        cells=int((~data.s).sum()),
        rate=f"{100 * data.missing_rate:.1f}",
        reliable=f"{reliable:.1f}",
        sections=sections,
        warnings=warned,
        versions=", ".join(_versions()),
    )


def _versions() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # run from a folder that is not installed
            continue
    return found


def _png(draw: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    buffer = io.BytesIO()
    draw(*arguments, **options).savefig(buffer, format="png", dpi=100)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _html(frame: pd.DataFrame) -> str:
    return frame.to_html(border=0, float_format=lambda value: f"{value:.4g}", na_rep="")
