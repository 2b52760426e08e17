"""The options of the commands that read a table, which say how a CSV file is written."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

from ..data.csv.format import CSVFormat
from .console import quoted

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
    drop_empty: Annotated[
        bool,
        typer.Option(
            "--drop-empty", help="Leave out rows with nothing in them, wherever they stand."
        ),
    ] = False
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
        return CSVFormat(
            separator,
            *self[1:4],
            words,
            self.keep_na,
            self.date_format,
            self.skip,
            self.drop_empty,
        )

    def typed(self) -> str:
        """Return the options that a table needs which was written in the same format.

        >>> CSVOptions(sep=";", decimal=",").typed()
        " --sep ';' --decimal ,"
        """
        kept = ("sep", "decimal", "thousands", "encoding", "date_format")
        given = {name: getattr(self, name) for name in kept}
        return "".join(
            f" --{name.replace('_', '-')} {quoted(str(value))}"
            for name, value in given.items()
            if value != self._field_defaults[name]
        )


#: what is assumed of a CSV file where no option is given
USUAL_CSV = CSVOptions()


class TalkOptions(NamedTuple):
    """The options that say what a command prints."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also print what is done, on standard error.")
    ] = False
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print one JSON document on standard output, messages on standard error."
        ),
    ] = False


#: what is printed where no option is given
USUAL_TALK = TalkOptions()


class FinishOptions(NamedTuple):
    """The options that say how imputed values are written."""

    digits: Annotated[
        str,
        typer.Option(
            help="Decimals of imputed numbers: 'observed', as many as the column's observed values "
            "have, 'all', or a number."
        ),
    ] = "observed"
    flags: Annotated[
        bool,
        typer.Option(
            "--flags", help="Also write which cells were imputed, to a file ending in -imputed."
        ),
    ] = False
    add_indicator: Annotated[
        bool,
        typer.Option(
            "--add-indicator",
            help="Append a column missingindicator_NAME of 0 and 1 for each incomplete column.",
        ),
    ] = False


#: how imputed values are written where no option is given
USUAL_FINISH = FinishOptions()

_GROUPS: dict[str, Any] = {"csv": CSVOptions, "talk": TalkOptions, "finish": FinishOptions}


def reads_a_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a group in the place of a parameter of the group's name.

    The groups are ``csv`` (:class:`CSVOptions`), ``talk`` (:class:`TalkOptions`) and ``finish``
    (:class:`FinishOptions`). Typer makes a command's options from the signature of its function.
    This decorator writes that signature, so that the commands do not repeat these options.
    """
    parameters: list[inspect.Parameter] = []
    members: dict[str, list[str]] = {}
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        group = _GROUPS.get(parameter.name)
        if group is None:
            parameters.append(parameter)
            continue
        options = get_type_hints(group, include_extras=True)
        members[parameter.name] = list(options)
        parameters += [
            inspect.Parameter(
                name, parameter.kind, default=group._field_defaults[name], annotation=annotation
            )
            for name, annotation in options.items()
        ]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        groups = {
            group: _GROUPS[group](**{name: given.pop(name) for name in names})
            for group, names in members.items()
        }
        command(**given, **groups)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options
