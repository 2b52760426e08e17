"""The command ``absentia demo``: imputation of real data with a known answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .console import console, percent
from .one_line_errors import one_line_errors
from .paths import check_writable


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("absentia-demo"),
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Optimiser steps of each fit; when left out, models are fitted until nothing more "
            "is gained.",
        ),
    ] = None,
    particles: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Importance samples for each row; when left out, as many as each row needs.",
        ),
    ] = None,
) -> None:
    """Hide values of a real table not at random, impute them, and compare with the truth."""
    with one_line_errors():
        check_writable(out / "figures.json")
        from ..experiments.demo import run_demo
        from ..experiments.demo_methods import LEVEL

        seen = sys.stderr.isatty()
        result = run_demo(
            out,
            seed,
            steps,
            "auto" if particles is None else particles,
            seen,
            console.print,
            processes=2,
        )
        table = Table(
            title=f"{result.cells} hidden values; errors in standard deviations of the columns"
        )
        for heading in ("method", "RMSE", "bias", f"{100 * LEVEL:.0f} % intervals cover"):
            table.add_column(heading, justify="left" if heading == "method" else "right")
        table.add_column("rows with good k-hat", justify="right")
        table.add_column("seconds", justify="right")
        for score in result.scores:
            table.add_row(
                score.method,
                f"{score.rmse:.3f}",
                f"{score.bias:+.3f}",
                percent(score.coverage),
                percent(score.reliable),
                f"{score.seconds:.1f}",
            )
        console.print(table)
        for what, path in result.files.items():
            console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
        console.print(f"done in {result.seconds:.0f} s", highlight=False)
