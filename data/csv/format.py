"""The format of a CSV file: its separator, numbers and dates, and its words for missing."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError

#: the words that programs write for a missing value: those that pandas knows, and what
#: spreadsheets write into cells that they cannot compute
MISSING_WORDS = frozenset(
    [
        *("#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"),
        *("NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "None", "NULL", "null"),
        *("NaN", "nan", "-NaN", "-nan", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
    ]
)
TRUE_WORDS = frozenset(["True", "TRUE", "true"])
FALSE_WORDS = frozenset(["False", "FALSE", "false"])
_DIRECTIVES = re.compile(r"%[A-Za-z]")


@dataclass(frozen=True)
class CSVFormat:
    """The format of a CSV file: how its fields are separated and how they spell values.

    An empty field is missing. So is a word of :data:`MISSING_WORDS` in a column whose other
    fields are numbers, dates or booleans, where it can be nothing else. In a column of text such
    a word may be an answer ("None", or NA for Namibia): there it is missing only if the file
    marks gaps by it in one of those other columns too, and not with ``keep_na``.

    >>> CSVFormat(decimal=",", thousands=".").number_of("1.234,5")
    1234.5

    Args:
        separator: the character between two fields; by default the one that the file's name
            implies, a tab for .tsv and a comma for others.
        decimal: the character before the decimals.
        thousands: the character between groups of three digits, if there is one.
        encoding: the encoding of the text; a byte order mark is skipped.
        na_values: further fields that stand for missing values, in all columns ("-99") or in one
            ("income=-99").
        keep_na: whether words for missing stay text in every column of text.
        date_format: the format of dates besides ISO 8601, in the directives of ``strptime``.
        skip: the number of lines above the column names that are left out, such as a title.
        drop_empty: whether rows with nothing in them are left out wherever they stand, and not only
            at the end of the file.

    Raises:
        ValueError: a mark has several characters or equals another one, the encoding is unknown,
            or the date format has no day.
    """

    separator: str | None = None
    decimal: str = "."
    thousands: str | None = None
    encoding: str = "utf-8"
    na_values: tuple[str, ...] = ()
    keep_na: bool = False
    date_format: str | None = None
    skip: int = 0
    drop_empty: bool = False

    def __post_init__(self) -> None:
        """Refuse a format with which no file can be read."""
        separator = "," if self.separator is None else self.separator
        for mark, name in ((separator, "separator"), (self.decimal, "decimal mark")):
            if len(mark) != 1 or mark in '"\r\n':
                raise InputError(f"the {name} is {mark!r}; give one character.")
        if self.decimal.isalnum() or self.decimal in "+-":
            raise InputError(f"the decimal mark is {self.decimal!r}; give '.' or ','.")
        if self.thousands is not None:
            if len(self.thousands) != 1 or self.thousands.isalnum() or self.thousands in '+-"\r\n':
                raise InputError(
                    f"the mark between thousands is {self.thousands!r}; give one character, "
                    "such as ','."
                )
            if self.thousands == self.decimal:
                raise InputError(
                    f"{self.decimal!r} is both the decimal mark and the mark between thousands; "
                    "give "
                    "two different marks."
                )
        try:
            known = codecs.lookup(self.encoding)
            "a".encode(known.name)  # fails for base64 and others that do not encode text
        except (LookupError, ValueError) as error:
            raise InputError(
                f"the encoding {self.encoding!r} is unknown; give utf-8, cp1252, latin-1, utf-16 "
                "or another that Python knows."
            ) from error
        if self.date_format is not None:
            directives = set(_DIRECTIVES.findall(self.date_format.replace("%%", "")))
            if not ({"%d", "%j"} & directives or {"%x", "%c", "%D", "%F"} & directives):
                raise InputError(
                    f"the date format {self.date_format!r} has no day; write it with %d, %m and "
                    "%Y, as "
                    "in '%d/%m/%Y', which reads 31/05/2024."
                )

    @cached_property
    def _number(self) -> re.Pattern[str]:
        decimal = re.escape(self.decimal)
        whole = r"\d+"
        if self.thousands is not None:
            mark = re.escape(self.thousands)
            # The last group has three digits, so that 36,6 is not read as 366; the other groups
            # may have two, as in India.
            whole = rf"(?:\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|\d+)"
        digits = rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)"
        return re.compile(rf"\s*[+-]?(?:{digits}(?:[eE][+-]?\d+)?|(?i:inf(?:inity)?))\s*")

    @property
    def pattern(self) -> str:
        """The regular expression of a whole field that is a number."""
        return self._number.pattern

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        grouped = ""
        if self.thousands is not None:
            mark = re.escape(self.thousands)
            grouped = rf"|\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}"
        return re.compile(rf"\s*[+-]?(?:\d+{grouped})\s*")

    def is_number(self, field: str) -> bool:
        """Whether a field is a number."""
        return self._number.fullmatch(field) is not None

    def is_whole(self, field: str) -> bool:
        """Whether a field is a number without decimals."""
        return self._whole.fullmatch(field) is not None

    def of_numbers(self, fields: Iterable[str]) -> CSVFormat | None:
        """Return the format in which all fields are numbers: this one or the plain one, else None.

        In a file with decimal commas a column may have decimal points; it is read so unless the
        point is one of the marks of this format.
        """
        fields = list(fields)
        if all(map(self.is_number, fields)):
            return self
        plain = CSVFormat()
        point_is_free = "." not in (self.thousands, self.decimal)
        return plain if point_is_free and all(map(plain.is_number, fields)) else None

    def number_of(self, field: str) -> float:
        """Return the number that a field spells, to the last bit."""
        return float(self._plain(field))

    def whole_of(self, field: str) -> int:
        """Return the whole number that a field spells, whatever its size."""
        return int(self._plain(field))

    def spelled(self, value: object) -> str:
        """Write a number in the format of this file."""
        return str(value).replace(".", self.decimal)

    def _plain(self, field: str) -> str:
        if self.thousands is not None:
            field = field.replace(self.thousands, "")
        return field.replace(self.decimal, ".").strip()
