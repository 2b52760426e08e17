"""The command line: ``absentia demo``, ``example``, ``impute``, ``pool``, ``report``, ..."""

from __future__ import annotations

import os

# OpenMP threads that spin while they wait slow down whatever else runs on the machine
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import Annotated

import typer

from .. import __version__
from . import (
    demo,
    example,
    fit,
    impute,
    inspect,
    pool,
    report,
    reproduce,
    schema,
    sensitivity,
    tune,
)
from .usage import OneLineGroup

app = typer.Typer(
    cls=OneLineGroup,
    help="Impute tables with values that are missing not at random (MNAR).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"absentia {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Impute tables with values that are missing not at random (MNAR)."""


for command in (
    demo.demo,
    example.example,
    fit.fit,
    impute.impute,
    inspect.inspect,
    pool.pool,
    report.report,
    reproduce.reproduce,
    reproduce.results,
    schema.schema,
    sensitivity.sensitivity,
    tune.tune,
):
    # each paragraph in one line, which the window folds
    paragraphs = str(command.__doc__).split("\n\n")
    app.command(help="\n\n".join(" ".join(one.split()) for one in paragraphs))(command)

__all__ = ["app"]
