"""How the commands read a table: the options of a CSV, and messages about how it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..data.csv.format import CSVFormat
from .console import listed, quoted, say

if TYPE_CHECKING:
    from ..data.csv.gaps import Gaps
    from .fields import Fields

Sep = Annotated[str, typer.Option(help="CSV: the mark between two fields; '\\t' for tabs.")]
Decimal = Annotated[str, typer.Option(help="CSV: the mark before decimals, ',' in 36,6.")]
Thousands = Annotated[
    str | None, typer.Option(help="CSV: the mark between thousands, ',' in 1,200.")
]
Encoding = Annotated[str, typer.Option(help="CSV: utf-8, cp1252 (spreadsheets), utf-16, ...")]
NaValues = Annotated[
    list[str] | None,
    typer.Option(
        "--na-values",
        "--na",
        help="What else stands for missing, -99 say, or income=-99 in one column; repeatable.",
    ),
]
KeepNa = Annotated[
    bool,
    typer.Option(
        "--keep-na", help='CSV: words such as "None" and "NA" are answers in every column of text.'
    ),
]
DateFormat = Annotated[
    str | None, typer.Option(help="CSV: how dates are written, '%d/%m/%Y' in 31/05/2024.")
]


def csv_format(
    sep: str,
    decimal: str,
    thousands: str | None,
    encoding: str,
    na_values: list[str] | None,
    keep_na: bool,
    date_format: str | None,
) -> CSVFormat:
    """Return the format that the options name.

    Raises:
        ValueError: as :class:`absentia.data.csv.format.CSVFormat`.
    """
    separator = {"\\t": "\t", "tab": "\t"}.get(sep, sep)
    words = tuple(na_values or ())
    return CSVFormat(separator, decimal, thousands, encoding, words, keep_na, date_format)


def say_how_it_was_read(fields: Fields) -> None:
    """Print what was read differently from its text, or may have been."""
    blank = 0 if fields.csv is None else fields.csv.blank_rows
    if blank:
        rows = "1 row" if blank == 1 else f"{blank} rows"
        say(f"note: {rows} at the end with nothing in them: left out, here and in what is written")
    for line in _of_gaps(fields.gaps):
        say(f"note: {line}")


def what_is_missing(fields: Fields) -> str:
    """Say what counts as missing in a file of this kind."""
    if fields.csv is None:
        return "a gap is a null or NaN, and what --na-values names"
    return "an empty field is a gap, a word such as NA among numbers, and what --na-values names"


def _of_gaps(gaps: Gaps) -> list[str]:
    lines = [f"'{word}' is read as missing in {_where(at)}" for word, at in gaps.read.items()]
    lines += [
        f"'{word}' is read as missing in {_where(at)}, of text, since it stands among numbers too; "
        f"if it is an answer there, give --keep-na"
        for word, at in gaps.doubtful.items()
    ]
    lines += [
        f"'{word}' is read as an answer in {_where(at)}; if it stands for missing, give "
        f"--na-values {quoted(word)}"
        for word, at in gaps.kept.items()
    ]
    return lines + [f"--na-values {quoted(word)} stands nowhere" for word in gaps.nowhere]


def _where(columns: dict[str, int]) -> str:
    count = sum(columns.values())
    return f"{'1 field' if count == 1 else f'{count} fields'} of {listed(columns)}"
