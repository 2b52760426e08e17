"""Column names in figures: cut in the middle where long, and told apart from each other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

#: the characters of a line below or above a panel, and of a name beside an axis
LINE, TICK = 42, 24


def short(name: object, most: int = TICK) -> str:
    """Cut the middle of a long name: names of a table often differ in how they end.

    A dollar sign, which would start a formula, is written as such.

    >>> short("systolic blood pressure, second visit", 24)
    'systolic blo…econd visit'
    """
    return _text(_cut(str(name), most))


def shorts(names: Sequence[object], most: int = TICK) -> list[str]:
    """Cut long names, and show those that would look alike by where they differ.

    >>> shorts(["blood pressure at the first visit", "blood pressure at the next visit"], 12)
    ['…first…', '…next…']
    """
    full = [str(name) for name in names]
    cut = [_cut(name, most) for name in full]
    for alike in {one for one in cut if cut.count(one) > 1}:
        places = [k for k, one in enumerate(cut) if one == alike]
        group = sorted({full[k] for k in places})
        if len(group) == 1:
            continue
        head = _alike(group)
        tail = _alike([name[head:][::-1] for name in group])
        for k in places:
            # whole words are easier to read than the letters that differ
            start = full[k].rfind(" ", 0, head + 1) + 1
            end = full[k].find(" ", len(full[k]) - tail)
            middle = full[k][start : end if end >= 0 else len(full[k])]
            cut[k] = f"…{_cut(middle, most - 2)}…"
    return [_text(one) for one in cut]


def lines(text: str, width: int = LINE, most: int = 2) -> str:
    """Break a title or label into as many lines as there is room for, and cut what is longer.

    >>> print(lines("concentration of glucose in serum at the second visit", 30))
    concentration of glucose in
    serum at the second visit
    """
    parts = textwrap.wrap(text, width, break_on_hyphens=False)
    if len(parts) > most:
        parts = textwrap.wrap(_cut(text, most * width - width // 3), width)
    return _text("\n".join(parts[:most]))


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
    return f"{name[: most - 1 - tail]}…{name[-tail:]}"


def _text(name: str) -> str:
    return name.replace("\\$", "$").replace("$", r"\$")
