"""Spreadsheets in Excel's format, read as fields of text, so that the rules of CSVs hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any
from zipfile import BadZipFile

from ..errors import NotInstalledError
from ..system.files import TableError, reason
from ..table_files import TableFile
from .fields import CSVTable, check_header, table_of
from .format import CSVFormat
from .types import Expected

#: whole numbers above this are written with all digits that the file has
_EXACT = 2**53
_NEEDED = "reading .xlsx needs the package openpyxl; install it (pip install 'absentia[excel]')"


def read_sheet(
    file: TableFile,
    form: CSVFormat,
    expected: Mapping[str, Expected] | None = None,
    sheet: str | int | None = None,
) -> CSVTable:
    """Read one sheet of an Excel file, whose first row with a value names the columns.

    Cells are spelled as a CSV in this format spells them, so that text such as ``NA`` or ``36,6``
    among numbers is read by the same rules. A formula counts with the value that the file keeps.
    Columns without a name and a value are left out, and so are empty rows at the end.

    Args:
        file: the file.
        form: the format of numbers and dates that are written as text.
        expected: the types that columns are to be read as, by name.
        sheet: the name of the sheet, or its number from 1; by default the first visible one.

    Raises:
        TableError: the file or the sheet cannot be read, or column names are missing or repeated.
        NotInstalledError: openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise NotInstalledError(f"{file.path}: {_NEEDED}, or save the file as CSV") from error
    try:
        book = openpyxl.load_workbook(file.path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        raise TableError(
            f"{file.path}: the file is damaged, or not an Excel file ({reason(error)})."
        ) from error
    try:
        chosen = _chosen(book, file, sheet)
        header, rows = _rows(chosen.iter_rows(values_only=True), file, form)
        others = tuple(
            str(one.title)
            for one in book.worksheets
            if sheet is None and one.title != chosen.title and _holds_something(one)
        )
    finally:
        book.close()
    return replace(table_of(header, rows, form, expected or {}), unread=others)


def _chosen(book: Any, file: TableFile, sheet: str | int | None) -> Any:
    sheets = list(book.worksheets)
    if sheet is None:
        visible = [one for one in sheets if one.sheet_state == "visible"] or sheets
        if not visible:
            raise TableError(f"{file.path}: there is no sheet with cells.")
        return visible[0]
    for one in sheets:
        if one.title == str(sheet):
            return one
    number = int(sheet) if str(sheet).isdecimal() else 0
    if 1 <= number <= len(sheets):
        return sheets[number - 1]
    names = ", ".join(repr(one.title) for one in sheets)
    raise TableError(
        f"{file.path}: there is no sheet {str(sheet)!r}; give one of {names}, or its number from 1."
    )


def _holds_something(sheet: Any) -> bool:
    for k, row in enumerate(sheet.iter_rows(values_only=True)):
        if any(value is not None for value in row):
            return True
        if k == 100:
            return False
    return False


def _rows(
    cells: Iterable[tuple[Any, ...]], file: TableFile, form: CSVFormat
) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the rows of fields, without columns that are empty."""
    lines = _spelled(cells, form)
    for _ in range(form.skip):
        next(lines, None)
    header = next((line for line in lines if any(map(str.strip, line))), [])
    rows = list(lines)
    width = max(map(len, [header, *rows]))
    header, *rows = ([*line, *[""] * (width - len(line))] for line in [header, *rows])
    used = [j for j in range(width) if header[j].strip() or any(row[j].strip() for row in rows)]
    header = [header[j] for j in used]
    check_header(header, file, form)
    return header, [[row[j] for j in used] for row in rows]


def _spelled(cells: Iterable[tuple[Any, ...]], form: CSVFormat) -> Iterator[list[str]]:
    return ([_field(value, form) for value in row] for row in cells)


def _field(value: Any, form: CSVFormat) -> str:
    """Spell a cell as a field of a CSV in this format."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < _EXACT
        return str(int(value)) if whole else form.spelled(value)
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
