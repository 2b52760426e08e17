"""Several scores of an experiment in one table, such as errors beside coverage and time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.errors import InputError
from .report import COSTS, Entry, Report, figures_of, results
from .spec import Spec


@dataclass(frozen=True)
class SideBySide:
    """One report per score, and the methods and headings that are shown.

    >>> from absentia.experiments.runner import SideBySide, Spec
    >>> both = SideBySide.of(Spec.named("ring"), "quick", Path("nowhere"), ["rmse", "seconds"])
    >>> both.rows()[0]
    ['method', 'rmse', 'seconds']
    """

    reports: tuple[Report, ...]
    columns: tuple[str, ...]
    methods: tuple[str, ...]

    @classmethod
    def of(
        cls,
        spec: Spec,
        budget: str,
        folder: Path,
        scores: Sequence[str],
        columns: Collection[str] | None = None,
        methods: Collection[str] | None = None,
    ) -> SideBySide:
        """Gather the scores of the results that exist.

        Args:
            spec: the experiment.
            budget: one of its budgets.
            folder: the folder of the results.
            scores: the scores, in the order of the table.
            columns: the headings to show; all when left out.
            methods: the names of the methods to show; all when left out.

        Raises:
            InputError: for an unknown budget, score, heading or method.
        """
        known = [method.name for method in spec.methods]
        for asked, there in ((columns, spec.columns), (methods, known)):
            for name in asked or ():
                if name not in there:
                    raise InputError(f"{spec.name} has no '{name}'; choose from {', '.join(there)}")
        read = results(spec, budget, folder)  # once, for all scores
        return cls(
            tuple(Report.from_results(spec, read, score) for score in scores),
            tuple(column for column in spec.columns if columns is None or column in columns),
            tuple(name for name in known if methods is None or name in methods),
        )

    @property
    def found(self) -> int:
        """The number of cells of the whole experiment that have a result."""
        return self.reports[0].found

    @property
    def planned(self) -> int:
        """The number of cells of the whole experiment."""
        return self.reports[0].planned

    def caption(self) -> str:
        """Describe in a line or two what the table shows."""
        return self.reports[0].caption()

    def rows(self) -> list[list[str]]:
        """List the headings, then one row per heading and method, with all scores."""
        several = len(self.columns) > 1
        scores = [report.score for report in self.reports]
        table = [["table"] * several + ["method", *scores]]
        for column in self.columns:
            for method in self.methods:
                own = [report.entry(method, column) for report in self.reports]
                if any(entry.mean is not None or entry.published for entry in own):
                    shown = map(_shown, own, scores)
                    table.append([column] * several + [method, *shown])
        return table


def _shown(entry: Entry, score: str) -> str:
    published = "" if entry.published is None else f"[{figures_of(entry.published[0])[0]}]"
    if entry.mean is None:
        return published
    size = abs(entry.mean)
    digits = 0 if size >= 100 or score in COSTS else 1 if size >= 10 else 3
    return f"{entry.text(digits)} {published}".rstrip()
