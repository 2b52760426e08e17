"""The table of a task whose results are more than one number per method and heading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..tasks import TABLES
from .report import Read, Report, caption, results
from .spec import Spec


@dataclass(frozen=True)
class TaskTable:
    """The cells of an experiment, in the table that its task makes of them.

    >>> from absentia.experiments.runner import Spec, TaskTable
    >>> TaskTable.of(Spec.named("coverage"), "quick", Path("nowhere")).found
    0
    """

    spec: Spec
    cells: tuple[Read, ...]

    @classmethod
    def of(cls, spec: Spec, budget: str, folder: Path) -> TaskTable:
        """Gather the results that exist.

        Raises:
            InputError: for an unknown budget.
        """
        return cls(spec, tuple(results(spec, budget, folder)))

    @property
    def found(self) -> int:
        """The number of cells that have a result."""
        return sum(result is not None for _, result in self.cells)

    @property
    def planned(self) -> int:
        """The number of cells of the experiment."""
        return len(self.cells)

    def caption(self) -> str:
        """Describe in a line or two what the table shows."""
        return caption(self.spec, self.found, self.planned)

    def rows(self) -> list[list[str]]:
        """List the headings and the rows; nothing if no cell has a result."""
        own = [(cell.method, cell.column, found) for cell, found in self.cells if found is not None]
        return TABLES[self.spec.task](own) if own else [[]]


def table_of(spec: Spec, budget: str, folder: Path, score: str | None = None) -> Report | TaskTable:
    """Return the table of the spec's task if it has one and no single score is asked for.

    Raises:
        InputError: for an unknown budget or score.
    """
    if score is None and spec.task in TABLES:
        return TaskTable.of(spec, budget, folder)
    return Report.of(spec, budget, folder, score)
