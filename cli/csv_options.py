"""The options of the commands that read a table, which say how a CSV file is written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from ..data.csv.format import CSVFormat

#: the argument that names the table of a command
Table = Annotated[
    Path,
    typer.Argument(
        help="Table: CSV, TSV, Parquet or Excel, or - for standard input; empty cells are missing."
    ),
]


class CSVOptions(NamedTuple):
    """The options that say how a CSV file is written, as the user gave them."""

    sep: Annotated[
        str | None,
        typer.Option(
            help="CSV: the character between two fields, '\\t' for tabs; by default a tab in .tsv, "
            "else a comma."
        ),
    ] = None
    decimal: Annotated[
        str, typer.Option(help="CSV: the decimal mark; give ',' where 36,6 is a number.")
    ] = "."
    thousands: Annotated[
        str | None,
        typer.Option(help="CSV: the mark between thousands; give ',' where 1,200 is a number."),
    ] = None
    encoding: Annotated[
        str, typer.Option(help="CSV: the encoding, such as utf-8, utf-16 or cp1252 (spreadsheets).")
    ] = "utf-8"
    na_values: Annotated[
        list[str] | None,
        typer.Option(
            "--na-values",
            "--na",
            help="A further code for a missing value: -99 in every column, or income=-99 in one. "
            "Repeatable.",
        ),
    ] = None
    keep_na: Annotated[
        bool,
        typer.Option(
            "--keep-na",
            help='CSV: read words such as "None" and "NA" in columns of text as answers, not as '
            "missing.",
        ),
    ] = False
    date_format: Annotated[
        str | None,
        typer.Option(help="CSV: the format of dates; give '%d/%m/%Y' where 31/05/2024 is a date."),
    ] = None
    skip: Annotated[
        int, typer.Option(min=0, help="Lines above the column names, such as a title.")
    ] = 0
    sheet: Annotated[
        str | None,
        typer.Option(help="Excel: the sheet's name or its number from 1; the first by default."),
    ] = None

    def format(self) -> CSVFormat:
        """Return the format that the options name.

        Raises:
            InputError: as :class:`absentia.data.csv.format.CSVFormat`.
        """
        separator = {"\\t": "\t", "tab": "\t"}.get(self.sep or "", self.sep)
        words = tuple(self.na_values or ())
        return CSVFormat(separator, *self[1:4], words, self.keep_na, self.date_format, self.skip)


#: what is assumed of a CSV file where no option is given
USUAL_CSV = CSVOptions()


def reads_a_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of :class:`CSVOptions` in the place of its parameter ``csv``.

    Typer makes a command's options from the signature of its function. This decorator writes that
    signature, so that the commands that read a table do not repeat nine options each.
    """
    options = get_type_hints(CSVOptions, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.name == "csv":
            parameters += [
                inspect.Parameter(
                    name,
                    parameter.kind,
                    default=CSVOptions._field_defaults[name],
                    annotation=annotation,
                )
                for name, annotation in options.items()
            ]
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        csv = CSVOptions(**{name: given.pop(name) for name in options})
        command(**given, csv=csv)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options
