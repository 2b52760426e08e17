"""The table of a task whose results are more than one number a method and heading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..tasks import TABLES
from .report import Read, Report, caption, results
from .spec import Spec


@dataclass(frozen=True)
class TaskTable:
    """The cells of an experiment, shown as its task shows them.

    >>> from absentia.experiments.runner import Spec, TaskTable
    >>> TaskTable.of(Spec.named("coverage"), "quick", Path("nowhere")).found
    0
    """

    spec: Spec
    cells: tuple[Read, ...]

    @classmethod
    def of(cls, spec: Spec, budget: str, folder: Path) -> TaskTable:
        """Gather what is there.

        Raises:
            ValueError: an unknown budget.
        """
        return cls(spec, tuple(results(spec, budget, folder)))

    @property
    def found(self) -> int:
        """How many cells have a result."""
        return sum(result is not None for _, result in self.cells)

    @property
    def planned(self) -> int:
        """How many cells the experiment has."""
        return len(self.cells)

    def caption(self) -> str:
        """What the table is, in a line or two."""
        return caption(self.spec, self.found, self.planned)

    def rows(self) -> list[list[str]]:
        """Headings and rows; nothing where no cell has a result."""
        own = [(cell.method, cell.column, found) for cell, found in self.cells if found is not None]
        return TABLES[self.spec.task](own) if own else [[]]


def table_of(spec: Spec, budget: str, folder: Path, score: str | None = None) -> Report | TaskTable:
    """The table of the spec's task where it has one and no single score is asked for.

    Raises:
        ValueError: an unknown budget or score.
    """
    if score is None and spec.task in TABLES:
        return TaskTable.of(spec, budget, folder)
    return Report.of(spec, budget, folder, score)
