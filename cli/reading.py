"""Messages about how a table was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .console import listed, quoted, say

if TYPE_CHECKING:
    from ..data.csv.gaps import Gaps
    from .fields import Fields


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
