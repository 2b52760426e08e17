"""Text that spells numbers, dates or codes, or spells one level in several ways."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

_DIGITS = r"[-+]?\s*(?:\d+|\d{1,3}(?:[,. ']\d{3})+)(?:[.,]\d+)?"
_MONEY = "[$€£¥₹]"
#: ways to write numbers as text: a name, a pattern, and the pandas code that removes the rest
_NUMBERS = [
    ("numbers", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"), ""),
    ("percentages", re.compile(rf"{_DIGITS}\s*%"), ".str.rstrip('% ')"),
    (
        "amounts of money",
        re.compile(rf"(?:[-+]?\s*{_MONEY}\s*{_DIGITS}|{_DIGITS}\s*{_MONEY})"),
        ".str.replace(r'[^0-9.-]', '', regex=True)",
    ),
    (
        "numbers with a decimal comma",
        re.compile(r"[-+]?(?:\d+|\d{1,3}(?:[. ']\d{3})+)(?:,\d+)?"),
        ".str.replace(',', '.')",
    ),
    (
        "numbers with separators",
        re.compile(r"[-+]?(?:\d+|\d{1,3}(?:[, ']\d{3})+)(?:\.\d+)?"),
        ".str.replace(r'[^0-9.-]', '', regex=True)",
    ),
    (
        "numbers with a unit",
        re.compile(rf"{_DIGITS}\s*[^\W\d_][\w/²³]*"),
        ".str.extract(r'([-+]?[0-9.]+)')[0]",
    ),
]
_OPTIONS = {
    "numbers with a decimal comma": "--decimal ,",
    "numbers with separators": "--thousands ,",
}
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+")
_DAY_AND_MONTH = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)([ T]\d.*)?")
_YEAR_FIRST = re.compile(r"\d{4}([/.-])\d{1,2}\1\d{1,2}(?:[ T]\d.*)?")
_MONTH = re.compile(
    r"(?:\d{1,2}[ -])?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -]"
    r"(?:\d{1,2},? )?(?:\d{4}|\d\d)",
    re.IGNORECASE,
)


class Reading(NamedTuple):
    """What a column of text spells, with an example and the way to read it.

    Attributes:
        words: what the text spells, in words.
        example: one of the strings.
        expression: the pandas code that converts the column, with {} in place of the column.
        option: the option of the command line that reads it, or None where there is none.
    """

    words: str
    example: str
    expression: str
    option: str | None = None


def numbers_in(levels: Sequence[str]) -> Reading | None:
    """Find out how these distinct strings spell numbers; None where they are not numbers."""
    stripped = [level.strip() for level in levels]
    # The comma in 1,200 separates thousands if all commas stand before three digits; otherwise it
    # is a decimal comma, as in 36,6.
    commas = [text for text in stripped if "," in text]
    grouped = bool(commas) and all(_THOUSANDS.fullmatch(text) for text in commas)
    for words, pattern, cleaned in _NUMBERS:
        decimal_comma = words == "numbers with a decimal comma"
        if decimal_comma and (grouped or not commas):
            continue
        if all(pattern.fullmatch(text) for text in stripped):
            marked = (t for t in levels if any(c.isdigit() for c in t) and not t.strip().isdigit())
            example = next(marked, levels[0])
            if words == "numbers with a unit" and not _one_unit(stripped):
                return None
            option = _OPTIONS.get(words)
            if decimal_comma and any("." in text for text in stripped):
                option = f"{option} --thousands ."
                cleaned = f".str.replace('.', ''){cleaned}"
            return Reading(words, example, f"pd.to_numeric({{}}{cleaned})", option)
    return None


def dates_in(levels: Sequence[str]) -> Reading | None:
    """Find out how these distinct strings spell dates; None where they are not dates."""
    stripped = [level.strip() for level in levels]
    if all(_YEAR_FIRST.fullmatch(text) or _MONTH.fullmatch(text) for text in stripped):
        return Reading("dates", levels[0], "pd.to_datetime({})")
    found = [match for match in map(_DAY_AND_MONTH.fullmatch, stripped) if match]
    if len(found) < len(stripped):
        return None
    pairs = [(int(match[1]), int(match[3])) for match in found]
    if any(max(pair) > 31 or not 1 <= min(pair) <= 12 for pair in pairs):
        return None
    day_first = any(first > 12 for first, _ in pairs)
    month_first = any(second > 12 for _, second in pairs)
    if day_first and month_first:
        return None
    words = "dates" if day_first or month_first else "dates, with the day or the month first,"
    mark, year = found[0][2], "%Y" if len(found[0][4]) == 4 else "%y"
    form = mark.join(("%m", "%d", year) if month_first else ("%d", "%m", year))
    same = all(match[2] == mark and match[5] is None for match in found)
    option = f"--date-format {form}" if same else None
    read = "" if month_first else ", dayfirst=True"
    return Reading(words, levels[0], f"pd.to_datetime({{}}{read})", option)


def same_but_for_spelling(levels: Collection[str]) -> list[str]:
    """Return the first group of strings that differ only by case and blanks, or no string.

    >>> same_but_for_spelling(["female", "M", "M ", "m"])
    ['M', 'M ', 'm']
    """
    groups: dict[str, list[str]] = {}
    for level in levels:
        groups.setdefault(" ".join(level.split()).casefold(), []).append(level)
    return next((group for group in groups.values() if len(group) > 1), [])


def leading_zero(texts: Collection[str]) -> str | None:
    """Return the first string of digits whose leading 0 a number would lose, as in 08654."""
    stripped = [text.strip() for text in texts]
    if not all(text.isdecimal() for text in stripped):
        return None
    return next((text for text in stripped if len(text) > 1 and text[0] == "0"), None)


def _one_unit(texts: Sequence[str]) -> bool:
    """Whether the same letters follow every number: 20 mg and 5 mg, but not 12a and 3b."""
    units = {re.sub(rf"^{_DIGITS}\s*", "", text).casefold() for text in texts}
    return len(units) == 1 and len(texts) > 1
