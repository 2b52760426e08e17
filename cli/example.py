"""The command ``absentia example``: a table to try the other commands on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import say
from .one_line_errors import one_line_errors
from .paths import check_outputs, make_folders


def example(
    out: Annotated[Path, typer.Argument(help="Table to write: CSV, TSV, Parquet or Excel.")] = Path(
        "people.csv"
    ),
    truth: Annotated[
        Path | None, typer.Option(help="Also write the complete table to this file.")
    ] = None,
    rows: Annotated[int, typer.Option(min=10, help="Number of people.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 0,
) -> None:
    """Write an example table of invented people, in which high incomes tend to be missing."""
    with one_line_errors():
        from ..data.datasets.example import people
        from ..data.table_files import TableFile
        from ..data.table_writing import write_tables

        complete, asked = people(rows, seed)
        tables = {out: asked} if truth is None else {out: asked, truth: complete}
        for path in tables:
            TableFile.of(path)
        check_outputs([], [("OUT", out), ("--truth", truth)])
        make_folders(tables)
        write_tables(tables)
        share = asked["income"].isna().mean()
        say(f"{out}: {rows} people; {share:.0%} of the incomes are missing, mostly high ones")
        if truth is not None:
            say(f"the complete table: {truth}")
