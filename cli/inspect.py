"""``absentia inspect``: what is missing in a table, and what its columns are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from .common import check_writable, console, one_line_errors, schema_for, shown

_MOST_LINES = 12


def inspect(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet; empty cells are missing.")],
    schema: Annotated[
        str | None,
        typer.Option(help="TOML or JSON file of what columns are; the others are inferred."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables, the schema and a figure.")
    ] = None,
) -> None:
    """Show rates, patterns, co-missingness and the inferred schema of TABLE.

    With --out the tables are written as CSV, the schema as schema.toml (to be corrected and given
    back by --schema), and drawn in missingness.png.
    """
    with one_line_errors():
        from ..data import infer_schema
        from ..data.files import write_text_atomic
        from ..data.patterns import (
            associations,
            co_missing,
            is_monotone,
            missing_rates,
            patterns,
        )
        from ..data.tables import read_table, write_table

        if out is not None:
            check_writable(out / "missingness.png")
        frame = read_table(table)
        declared = schema_for(frame, schema)
        found = infer_schema(frame, None if declared in (None, "infer") else declared)
        rates, seen = missing_rates(frame), patterns(frame)
        together, related = co_missing(frame), associations(frame, found)
        columns = found.describe().join(rates)
        console.print(shown(columns, f"{table}: {len(frame)} rows", "column"), soft_wrap=True)
        if not rates["missing"].any():
            console.print("nothing is missing")
        else:
            _show(seen, "patterns: which columns are missing together", "pattern")
            _show(together, "pairs that go missing together", "pair")
            _show(related, "what a column's absence goes with", "")
            word = "is" if is_monotone(frame) else "is not"
            console.print(f"the pattern {word} monotone", highlight=False)
            console.print(
                "No table can show whether values are missing because of what they are: an "
                "association with what is seen speaks against MCAR, none speaks for MAR.",
                soft_wrap=True,
            )
        if out is None:
            return
        from ..data.pattern_figure import draw_missingness

        for name, one in (
            ("columns", columns),
            ("patterns", seen),
            ("co-missing", together),
            ("associations", related),
        ):
            write_table(one.reset_index(), out / f"{name}.csv")
        write_text_atomic(out / "schema.toml", found.to_toml())
        draw_missingness(frame, out / "missingness.png")
        console.print(f"written to {out}", highlight=False, soft_wrap=True)


def _show(frame: pd.DataFrame, title: str, index: str) -> None:
    more = len(frame) - _MOST_LINES
    title += f" (the first {_MOST_LINES} of {len(frame)})" if more > 0 else ""
    console.print(shown(frame.head(_MOST_LINES), title, index), soft_wrap=True)
