"""A CSV's fields as text, its missing fields, and the typed table made of them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..system.files import TableError, reason
from .format import CSVFormat
from .gaps import Gaps, find_gaps
from .types import ANYTHING, Expected, Spelling, spelled_by, typed

_MAGIC = {
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"PK": "a spreadsheet or a ZIP archive; export it as CSV in UTF-8",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; export it as CSV in UTF-8",
    b"%PDF": "a PDF; export the table as CSV in UTF-8",
}
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = {";": "--sep ';'", "\t": "--sep '\\t'", "|": "--sep '|'"}


@dataclass(frozen=True)
class CSVTable:
    """A typed table read from a CSV, with the text of its fields.

    Attributes:
        frame: the table (n, p) in the types that its fields spell, NaN where missing.
        texts: the fields (n, p), under the row labels as the file spells them.
        form: the format of the file.
        blank_rows: the number of empty rows at the end, which were not read.
        gaps: the fields that are not empty and were, or might have been, read as missing.
        spellings: what the fields of each column spell, by name.
    """

    frame: pd.DataFrame
    texts: pd.DataFrame
    form: CSVFormat
    blank_rows: int
    gaps: Gaps
    spellings: dict[str, Spelling]


def read_csv(
    path: Path, form: CSVFormat | None = None, expected: Mapping[str, Expected] | None = None
) -> CSVTable:
    """Read a CSV file whose first line names the columns.

    A first column with an empty header holds the row labels. Rows at the end whose fields are all
    empty, as spreadsheets leave them, are not read.

    Args:
        path: the file.
        form: the format of the file.
        expected: the types that columns are to be read as, by name.

    Raises:
        TableError: the file is not a CSV of this format, lacks column names or repeats one, or has
            rows of different lengths; the message is one line that names the file.
    """
    form, expected = form or CSVFormat(), expected or {}
    header, rows, labelled = _rows(path, form)
    blank = _blank_at_the_end(rows)
    rows = rows[: len(rows) - blank]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    texts = pd.DataFrame(
        {
            name: pd.Series(column, dtype=object)
            for name, column in zip(header, columns, strict=True)
        }
    )
    labels = None
    if labelled:
        labels = texts.pop(header[0])
        texts.index = pd.Index(labels.to_numpy(), dtype=object)
    spellings, gaps = find_gaps(texts, form, expected)
    types = {
        str(name): typed(column, spellings[str(name)], expected.get(str(name), ANYTHING))
        for name, column in texts.items()
    }
    frame = pd.DataFrame(types, index=texts.index, columns=texts.columns)
    if labels is not None:
        values = Expected("values")
        spelled = spelled_by(dict.fromkeys(labels), CSVFormat(), values)
        frame.index = pd.Index(typed(labels, spelled, values)).rename(None)
    return CSVTable(frame, texts, form, blank, gaps, spellings)


def _rows(path: Path, form: CSVFormat) -> tuple[list[str], list[list[str]], bool]:
    with path.open("rb") as file:
        start = file.read(8)
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise TableError(f"{path}: the file is not a CSV table but {what}.")
    encoding = form.encoding
    for bom, name in _BOMS.items():
        if start.startswith(bom) and not encoding.lower().startswith("utf-16"):
            raise TableError(
                f"{path}: the file is not text in UTF-8 but in UTF-16; give --encoding {name}."
            )
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        with path.open(encoding=encoding, newline="") as file:
            lines = csv.reader(
                _without_zero_bytes(file, path), delimiter=form.separator, strict=True
            )
            header = next((line for line in lines if line), [])
            _check_header(header, path, form)
            rows = []
            for line in lines:
                if not line and len(header) > 1:
                    continue
                if line and len(line) != len(header):
                    raise TableError(
                        f"{path}: line {lines.line_num} has {len(line)} fields but the header has "
                        f"{len(header)}; the file is damaged or not separated by "
                        f"{_named(form.separator)}."
                    )
                rows.append(line)
    except UnicodeError as error:
        raise TableError(
            f"{path}: the file is not text in {form.encoding.upper()}; give its encoding "
            "(--encoding "
            "cp1252 is common for spreadsheets), or save the file as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise TableError(
            f"{path}: line {lines.line_num} cannot be read as CSV ({reason(error)}); look for a "
            "quotation mark that is not closed."
        ) from error
    return header, rows, header[0].strip() == ""


def _without_zero_bytes(lines: Iterable[str], path: Path) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise TableError(
                f"{path}: the file is not text, since it holds zero bytes; give a CSV file."
            )
        yield line


def _blank_at_the_end(rows: list[list[str]]) -> int:
    """Count the blank rows at the end, and turn the empty lines of one column into empty fields.

    In a file of one column only empty lines are blank; a quoted empty field is a missing value.
    """
    blank = 0
    for row in reversed(rows):
        if any(field.strip() for field in row) or (len(row) == 1):
            break
        blank += 1
    for row in rows:
        if not row:
            row.append("")
    return blank


def _check_header(header: list[str], path: Path, form: CSVFormat) -> None:
    names = [name.strip() for name in header]
    if not any(names):
        raise TableError(f"{path}: there are no column names; name the columns in the first line.")
    if len(names) == 1:
        for mark, option in _SEPARATORS.items():
            if mark in names[0]:
                raise TableError(
                    f"{path}: the fields seem to be separated by {_named(mark)}, not by "
                    f"{_named(form.separator)}; give {option}."
                )
        if form.separator != "," and "," in names[0]:
            raise TableError(
                f"{path}: the fields are not separated by {_named(form.separator)}; drop --sep."
            )
    if "" in names[1:]:
        raise TableError(
            f"{path}: column {names.index('', 1) + 1} has no name; name it in the first line."
        )
    check_unique(names, path)
    numbers = [form.is_number(name) for name in names]
    if all(numbers) and not _in_a_row(names, form):
        raise TableError(
            f"{path}: there are no column names, since the first line holds numbers "
            f"({names[0]}, ...); add a line with the names of the columns above it."
        )


def _in_a_row(names: list[str], form: CSVFormat) -> bool:
    """Whether numeric names count columns (0, 1, 2) or years (1990, 2000, 2010)."""
    if not all(map(form.is_whole, names)):
        return False
    steps = np.diff([form.whole_of(name) for name in names])
    return bool((steps > 0).all()) and len(set(steps)) <= 1


def _named(separator: str) -> str:
    return {",": "commas", ";": "semicolons", "\t": "tabs"}.get(separator, repr(separator))


def check_unique(names: Iterable[str], path: Path) -> None:
    """Refuse repeated column names.

    Raises:
        TableError: a name occurs twice; the message gives it.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise TableError(f"{path}: column name {name!r} occurs {count} times; rename it.")
