"""Declared experiments: a TOML file declares what to run, and a JSON file holds each result.

>>> from absentia.experiments.runner import Spec, plan
>>> spec = Spec.named("uci")
>>> len(plan(spec, "full")) == len(spec.methods_run) * len(spec.tables) * 3
True
"""

from .cells import Cell, plan
from .report import Report, markdown
from .running import Progress, run
from .side_by_side import SideBySide
from .spec import Method, Scenario, Spec, Table, spec_names
from .task_table import TaskTable, table_of

__all__ = [
    "Cell",
    "Method",
    "Progress",
    "Report",
    "Scenario",
    "SideBySide",
    "Spec",
    "Table",
    "TaskTable",
    "markdown",
    "plan",
    "run",
    "spec_names",
    "table_of",
]
