"""The missing fields of a CSV: empty ones, and words that do not fit the values of their column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..markers import without_markers
from .format import MISSING_WORDS, CSVFormat
from .types import ANYTHING, Expected, Spelling, spelled_by


@dataclass(frozen=True)
class Gaps:
    """Fields that are not empty but are, or might be, missing, counted by word and column.

    Attributes:
        read: words that were read as missing.
        doubtful: words that were read as missing in a column of text, because they stand for
            missing values in other columns of the file.
        kept: words that were read as text, although they stand for missing values in other files.
        nowhere: words that were declared to stand for missing values but do not occur.
    """

    read: dict[str, dict[str, int]] = field(default_factory=dict)
    doubtful: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: dict[str, dict[str, int]] = field(default_factory=dict)
    nowhere: list[str] = field(default_factory=list)

    def said(self) -> Iterator[str]:
        """Say which words were read as missing where nothing else was possible."""
        for word, at in self.read.items():
            yield f"'{word}' is read as missing in {_where(at)}"

    def doubts(self, cure: Callable[[str, str], str]) -> Iterator[str]:
        """Say which words may have been meant otherwise, and what to give then.

        Args:
            cure: returns what to give to "keep" a word as an answer, or to read it as a "gap".
        """
        for word, at in self.doubtful.items():
            yield (
                f"'{word}' is read as missing in {_where(at)}, of text, since it also stands in "
                f"columns of numbers; if it is an answer there, give {cure('keep', word)}"
            )
        for word, at in self.kept.items():
            yield (
                f"'{word}' is read as an answer in {_where(at)}; if it stands for missing, give "
                f"{cure('gap', word)}"
            )
        for word in self.nowhere:
            yield f"{cure('gap', word)} does not occur in the table"

    @staticmethod
    def count(where: dict[str, dict[str, int]], word: str, column: str, number: int) -> None:
        """Count fields that spell this word, with or without spaces around it."""
        columns = where.setdefault(word.strip(), {})
        columns[column] = columns.get(column, 0) + number


def _where(columns: dict[str, int]) -> str:
    count, most = sum(columns.values()), 4
    more = f" and {len(columns) - most} more" if len(columns) > most else ""
    named = ", ".join(list(columns)[:most]) + more
    return f"{'1 field' if count == 1 else f'{count} fields'} of {named}"


@dataclass
class _Column:
    """The distinct fields of one column, sorted by whether they are missing.

    Attributes:
        counts: how often each field occurs, in order of appearance.
        expected: what the column is expected to be.
        missing: the fields that are missing.
        words: the words for missing that are missing only if the column is not of text.
        spelling: what the other fields spell.
    """

    counts: Counter[str]
    expected: Expected
    missing: set[str]
    words: set[str]
    spelling: Spelling

    @classmethod
    def of(
        cls, texts: Iterable[str], given: list[str], form: CSVFormat, expected: Expected
    ) -> _Column:
        counts = Counter(texts)
        declared = {f for f in counts if any(_same(f, word, form) for word in given)}
        missing = {f for f in counts if not f.strip()} | declared
        words = {f for f in counts if f.strip() in MISSING_WORDS} - declared
        rest = [f for f in counts if f not in missing | words]
        return cls(counts, expected, missing, words, spelled_by(rest, form, expected))

    @property
    def of_text(self) -> bool:
        """Whether a word for missing may be an answer in this column."""
        unknown = self.expected.type not in ("numbers", "whole", "dates")
        return self.spelling.kind == "text" or (self.spelling.kind == "nothing" and unknown)

    def final_spelling(self) -> Spelling:
        """Return the spelling of all fields that are not missing, including words that are kept."""
        if self.words <= self.missing:
            return self.spelling
        return Spelling("text", tuple(f for f in self.counts if f not in self.missing))


def find_gaps(
    texts: pd.DataFrame, form: CSVFormat, expected: Mapping[str, Expected]
) -> tuple[dict[str, Spelling], Gaps]:
    """Find the missing fields of each column, and what the other fields of the column spell.

    Returns:
        What the fields of each column spell that are not missing, and the fields that are not
        empty but are, or might be, missing.
    """
    given = words_by_column(form, texts.columns)
    columns = {
        str(name): _Column.of(column, given[str(name)], form, expected.get(str(name), ANYTHING))
        for name, column in texts.items()
    }
    marks = {f.strip() for column in columns.values() if not column.of_text for f in column.words}
    gaps = Gaps()
    for name, column in columns.items():
        for text in sorted(column.missing):
            if text.strip():
                gaps.count(gaps.read, text, name, column.counts[text])
        for text in sorted(column.words):
            answer = text in column.expected.answers
            if not column.of_text:
                where = gaps.read
            elif text.strip() in marks and not answer and not form.keep_na:
                where = gaps.doubtful
            else:
                if not answer and not form.keep_na:
                    gaps.count(gaps.kept, text, name, column.counts[text])
                continue
            gaps.count(where, text, name, column.counts[text])
            column.missing.add(text)
    for word in form.na_values:
        mine = [name for name in columns if word in given[name] or word.startswith(f"{name}=")]
        sought = [w for name in mine for w in given[name] if word in (w, f"{name}={w}")]
        if not any(_same(f, w, form) for f in gaps.read for w in sought):
            gaps.nowhere.append(word)
    return {name: column.final_spelling() for name, column in columns.items()}, gaps


def words_by_column(form: CSVFormat, names: Iterable[Any]) -> dict[str, list[str]]:
    """Return the words declared as missing, by column: "-99", or "income=-99" for one column."""
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
    """Mark the declared words as missing in a table that does not come from a CSV."""
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
    """Whether a field equals a word, or is the same number written differently (-99 and -99.0)."""
    text, word = text.strip(), word.strip()
    if text == word:
        return True
    ways = [form.of_numbers([one]) for one in (text, word)]
    # on the command line a number may be written with a decimal point in any case
    ways[1] = ways[1] or CSVFormat().of_numbers([word])
    if ways[0] is None or ways[1] is None:
        return False
    return ways[0].number_of(text) == ways[1].number_of(word)
