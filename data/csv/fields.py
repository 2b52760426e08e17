"""A CSV's fields as text, its missing fields, and the typed table made of them."""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..system.files import TableError, reason
from ..table_files import TableFile
from .format import CSVFormat
from .gaps import Gaps, find_gaps
from .types import ANYTHING, Expected, Spelling, spelled_by, typed

_MAGIC = {
    b"\x1f\x8b": "compressed by gzip; name it .csv.gz",
    b"PK": "a spreadsheet or a ZIP archive; name it .xlsx, or export it as CSV in UTF-8",
    b"PAR1": "a Parquet file; name it .parquet",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; export it as CSV in UTF-8",
    b"%PDF": "a PDF; export the table as CSV in UTF-8",
}
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = {";": "sep=';'", "\t": "sep='\\t'", "|": "sep='|'"}


@dataclass(frozen=True)
class CSVTable:
    """A typed table read from a CSV or a spreadsheet, with the text of its fields.

    Attributes:
        frame: the table (n, p) in the types that its fields spell, NaN where missing.
        texts: the fields (n, p), under the row labels as the file spells them.
        form: the format of the file.
        blank_rows: the number of empty rows that were not read: those at the end, or all of them.
        unread: other sheets of the file that hold something, by name.
        gaps: the fields that are not empty and were, or might have been, read as missing.
        spellings: what the fields of each column spell, by name.
    """

    frame: pd.DataFrame
    texts: pd.DataFrame
    form: CSVFormat
    blank_rows: int
    gaps: Gaps
    spellings: dict[str, Spelling]
    unread: tuple[str, ...] = ()


def read_csv(
    file: TableFile, form: CSVFormat | None = None, expected: Mapping[str, Expected] | None = None
) -> CSVTable:
    """Read a CSV file whose first line names the columns.

    A first column with an empty header holds the row labels. Rows at the end whose fields are all
    empty, as spreadsheets leave them, are not read.

    Args:
        file: the file, or standard input.
        form: the format of the file.
        expected: the types that columns are to be read as, by name.

    Raises:
        TableError: the file is not a CSV of this format, lacks column names or repeats one, or has
            rows of different lengths; the message is one line that names the file.
    """
    form = form or CSVFormat()
    header, rows = _rows(file, form)
    return table_of(header, rows, form, expected or {})


def table_of(
    header: list[str], rows: list[list[str]], form: CSVFormat, expected: Mapping[str, Expected]
) -> CSVTable:
    """Make the typed table of checked column names and rows of fields, as :func:`read_csv` does."""
    labelled = header[0].strip() == ""
    blank = _blank_at_the_end(rows)
    rows = rows[: len(rows) - blank]
    if form.drop_empty:
        kept = [row for row in rows if any(field.strip() for field in row)]
        blank, rows = blank + len(rows) - len(kept), kept
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


def _rows(file: TableFile, form: CSVFormat) -> tuple[list[str], list[list[str]]]:
    separator = file.separator if form.separator is None else form.separator
    try:
        with _opened(file, form) as text:
            lines = csv.reader(_without_zero_bytes(text, file), delimiter=separator, strict=True)
            for _ in range(form.skip):
                next(lines, None)
            header = next((line for line in lines if line), [])
            check_header(header, file, form, separator)
            rows = []
            for line in lines:
                if not line and len(header) > 1:
                    continue
                if line and len(line) != len(header):
                    title = len(header) == 1 and lines.line_num == form.skip + 2
                    raise TableError(
                        f"{file.shown}: line {lines.line_num} has {len(line)} fields but the "
                        f"header has {len(header)}; the file is damaged or not separated by "
                        f"{_named(separator)}"
                        + (", or a title stands above the names (give skip=1)." if title else ".")
                    )
                rows.append(line)
    except UnicodeError as error:
        raise TableError(
            f"{file.shown}: the file is not text in {form.encoding.upper()}; give its encoding "
            "(encoding='cp1252' is common for spreadsheets), or save the file as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise TableError(
            f"{file.shown}: line {lines.line_num} cannot be read as CSV ({reason(error)}); look "
            "for a quotation mark that is not closed."
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(
            f"{file.shown}: the file is damaged, or not compressed by gzip ({reason(error)})."
        ) from error
    return header, rows


@contextmanager
def _opened(file: TableFile, form: CSVFormat) -> Iterator[io.TextIOWrapper]:
    """Open a file of text, unpacked, after a look at its first bytes."""
    if file.standard and sys.stdin is None:  # a shell has closed it
        raise TableError("standard input is closed; give a table with column names and rows.")
    with ExitStack() as stack:
        binary: Any = io.BytesIO(sys.stdin.buffer.read()) if file.standard else file.path.open("rb")
        binary = stack.enter_context(io.BufferedReader(binary) if file.standard else binary)
        if file.compressed or (file.standard and binary.peek(2).startswith(b"\x1f\x8b")):
            binary = stack.enter_context(gzip.GzipFile(fileobj=binary))
        encoding = _encoding(binary.peek(8)[:8], file, form)
        yield stack.enter_context(io.TextIOWrapper(binary, encoding=encoding, newline=""))


def _encoding(start: bytes, file: TableFile, form: CSVFormat) -> str:
    """Return the encoding of a file that starts with these bytes, and refuse what is no text."""
    if file.standard and not start:
        raise TableError("standard input is empty; give a table with column names and rows.")
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise TableError(f"{file.shown}: the file is not a CSV table but {what}.")
    encoding = form.encoding
    for bom, name in _BOMS.items():
        if start.startswith(bom) and not encoding.lower().startswith("utf-16"):
            raise TableError(
                f"{file.shown}: the file is not text in UTF-8 but in UTF-16; give "
                f"encoding='{name}'."
            )
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    return encoding


def _without_zero_bytes(lines: Iterable[str], file: TableFile) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise TableError(
                f"{file.shown}: the file is not text, since it holds zero bytes; give a CSV file."
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


def check_header(header: list[str], file: TableFile, form: CSVFormat, separator: str = "") -> None:
    """Refuse column names that are missing, repeated or numbers.

    Raises:
        TableError: the message is one line that names the file and the way out.
    """
    path, names = file.shown, [name.strip() for name in header]
    if not any(names):
        raise TableError(f"{path}: there are no column names; name the columns in the first line.")
    if len(names) == 1 and separator:
        for mark, option in _SEPARATORS.items():
            if mark in names[0] and mark != separator:
                raise TableError(
                    f"{path}: the fields seem to be separated by {_named(mark)}, not by "
                    f"{_named(separator)}; give {option}."
                )
        if separator != "," and "," in names[0]:
            raise TableError(
                f"{path}: the fields are not separated by {_named(separator)}; "
                + ("drop sep=." if form.separator else "give sep=','.")
            )
    if "" in names[1:]:
        title = ", or give skip=1 if it holds a title" if names.count("") > len(names) / 2 else ""
        raise TableError(
            f"{path}: column {names.index('', 1) + 1} has no name; name it in the first line"
            f"{title}."
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


def check_unique(names: Iterable[str], path: object) -> None:
    """Refuse repeated column names.

    Raises:
        TableError: a name occurs twice; the message gives it.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise TableError(f"{path}: column name {name!r} occurs {count} times; rename it.")
