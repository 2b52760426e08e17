"""The files that hold tables: their formats, as their names tell them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .system.files import TableError

#: the name that stands for standard input and standard output
STANDARD = Path("-")
#: by suffix, the character between two fields of a text file
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": ","}
SUFFIXES = (*SEPARATORS, ".parquet", ".xlsx")
_GIVE = "a .csv, .tsv, .parquet or .xlsx file (text may be compressed: .csv.gz)"
_OTHERS = {
    ".xls": "an old spreadsheet; save it as .xlsx or CSV",
    ".ods": "a spreadsheet of another format; save it as .xlsx or CSV",
    ".sav": "a file of SPSS; save it as CSV, with codes instead of labels",
    ".dta": "a file of Stata; save it as CSV",
    ".zip": "an archive; unpack it",
}


@dataclass(frozen=True)
class TableFile:
    """A file that holds a table, as its name describes it.

    >>> TableFile.of("out/filled.csv.gz").beside("rows").as_posix()
    'out/filled-rows.csv.gz'

    Attributes:
        path: the file, or ``-`` for standard input and output, which hold text.
        format: "text", "parquet" or "sheet".
        suffix: all that follows the stem, such as ".csv.gz".
        separator: for text, the character between two fields where none is given.
        compressed: whether text is compressed by gzip.
    """

    path: Path
    format: Literal["text", "parquet", "sheet"]
    suffix: str
    separator: str = ","
    compressed: bool = False

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> TableFile:
        """Tell the format of a table's file from its name.

        Raises:
            TableError: the name has another suffix; the message lists those that are allowed.
        """
        path = Path(path)
        if path == STANDARD:
            return cls(path, "text", "")
        last = path.suffix.lower()
        compressed = last == ".gz"
        suffix = path.with_suffix("").suffix.lower() if compressed else last
        whole = path.name[len(path.name) - len(suffix) - (3 if compressed else 0) :]
        if suffix in SEPARATORS:
            return cls(path, "text", whole, SEPARATORS[suffix], compressed)
        if suffix in SUFFIXES and not compressed:
            return cls(path, "parquet" if suffix == ".parquet" else "sheet", whole)
        if last in _OTHERS:
            raise TableError(f"{path}: {last!r} is {_OTHERS[last]}.")
        raise TableError(f"{path}: unknown suffix {whole!r}; give {_GIVE}.")

    @property
    def standard(self) -> bool:
        """Whether this is standard input or output."""
        return self.path == STANDARD

    @property
    def shown(self) -> str:
        """The name of the file in messages."""
        return "standard input" if self.standard else str(self.path)

    def beside(self, what: str) -> Path:
        """Return the name of a further table in the same folder and format."""
        stem = self.path.name.removesuffix(self.suffix)
        return self.path.with_name(f"{stem}-{what}{self.suffix}")
