"""The command line: ``absentia demo``, ``example``, ``impute``, ``inspect``, ``report``, ..."""

from __future__ import annotations

import os

# OpenMP threads that spin while they wait cost more than they bring as soon as anything else runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import typer

from . import demo, example, impute, inspect, report, reproduce, tune

app = typer.Typer(
    help="Impute tables whose values are missing because of what they are (MNAR).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    demo.demo,
    example.example,
    impute.impute,
    inspect.inspect,
    report.report,
    reproduce.reproduce,
    reproduce.results,
    tune.tune,
):
    app.command()(command)

__all__ = ["app"]
