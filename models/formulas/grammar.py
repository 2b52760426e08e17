"""From a line of text to its terms; the grammar is formulaic's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser

Direction = Literal["+", "-"]
_MARKS: dict[str, Direction] = {"_direction_up_": "+", "_direction_down_": "-"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m|[⧛⧚]|\[\d+(;\d+)*m")
_NUMBER = re.compile(r"\d")
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Term:
    """A product of factors; ``sign`` is its direction where one was written."""

    name: str
    factors: tuple[str, ...]
    sign: Direction | None = None


@dataclass(frozen=True)
class Formula:
    """``response ~ terms``; ``response`` is empty where the text has no left side."""

    response: tuple[str, ...]
    terms: tuple[Term, ...]
    intercept: bool
    text: str


def parse(text: str) -> Formula:
    """Read a formula.

    >>> formula = parse("income ~ +income + age:sex")
    >>> formula.response, [(term.name, term.sign) for term in formula.terms]
    (('income',), [('income', '+'), ('age:sex', None)])

    Raises:
        ValueError: text that is no formula; one line with the formula and what is wrong.
    """
    if not isinstance(text, str):
        raise ValueError(f"a formula is text such as 'income ~ income + age', not {text!r}.")
    sides = _split(text)
    if len(sides) > 2 or not sides[-1].strip() or (len(sides) == 2 and not sides[0].strip()):
        raise ValueError(f"formula '{text}' is not 'column ~ terms' nor terms alone; correct it.")
    right = _terms(_marked(sides[-1], text), text)
    response: tuple[str, ...] = ()
    if len(sides) == 2:
        left = _terms(sides[0] + " - 1", text)
        if any(len(term) != 1 or not term[0][1] for term in left):
            raise ValueError(
                f"formula '{text}' must have names of columns on its left, 'a + b ~ ...'."
            )
        response = tuple(term[0][0] for term in left)
    terms, intercept = [], False
    for factors in right:
        if [name for name, _ in factors] == ["1"]:
            intercept = True
            continue
        terms.append(_term(factors, text))
    return Formula(response, tuple(terms), intercept, text.strip())


def _split(text: str) -> list[str]:
    """At the tildes outside of backticks."""
    parts, start, quoted = [], 0, False
    for i, letter in enumerate(text):
        if letter == "`":
            quoted = not quoted
        elif letter == "~" and not quoted:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _terms(text: str, whole: str) -> list[list[tuple[str, bool]]]:
    """Per term its factors: (source text, whether it is a name alone)."""
    try:
        found: Any = DefaultFormulaParser().get_terms(text)
    except FormulaicError as error:
        reason = _COLOUR.sub("", str(error).split("\n")[0]).strip()
        raise ValueError(f"formula '{whole}' cannot be read: {reason}") from error
    if isinstance(getattr(found, "root", ()), tuple):
        raise ValueError(f"formula '{whole}' cannot be read: it has several parts.")
    return [
        [(factor.expr, factor.eval_method.name == "LOOKUP") for factor in term.factors]
        for term in found.root
    ]


def _term(factors: list[tuple[str, bool]], whole: str) -> Term:
    names, sign = [], None
    for source, is_name in factors:
        for mark, direction in _MARKS.items():
            if not is_name and source.startswith(f"{mark}("):
                if sign is not None:
                    raise ValueError(f"formula '{whole}' gives one term two directions; give one.")
                source, sign, is_name = source[len(mark) + 1 : -1], direction, False
                bare = source.strip("`")
                if f"`{bare}`" == source or _WORD.fullmatch(source):
                    source, is_name = bare, True
                break
        names.append(f"`{source}`" if is_name and not _WORD.fullmatch(source) else source)
    shown = ":".join(n.strip("`") if n.count("`") == 2 and n[0] == "`" else n for n in names)
    return Term(shown, tuple(names), sign)


def _marked(text: str, whole: str) -> str:
    """Signs that stand directly before a term, as calls that the parser lets through."""
    result, i, depth = "", 0, 0
    before: str = "~"  # the last character that is no space
    while i < len(text):
        letter = text[i]
        if letter == "`":
            end = text.find("`", i + 1)
            end = len(text) - 1 if end < 0 else end
            result, before, i = result + text[i : end + 1], "`", end + 1
            continue
        if letter in "+-" and depth == 0 and before in "~+-*:/(" and _opens(text, i):
            start = i + 1 + (len(text[i + 1 :]) - len(text[i + 1 :].lstrip()))
            end = _factor_end(text, start, whole)
            mark = "_direction_up_" if letter == "+" else "_direction_down_"
            result += f"{mark}({text[start:end]})"
            before, i = ")", end
            continue
        if letter == "(" and (before.isalnum() or before == "_" or depth):
            depth += 1  # within a call signs are arithmetic
        elif letter == ")" and depth:
            depth -= 1
        result += letter
        if not letter.isspace():
            before = letter
        i += 1
    return result


def _opens(text: str, i: int) -> bool:
    """Whether a term, not a number or another operator, follows the sign at i."""
    rest = text[i + 1 :].lstrip()
    return bool(rest) and not _NUMBER.match(rest) and (rest[0] in "`(_" or rest[0].isalpha())


def _factor_end(text: str, start: int, whole: str) -> int:
    """Where the factor that starts here ends: a name, a quoted name or a call."""
    if text[start] == "(":
        raise ValueError(
            f"formula '{whole}' has a direction before a bracket; give it to single terms."
        )
    if text[start] == "`":
        return text.find("`", start + 1) + 1 or len(text)
    word = _WORD.match(text, start)
    end = start + 1 if word is None else word.end()
    if end < len(text) and text[end] == "(":
        depth = 0
        for k in range(end, len(text)):
            depth += {"(": 1, ")": -1}.get(text[k], 0)
            if depth == 0:
                return k + 1
        return len(text)
    return end
