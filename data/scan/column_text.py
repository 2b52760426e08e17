"""The type that all fields of a column of a CSV file spell, found block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from ..csv.format import FALSE_WORDS, MISSING_WORDS, TRUE_WORDS, CSVFormat

_WORDS = pa.array(sorted(MISSING_WORDS))
_BOOLEANS = pa.array(sorted(TRUE_WORDS | FALSE_WORDS))
_DATE = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"
_WHOLE, _CODE = r"^[+-]?\d+$", r"^[+-]?0\d+$"
_TYPES = {
    "date": pa.timestamp("us"), "whole": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
}  # fmt: skip


@dataclass
class ColumnText:
    """What the fields of a column spell that are not missing, as far as they have been seen.

    Attributes:
        form: how the file spells numbers.
        gaps: the fields that were declared to stand for missing values.
        possible: what all fields so far may be.
        codes: whether a whole number starts with a zero, as codes do.
        words: the words for missing that occur.
        seen: whether there was a field that is not missing.
    """

    form: CSVFormat
    gaps: frozenset[str] = frozenset()
    possible: list[str] = field(default_factory=lambda: list(_TYPES))
    codes: bool = False
    words: set[str] = field(default_factory=set)
    seen: bool = False

    @classmethod
    def of(cls, name: str, names: Sequence[str], form: CSVFormat) -> ColumnText:
        """Begin a column, with the words that ``form`` declares as missing in it or everywhere."""
        gaps = set()
        for word in form.na_values:
            column, equals, value = word.partition("=")
            if not (equals and column in names):
                gaps.add(word)
            elif column == name:
                gaps.add(value)
        return cls(form, frozenset(gaps))

    @property
    def type(self) -> pa.DataType:
        """The type of the column in Arrow."""
        if not self.seen:
            return pa.string() if self.words else pa.float64()
        if "whole" in self.possible and not self.codes:
            return pa.int64()
        if "number" in self.possible and not ("whole" in self.possible and self.codes):
            return pa.float64()
        return next((_TYPES[k] for k in ("date", "boolean") if k in self.possible), pa.string())

    def add(self, texts: pa.Array) -> None:
        """Take in the fields (n,) of a block."""
        fields = pc.utf8_trim_whitespace(texts)
        fields = fields.filter(pc.invert(self._is_gap(fields)))
        is_word = pc.is_in(fields, _WORDS)
        self.words.update(pc.unique(fields.filter(is_word)).to_pylist())
        fields = fields.filter(pc.invert(is_word))
        if not len(fields):
            return
        self.seen = True
        plain = self._plain(fields)
        self.codes = self.codes or pc.any(pc.match_substring_regex(plain, _CODE)).as_py()
        self.possible = [
            kind
            for kind in self.possible
            if _spell(plain if kind in ("whole", "number") else fields, kind)
        ]

    def typed(self, texts: pa.Array, marks: set[str]) -> pa.Array:
        """Convert fields (n,) to the type of the column, null where missing.

        Args:
            texts: the fields.
            marks: the words by which columns that are not of text mark gaps.
        """
        kind = self.type
        fields = pc.utf8_trim_whitespace(texts)
        words = pa.array(sorted(marks if kind == pa.string() else self.words), pa.string())
        missing = pc.or_(self._is_gap(fields), pc.is_in(fields, words))
        whole = texts if kind == pa.string() else fields
        if _is_number(kind):
            whole = self._plain(fields)
        return _cast(pc.if_else(missing, pa.scalar(None, pa.string()), whole), kind)

    def _is_gap(self, fields: pa.Array) -> pa.Array:
        """Tell which fields (n,) are empty, or were declared to stand for missing values."""
        found = pc.equal(fields, "")
        if self.gaps:
            given = pa.array(sorted(word.strip() for word in self.gaps))
            found = pc.or_(found, pc.is_in(fields, given))
            plain = pc.replace_substring_regex(self._plain(fields), r"\.0*$", "")
            found = pc.or_(found, pc.is_in(plain, given))  # -99.0 is -99
        return found

    def _plain(self, fields: pa.Array) -> pa.Array:
        """Write the numbers among the fields (n,) with a decimal point and without other marks."""
        form = self.form
        if form.decimal == "." and form.thousands is None:
            return fields
        plain = fields
        if form.thousands is not None:
            plain = pc.replace_substring(plain, form.thousands, "")
        plain = pc.replace_substring(plain, form.decimal, ".")
        return pc.if_else(pc.match_substring_regex(fields, f"^(?:{form.pattern})$"), plain, fields)


def _spell(fields: pa.Array, kind: str) -> bool:
    """Whether all fields spell values of a kind."""
    if kind == "boolean":
        return bool(pc.all(pc.is_in(fields, _BOOLEANS)).as_py())
    pattern = {"date": _DATE, "whole": _WHOLE}.get(kind)
    if pattern is not None and not pc.all(pc.match_substring_regex(fields, pattern)).as_py():
        return False
    try:
        _cast(fields, _TYPES[kind])
    except pa.ArrowInvalid:
        return False
    return True


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _cast(fields: pa.Array, kind: pa.DataType) -> pa.Array:
    if _is_number(kind):
        fields = pc.replace_substring_regex(fields, r"^\+", "")
    if pa.types.is_boolean(kind):
        fields = pc.utf8_lower(fields)
    return pc.cast(fields, kind)
