"""Messages about how a table was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .console import counted, listed, quoted, say

if TYPE_CHECKING:
    import pandas as pd

    from .fields import Fields


def say_how_it_was_read(fields: Fields) -> None:
    """Print which words were read as missing, and which may have been meant so."""
    from ..data.table_reading import unread_sheets

    lines = []
    if fields.csv is not None:
        blank = fields.csv.blank_rows
        if blank:
            where = "" if fields.csv.form.drop_empty else " at the end"
            lines.append(
                f"{counted(blank, 'row')}{where} with nothing in them left out, also of what is "
                f"written"
            )
        lines += unread_sheets(fields.csv, "--sheet NAME")
        lines += _of_empty_rows(fields.csv.texts)
    for line in [*lines, *fields.gaps.said(), *fields.gaps.doubts(_option)]:
        say(f"note: {line}")


def _of_empty_rows(texts: pd.DataFrame) -> list[str]:
    """Report rows with nothing in them between others, unless they have a label."""
    import numpy as np
    import pandas as pd

    if len(texts.columns) == 1 or not isinstance(texts.index, pd.RangeIndex):
        return []
    blank = np.logical_and.reduce([texts[name].str.strip() == "" for name in texts.columns])
    if not blank.any():
        return []
    where = listed((np.flatnonzero(blank) + 1).tolist(), 3)
    return [
        f"{counted(int(blank.sum()), 'row')} with nothing in them (row {where} of the table): all "
        f"their values are imputed; give --drop-empty if they stand for nobody"
    ]


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
