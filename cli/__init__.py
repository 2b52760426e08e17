"""The command line: ``absentia demo``, ``example``, ``impute``, ``inspect``, ``report``, ..."""

from __future__ import annotations

import os

# OpenMP threads that spin while they wait cost more than they bring as soon as anything else runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import typer

from .demo import demo
from .example import example
from .impute import impute
from .inspect import inspect
from .report import report
from .reproduce import reproduce, results
from .tune import tune

app = typer.Typer(
    help="Impute tables whose values are missing because of what they are (MNAR).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, example, impute, inspect, report, reproduce, results, tune):
    app.command()(command)

__all__ = ["app"]
