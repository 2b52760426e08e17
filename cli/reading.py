"""Messages about how a table was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .console import quoted, say

if TYPE_CHECKING:
    from .fields import Fields


def say_how_it_was_read(fields: Fields) -> None:
    """Print which words were read as missing, and which may have been meant so."""
    from ..data.table_reading import unread_sheets

    lines = []
    if fields.csv is not None:
        blank = fields.csv.blank_rows
        if blank:
            rows = "1 row" if blank == 1 else f"{blank} rows"
            lines.append(
                f"{rows} at the end with nothing in them left out, also of what is written"
            )
        lines += unread_sheets(fields.csv, "--sheet NAME")
    for line in [*lines, *fields.gaps.said(), *fields.gaps.doubts(_option)]:
        say(f"note: {line}")


def _option(what: str, word: str) -> str:
    return "--keep-na" if what == "keep" else f"--na-values {quoted(word)}"


def what_is_missing(fields: Fields) -> str:
    """Say what counts as missing in a file of this kind."""
    if fields.csv is None:
        return "missing are nulls, NaN and the codes that --na-values names"
    return (
        "missing are empty fields, words such as NA in columns of numbers, and the codes that "
        "--na-values names"
    )
