"""Column names in figures: cut in the middle where long, and told apart from each other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

#: the characters of a line below or above a panel, of a name in it, and of one beside an axis
LINE, TITLE, TICK = 42, 54, 24

#: names are read in words, and are often joined of them
_WORD = re.compile(r"[^\s_./,;:()-]+")


def short(name: object, most: int = TICK) -> str:
    """Cut the middle of a long name: names of a table often differ in how they end.

    A dollar sign, which would start a formula, is written as such.

    >>> short("systolic blood pressure, second visit", 24)
    'systolic blo…econd visit'
    """
    return _text(_cut(str(name), most))


def shorts(names: Sequence[object], most: int = TICK) -> list[str]:
    """Cut long names, and show those that would look alike by the words in which they differ.

    >>> shorts(["blood pressure at the first visit", "blood pressure at the next visit"], 12)
    ['…first…', '…next…']
    >>> shorts([f"serum_{what}_visit_{k}_morning" for what in ("iron", "zinc") for k in (1, 2)], 12)
    ['…iron…1…', '…iron…2…', '…zinc…1…', '…zinc…2…']
    """
    full = [str(name) for name in names]
    cut = {name: _cut(name, most) for name in full}
    if _groups(cut):
        cut |= _by_words([name for name in cut if len(name) > most], most)
    # where words do not tell them apart, letters may; a number always does
    for alike in _groups(cut):
        cut |= _by_letters(alike, most)
    for alike in _groups(cut):
        for k, name in enumerate(alike, 1):
            cut[name] = f"{_cut(name, max(most - 5, 1))} ({k})"
    return [_text(cut[name]) for name in full]


def lines(text: str, width: int = LINE, most: int = 2) -> str:
    """Break a title or label into as many lines as there is room for, and cut what is longer.

    >>> print(lines("concentration of glucose in serum at the second visit", 30))
    concentration of glucose in
    serum at the second visit
    """
    parts = _wrapped(text, width)
    room = most * width
    while len(parts) > most:
        parts = _wrapped(_cut(text, room), width)
        room -= 2
    return _text("\n".join(parts))


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text after blanks and underscores, and elsewhere where there are none."""
    found = [""]
    for part in re.split(r"(?<=[\s_/])", " ".join(text.split())):
        if found[-1] and len((found[-1] + part).rstrip()) > width:
            found.append("")
        found[-1] += part
        while len(found[-1].rstrip()) > width:
            found[-1:] = [found[-1][:width], found[-1][width:]]
    return [line.strip() for line in found]


def _groups(cut: dict[str, str]) -> list[list[str]]:
    """Return the names that look alike, in groups."""
    alike: dict[str, list[str]] = {}
    for name, one in cut.items():
        alike.setdefault(one, []).append(name)
    return [group for group in alike.values() if len(group) > 1]


def _by_words(names: list[str], most: int) -> dict[str, str]:
    """Write of each name the words that not all names of as many words have in that place."""
    found: dict[str, str] = {}
    of_words: dict[int, list[str]] = {}
    for name in names:
        of_words.setdefault(len(_WORD.findall(name)), []).append(name)
    for group in of_words.values():
        words = [list(_WORD.finditer(name)) for name in group]
        differ = [len({one[0] for one in place}) > 1 for place in zip(*words, strict=True)]
        for name, own in zip(group, words, strict=True):
            runs = [
                list(run)
                for varies, run in itertools.groupby(range(len(own)), key=differ.__getitem__)
                if varies
            ]
            if not runs:
                found[name] = _cut(name, most)
                continue
            parts = [name[own[run[0]].start() : own[run[-1]].end()] for run in runs]
            head = "…" if own[runs[0][0]].start() else ""
            tail = "…" if own[runs[-1][-1]].end() < len(name) else ""
            found[name] = _cut(head + "…".join(parts) + tail, most)
    return found


def _by_letters(alike: list[str], most: int) -> dict[str, str]:
    """Write of each name what is between the letters that all begin and end with."""
    head = _alike(alike)
    tail = _alike([name[head:][::-1] for name in alike])
    return {name: f"…{_cut(name[head : len(name) - tail], most - 2)}…" for name in alike}


def _alike(texts: Sequence[str]) -> int:
    """Return how many characters all texts begin with."""
    for k, letters in enumerate(zip(*texts, strict=False)):
        if len(set(letters)) > 1:
            return k
    return min(map(len, texts))


def _cut(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def _text(name: str) -> str:
    return name.replace("\\$", "$").replace("$", r"\$")
