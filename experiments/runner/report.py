"""Results of an experiment beside the published figures, as text, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.errors import InputError
from .cells import Cell, plan
from .spec import Figure, Spec

_NATS = ("bound", "log_evidence")
_HIGHER_IS_BETTER = (
    *_NATS, "accuracy", "mask_accuracy", "mask_accuracy_posterior", "khat_good",
    "khat_good_before", "median_ess_share",
)  # fmt: skip
#: scores that say what a cell cost, and how many parameters its model has
COSTS = ("seconds", "peak_memory_mb", "parameters", "mechanism_parameters")
_WITHOUT_BEST = ("coverage_", "width_")

Read = tuple[Cell, dict[str, Any] | None]


@dataclass(frozen=True)
class Entry:
    """One method under one heading: mean over seeds, its standard error, the published figure."""

    method: str
    column: str
    mean: float | None
    error: float | None
    seeds: int
    published: Figure | None

    def text(self, digits: int = 3, best: bool = False) -> str:
        """Write the mean and, in brackets, its standard error; the best is between stars."""
        stars = "**" * best
        text = f"{stars}{self.mean:.{digits}f}{stars}"
        if self.error is not None:
            text += f" ({self.error:.{digits}f})".replace("(0.", "(.")
        return text

    @property
    def difference(self) -> float | None:
        """The difference of our mean from the published figure."""
        if self.mean is None or self.published is None:
            return None
        return self.mean - self.published[0]


@dataclass(frozen=True)
class Report:
    """The table of an experiment, made of the results in a folder."""

    spec: Spec
    score: str
    entries: tuple[Entry, ...]
    found: int
    planned: int

    @classmethod
    def of(cls, spec: Spec, budget: str, folder: Path, score: str | None = None) -> Report:
        """Gather the results that exist; cells without a result are left out.

        Raises:
            InputError: for an unknown budget, or a score that no result has.
        """
        return cls.from_results(spec, results(spec, budget, folder), score or spec.score)

    @classmethod
    def from_results(cls, spec: Spec, read: list[Read], score: str) -> Report:
        """Gather one score of cells that :func:`results` has read.

        Raises:
            InputError: for a score that no result has.
        """
        values: dict[tuple[str, str], list[float]] = {}
        known, found = set(), 0
        for cell, result in read:
            if result is None:
                continue
            found += 1
            metrics = {**result["metrics"], **_costs(result)}
            known |= set(metrics)
            if metrics.get(score) is not None:
                values.setdefault((cell.method, cell.column), []).append(float(metrics[score]))
        if known and score not in known:
            raise InputError(f"score '{score}' is not one of {', '.join(sorted(known))}")
        entries = []
        for one in spec.methods:
            for column in spec.columns:
                own = values.get((one.name, column), [])
                error = float(np.std(own, ddof=1) / len(own) ** 0.5) if len(own) > 1 else None
                mean = float(np.mean(own)) if own else None
                figure = one.published.get(column) if score == spec.score else None
                entries.append(Entry(one.name, column, mean, error, len(own), figure))
        return cls(spec, score, tuple(entries), found, len(read))

    def rows(self) -> list[list[str]]:
        """List the headings, and for each method: ours (standard error) [published, difference].

        The best of each column stands between asterisks. For bounds and evidences, a last column
        holds the mean over the tables, by which one setting is chosen for all tables.
        """
        headings = [self.score, *self.spec.columns]
        together = self.score in _NATS and len(self.spec.columns) > 1
        table = [headings + ["mean"] * together]
        best = {column: self._best(column) for column in self.spec.columns}
        for method in self.spec.methods:
            own = [entry for entry in self.entries if entry.method == method.name]
            if all(entry.mean is None and entry.published is None for entry in own):
                continue
            shown = [_shown(entry, entry is best[entry.column]) for entry in own]
            if together:
                means = [entry.mean for entry in own if entry.mean is not None]
                shown.append(f"{np.mean(means):.3f}" if len(means) == len(own) else "")
            table.append([method.name, *shown])
        return table

    def entry(self, method: str, column: str) -> Entry:
        """Return the entry of one method under one heading."""
        return next(e for e in self.entries if (e.method, e.column) == (method, column))

    def _best(self, column: str) -> Entry | None:
        """Return the best mean of a method that is not an oracle; shares have no best."""
        if self.score.startswith(_WITHOUT_BEST):
            return None
        sign = -1.0 if self.score in _HIGHER_IS_BETTER else 1.0
        oracles = {method.name for method in self.spec.methods if method.is_oracle}
        own = [
            entry
            for entry in self.entries
            if entry.column == column and entry.mean is not None and entry.method not in oracles
        ]
        return min(own, key=lambda entry: sign * (entry.mean or 0.0)) if own else None

    def csv(self) -> str:
        """Write one line of CSV per entry."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["method", "column", self.score, "standard_error", "seeds", "published",
             "published_standard_error", "difference"]
        )  # fmt: skip
        for entry in self.entries:
            figure = entry.published or (None, None)
            row = [entry.mean, entry.error, entry.seeds, *figure, entry.difference]
            writer.writerow([entry.method, entry.column, *("" if v is None else v for v in row)])
        return text.getvalue()

    def caption(self) -> str:
        """Describe in a line or two what the table shows."""
        return caption(self.spec, self.found, self.planned, "[published, difference]")


def caption(spec: Spec, found: int, planned: int, beside: str = "") -> str:
    """Describe in a line or two what a table of the experiment shows."""
    ours = f"Ours (standard error over seeds) {beside}".rstrip()
    note = f" {spec.note}" if spec.note else ""
    return f"{spec.title} ({spec.source}): {found} of {planned} cells. {ours}.{note}"


def results(spec: Spec, budget: str, folder: Path) -> list[Read]:
    """Read the results of the cells of a budget; None where there is none.

    Raises:
        InputError: for an unknown budget.
    """
    return [(cell, cell.result(folder)) for cell in plan(spec, budget)]


def _costs(result: dict[str, Any]) -> dict[str, Any]:
    """Return time, memory and number of parameters as further scores of a cell."""
    parameters = result.get("parameters") or {}
    found = (
        result.get("seconds"), result.get("peak_memory_mb"),
        parameters.get("all"), parameters.get("mechanism"),
    )  # fmt: skip
    return dict(zip(COSTS, found, strict=True))


def _shown(entry: Entry, best: bool) -> str:
    if entry.mean is None:
        return "" if entry.published is None else f"[{figures_of(entry.published[0])[0]}]"
    text = entry.text(best=best)
    if entry.published is not None:
        figure, digits = figures_of(entry.published[0])
        text += f" [{figure}, {entry.difference:+.{digits}f}]"
    return text


def figures_of(published: float) -> tuple[str, int]:
    """Format a published figure with its own digits, two to four; return also those of differences.

    >>> figures_of(1.1), figures_of(0.07294)
    (('1.10', 2), ('0.0729', 3))
    """
    digits = max(2, len(f"{published:.12g}".partition(".")[2]))
    return f"{published:.{min(digits, 4)}f}", min(digits, 3)


def markdown(rows: list[list[str]]) -> str:
    """Format headings and rows as a Markdown table."""
    headings, *others = rows
    rule = ["---"] * len(headings)
    return "\n".join(f"| {' | '.join(row)} |" for row in [headings, rule, *others])
