"""Choose which levels of which factors get indicators, so that no column is redundant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

#: by factor, whether all of its levels have a column, or all but the first
Coding = dict[str, bool]


def codings(
    terms: Sequence[tuple[Iterable[str], Iterable[str]]], intercept: bool
) -> list[list[Coding]]:
    """Choose how the factors with levels of each term are coded, as one or more parts per term.

    Among the terms with the same other factors, a term spans its own effect and all margins that no
    earlier term spans. The effect of a factor alone needs indicators of all levels but the first;
    together with the margin without that factor it needs indicators of all levels (Chambers &
    Hastie, Statistical Models in S, 1992, section 2.4.1). A term has several parts if one coding
    cannot span it.

    >>> codings([(["sex", "job"], [])], intercept=True)
    [[{'job': False}, {'sex': False, 'job': True}]]

    Args:
        terms: for each term, its factors with levels and its other factors.
        intercept: whether an intercept spans the constant.
    """
    split = [(tuple(levels), frozenset(others)) for levels, others in terms]
    spanned: dict[frozenset[str], set[frozenset[str]]] = {}
    if intercept:
        spanned[frozenset()] = {frozenset()}
    result: list[list[Coding]] = [[] for _ in split]
    for k in sorted(range(len(split)), key=lambda k: len(split[k][0])):
        levels, others = split[k]
        done = spanned.setdefault(others, set())
        margins = [
            frozenset(margin)
            for size in range(len(levels) + 1)
            for margin in combinations(levels, size)
        ]
        parts: list[Coding] = [dict.fromkeys(m, False) for m in margins if m not in done]
        done.update(margins)
        result[k] = [
            {name: part[name] for name in levels if name in part} for part in _merged(parts)
        ]
    return result


def _merged(parts: list[Coding]) -> list[Coding]:
    """Merge the effects a and a:b (b without its first level) into a:b with all levels of b."""
    for short in parts:
        for long in parts:
            extra = long.keys() - short.keys()
            same = all(long.get(name) == full for name, full in short.items())
            if len(extra) == 1 and same and not long[min(extra)]:
                rest = [part for part in parts if part is not short and part is not long]
                merged = {**long, min(extra): True}
                return _merged(sorted([*rest, merged], key=len))
    return parts
