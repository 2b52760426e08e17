"""Which fields of a CSV are missing: empty ones, and words that fit no value of their column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..markers import without_markers
from .format import MISSING_WORDS, CSVFormat
from .types import ANYTHING, Expected, spelled_by


@dataclass(frozen=True)
class Gaps:
    """Fields that are not empty but are, or might be, missing, counted by word and column.

    Attributes:
        read: read as missing.
        doubtful: read as missing in a column of text, since the file marks gaps by it elsewhere.
        kept: read as text, though other files mark gaps by it.
        nowhere: words that were said to stand for missing and do not occur.
    """

    read: dict[str, dict[str, int]] = field(default_factory=dict)
    doubtful: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: dict[str, dict[str, int]] = field(default_factory=dict)
    nowhere: list[str] = field(default_factory=list)

    @staticmethod
    def count(where: dict[str, dict[str, int]], word: str, column: str, number: int) -> None:
        """Add a number of fields of one word to a table, with or without spaces around it."""
        columns = where.setdefault(word.strip(), {})
        columns[column] = columns.get(column, 0) + number


def find_gaps(
    texts: pd.DataFrame, form: CSVFormat, expected: Mapping[str, Expected]
) -> tuple[dict[str, np.ndarray], Gaps]:
    """Find the missing fields of each column, and those of them that are not empty."""
    given = words_by_column(form, texts.columns)
    counts = {str(name): Counter(column) for name, column in texts.items()}
    missing: dict[str, set[str]] = {}
    words: dict[str, set[str]] = {}
    of_text = set()
    for name, fields in counts.items():
        wanted = expected.get(name, ANYTHING)
        asked = {f for f in fields if any(_same(f, word, form) for word in given[name])}
        missing[name] = {f for f in fields if not f.strip()} | asked
        words[name] = {f for f in fields if f.strip() in MISSING_WORDS} - asked
        rest = [f for f in fields if f not in missing[name] | words[name]]
        spelled = spelled_by(rest, form, wanted)
        anything = spelled == "nothing" and wanted.type not in ("numbers", "whole", "dates")
        if spelled == "text" or anything:
            of_text.add(name)
    marks = {f.strip() for name in counts if name not in of_text for f in words[name]}
    gaps = Gaps()
    for name, fields in counts.items():
        answers = expected.get(name, ANYTHING).answers
        for text in sorted(missing[name]):
            if text.strip():
                gaps.count(gaps.read, text, name, fields[text])
        for text in sorted(words[name]):
            if name not in of_text:
                gaps.count(gaps.read, text, name, fields[text])
            elif text.strip() in marks and text not in answers and not form.keep_na:
                gaps.count(gaps.doubtful, text, name, fields[text])
            else:
                if text not in answers:
                    gaps.count(gaps.kept, text, name, fields[text])
                continue
            missing[name].add(text)
    for word in form.na_values:
        columns = [name for name in counts if word in given[name] or word.startswith(f"{name}=")]
        sought = [w for name in columns for w in given[name] if word in (w, f"{name}={w}")]
        if not any(_same(f, w, form) for f in gaps.read for w in sought):
            gaps.nowhere.append(word)
    masks = {
        str(name): column.isin(missing[str(name)]).to_numpy() for name, column in texts.items()
    }
    return masks, gaps


def words_by_column(form: CSVFormat, names: Iterable[Any]) -> dict[str, list[str]]:
    """Return the fields declared as missing, by column: "-99", or "income=-99" for one column."""
    found: dict[str, list[str]] = {str(name): [] for name in names}
    for word in form.na_values:
        column, mark, rest = word.rpartition("=")
        if mark and column in found:
            found[column].append(rest)
        else:
            for words in found.values():
                words.append(word)
    return found


def mark_gaps(frame: pd.DataFrame, form: CSVFormat) -> tuple[pd.DataFrame, Gaps]:
    """Mark as missing what was declared so, in a table that does not come from a CSV."""
    gaps = Gaps()
    given = words_by_column(form, frame.columns)
    result = frame
    for word in dict.fromkeys(word for words in given.values() for word in words):
        columns = {name: [word] for name, words in given.items() if word in words}
        marked = without_markers(result, columns)
        counts = marked.isna().sum() - result.isna().sum()
        for name, count in counts[counts > 0].items():
            gaps.count(gaps.read, word, str(name), int(count))
        if not (counts > 0).any():
            gaps.nowhere.append(word)
        result = marked
    return result, gaps


def _same(text: str, word: str, form: CSVFormat) -> bool:
    """Whether a field is a word, or the same number written differently, as -99 and -99.0."""
    text, word = text.strip(), word.strip()
    if text == word:
        return True
    ways = [form.of_numbers([one]) for one in (text, word)]
    # on the command line a number may also be written in the plain way
    ways[1] = ways[1] or CSVFormat().of_numbers([word])
    if ways[0] is None or ways[1] is None:
        return False
    return ways[0].number_of(text) == ways[1].number_of(word)
