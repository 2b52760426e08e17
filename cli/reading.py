"""Messages about how a table was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .console import listed, quoted, say

if TYPE_CHECKING:
    from ..data.csv.gaps import Gaps
    from .fields import Fields


def say_how_it_was_read(fields: Fields) -> None:
    """Print which words were read as missing, and which may have been meant so."""
    blank = 0 if fields.csv is None else fields.csv.blank_rows
    if blank:
        rows = "1 row" if blank == 1 else f"{blank} rows"
        say(f"note: {rows} at the end with nothing in them left out, also of what is written")
    for line in _of_gaps(fields.gaps):
        say(f"note: {line}")


def what_is_missing(fields: Fields) -> str:
    """Say what counts as missing in a file of this kind."""
    if fields.csv is None:
        return "missing are nulls, NaN and the codes that --na-values names"
    return (
        "missing are empty fields, words such as NA in columns of numbers, and the codes that "
        "--na-values names"
    )


def _of_gaps(gaps: Gaps) -> list[str]:
    lines = [f"'{word}' is read as missing in {_where(at)}" for word, at in gaps.read.items()]
    lines += [
        f"'{word}' is read as missing in {_where(at)}, of text, since it also stands in columns "
        f"of numbers; if it is an answer there, give --keep-na"
        for word, at in gaps.doubtful.items()
    ]
    lines += [
        f"'{word}' is read as an answer in {_where(at)}; if it stands for missing, give "
        f"--na-values {quoted(word)}"
        for word, at in gaps.kept.items()
    ]
    return lines + [
        f"--na-values {quoted(word)} does not occur in the table" for word in gaps.nowhere
    ]


def _where(columns: dict[str, int]) -> str:
    count = sum(columns.values())
    return f"{'1 field' if count == 1 else f'{count} fields'} of {listed(columns)}"
