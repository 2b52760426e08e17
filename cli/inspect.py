"""The command ``absentia inspect``: what is missing in a table, and what its columns are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .choices import Grounds
from .console import console, counted, print_document, say, talking
from .csv_options import USUAL_CSV, USUAL_TALK, CSVOptions, Table, TalkOptions, reads_a_table
from .one_line_errors import one_line_errors
from .paths import check_outputs
from .reading import say_how_it_was_read, what_is_missing

if TYPE_CHECKING:
    import pandas as pd

    from ..data import Schema

_MOST_LINES = 12
#: the most columns of a table whose cells are folded over several lines
_MOST_FOLDED = 20
_CAUTION = (
    "No test on this table can tell MNAR from MAR: an association with observed values is evidence "
    "against MCAR, but how missingness depends on the missing values themselves cannot be seen."
)


@reads_a_table
def inspect(
    table: Table,
    schema: Annotated[
        Path | None,
        typer.Option(
            help="TOML or JSON file that declares what columns are; the others are inferred."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the tables, the schema and a figure to.")
    ] = None,
    by: Annotated[
        Grounds,
        typer.Option(
            help="Infer what columns are from their dtypes alone, or also from their values."
        ),
    ] = Grounds.values,
    csv: CSVOptions = USUAL_CSV,
    talk: TalkOptions = USUAL_TALK,
) -> None:
    """Show how much of TABLE is missing, in which patterns, and what its columns are.

    With --out, the tables are written as CSV, the inferred schema as schema.toml, and a figure as
    missingness.png. Correct the schema where it is wrong, and give it to --schema.
    """
    with one_line_errors(document=talk.json), talking(talk.quiet, talk.json, talk.verbose):
        # here and not above, so that --help need not wait for torch
        from ..data.patterns import (
            associated,
            co_missing,
            is_monotone,
            missing_mask,
            missing_rates,
            patterns,
        )
        from .documents import head
        from .fields import read_fields
        from .frames import shown
        from .kinds import declared_in, kinds_of, leaving_out
        from .suspicions import helped, lines_of, suspicions

        form = csv.format()
        declared = {} if schema is None else declared_in(str(schema))
        fields = read_fields(table, declared, form=form, sheet=csv.sheet)
        say_how_it_was_read(fields)
        frame = fields.frame
        rates, seen = missing_rates(frame), patterns(frame)
        kinds, values, refused = kinds_of(frame, declared, by.value)
        together, related = co_missing(frame), associated(missing_mask(frame), values, kinds)
        columns = _described(frame, kinds, refused).join(rates)
        folded = len(columns) <= _MOST_FOLDED
        title = f"{table}: {counted(len(frame), 'row')}"
        console.print(shown(columns, title, "column", folded), soft_wrap=True)
        if not rates["missing"].any():
            say(f"nothing is missing ({what_is_missing(fields)})")
        else:
            _show(seen, "patterns: which columns are missing together", "pattern", folded)
            _show(together, "pairs of columns that are missing together")
            _show(related, "associations of missingness with observed values")
            say(f"the pattern {'is' if is_monotone(frame) else 'is not'} monotone")
            say(_CAUTION)
        suspected = suspicions(fields, (), declared, by is Grounds.values)
        for line in lines_of(suspected):
            say(f"note: {line}")
        empty = [str(name) for name in rates.index[rates["missing"] == len(frame)]]
        cured = helped(suspected)
        unusable = [*refused, *(name for name in empty if name not in refused)]
        unusable = [name for name in unusable if name not in cured]
        if unusable:
            more = ", or a --schema that declares the unknown kinds" if refused else ""
            say(f"absentia impute needs {leaving_out(unusable)}{more}")
        if out is not None:
            tables = {
                "columns": columns.rename_axis("column").reset_index(),
                "patterns": seen.reset_index(),
                "co-missing": together,
                "associations": related,
            }
            _write(out, (table, schema), tables, kinds.to_toml() + _unread(refused), frame)
            say(f"written to {out}")
        if talk.json:
            print_document(
                {
                    **head("inspect"),
                    "table": str(table),
                    "rows": len(frame),
                    "columns": columns.rename_axis("column").reset_index(),
                    "patterns": seen.reset_index(),
                    "associations": related,
                    "suspicious": [one._asdict() for one in suspected],
                }
            )


def _show(frame: pd.DataFrame, title: str, index: str | None = None, folded: bool = True) -> None:
    from .frames import shown

    more = len(frame) - _MOST_LINES
    title += f" (the first {_MOST_LINES} of {len(frame)})" if more > 0 else ""
    if len(frame):
        console.print(shown(frame.head(_MOST_LINES), title, index, folded), soft_wrap=True)


def _described(frame: pd.DataFrame, kinds: Schema, refused: Mapping[str, str]) -> pd.DataFrame:
    """Describe each column in the table's order, and say where the kind is unknown."""
    names = [str(name) for name in frame.columns]
    table = kinds.describe().reindex(names)
    for name, reason in refused.items():
        why = reason.removeprefix(f"column {name!r} ")
        table.loc[name] = ["unknown", "", str(frame.iloc[:, names.index(name)].dtype), why]
    return table


def _unread(refused: Mapping[str, str]) -> str:
    return "".join(f"# {reason}: declare it here, or leave it out\n" for reason in refused.values())


def _write(
    out: Path,
    inputs: tuple[Path | None, ...],
    tables: Mapping[str, pd.DataFrame],
    toml: str,
    frame: pd.DataFrame,
) -> None:
    """Write all files or none: they are made in a temporary folder and then moved together."""
    from ..data.system.files import temporary_folder, write_text_atomic
    from ..data.table_writing import write_table
    from ..inference.plots.patterns import draw_missingness

    names = [*(f"{name}.csv" for name in tables), "schema.toml", "missingness.png"]
    check_outputs(inputs, [("--out", out / name) for name in names])
    out.mkdir(parents=True, exist_ok=True)
    with temporary_folder(out) as made:
        for name, one in tables.items():
            write_table(one, made / f"{name}.csv")
        write_text_atomic(made / "schema.toml", toml)
        draw_missingness(frame, made / "missingness.png")
        for name in names:
            os.replace(made / name, out / name)
