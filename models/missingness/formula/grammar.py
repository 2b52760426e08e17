"""Parse the text of a formula into terms, by the grammar of formulaic."""

from __future__ import annotations

import keyword
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from ....data.errors import InputError

Direction = Literal["+", "-"]
#: words with a meaning in formulas, so that a column with such a name is written in backticks
LATENTS = ("latent", "mask_latent")

#: the beginning of the call that replaces a term with a direction
DIRECTION = "_direction"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m|[⧛⧚]|\[\d+(;\d+)*m")
_WORD = re.compile(r"(?<![\w.])[^\W\d][\w.]*")
_PLAIN = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"`([^`]+)`")
_MARK = re.compile(rf"{DIRECTION}_(up|down)_(\d+)_\((.*)\)", re.DOTALL)
#: the most characters of a formula, and the most brackets within each other
_LONGEST, _DEEPEST = 50_000, 40
_SHOWN = 200  # the most characters of a formula that an error shows
_LONG_NUMBER = re.compile(r"(?<!\w)\d{41}")
_PYTHON_OPERATORS = ("and", "else", "for", "if", "in", "is", "lambda", "not", "or")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class RefusedError(InputError):
    """An operator in a formula is ambiguous, or makes too many terms."""


@dataclass(frozen=True)
class Term:
    """A product of factors; ``sign`` is its direction if one is written."""

    name: str
    factors: tuple[str, ...]
    sign: Direction | None = None


@dataclass(frozen=True)
class Formula:
    """A parsed ``response ~ terms``; ``response`` is empty if the text has no left side."""

    response: tuple[str, ...]
    terms: tuple[Term, ...]
    intercept: bool
    text: str


def parse(text: str) -> Formula:
    """Parse a formula into its response and its terms.

    >>> formula = parse("income ~ +income + age:sex")
    >>> formula.response, [(term.name, term.sign) for term in formula.terms]
    (('income',), [('income', '+'), ('age:sex', None)])

    Raises:
        ValueError: if the text is not a formula; the message says what is wrong, in one line.
    """
    if not isinstance(text, str):
        raise InputError(f"a formula is text such as 'income ~ income + age', not {text!r}.")
    from formulaic.errors import FormulaicError  # takes half a second to import

    reader = _Reader(text)
    try:
        return reader.formula()
    except SyntaxError as error:  # formulaic does not catch Python's
        raise reader.wrong(f"cannot be read: {error.msg}.") from error
    except (RecursionError, MemoryError) as error:
        raise reader.wrong("is nested too deeply; write it in simpler terms.") from error
    except RefusedError as error:
        raise reader.wrong(reader.shown(str(error))) from error
    except FormulaicError as error:
        reason = _COLOUR.sub("", str(error).split("\n")[0]).strip()
        raise reader.wrong(f"cannot be read: {reader.shown(reason)}") from error


class _Reader:
    """A parser of one text, which protects quoted names and directions from formulaic's parser."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.quoted: list[str] = []
        self.directions = 0
        #: the beginning of placeholders, with which no name in the text begins
        self.place = "_quoted"
        while self.place in text:
            self.place += "_"

    def wrong(self, what: str) -> InputError:
        shown = "".join(c if c.isprintable() else " " for c in self.text[: 2 * _SHOWN])
        shown = re.sub(r"\s+", " ", shown)
        if len(shown) > _SHOWN or len(self.text) > 2 * _SHOWN:
            shown = shown[:_SHOWN] + "..."
        return InputError(f"formula '{shown}' {what}")

    def shown(self, reason: str) -> str:
        """Shorten a reason, with the names as the user wrote them."""
        found = _MARK.sub(lambda m: ("+" if m[1] == "up" else "-") + m[3], self.decoded(reason))
        return found if len(found) <= 2 * _SHOWN else found[: 2 * _SHOWN] + "..."

    def formula(self) -> Formula:
        if len(self.text) > _LONGEST:
            raise self.wrong(f"has {len(self.text)} characters; there may be at most {_LONGEST}.")
        sides = self._protected().split("~")
        if len(sides) > 2 or not all(side.strip() for side in sides):
            raise self.wrong("is neither of the form 'column ~ terms' nor terms alone.")
        response = self._response(sides[0]) if len(sides) == 2 else ()
        found = self._parsed(self._marked(sides[-1]))
        names = [[name for name, _ in factors] for factors in found]
        terms = self._terms([one for one in names if one != ["1"]])
        return Formula(response, terms, ["1"] in names, self.text.strip())

    def _protected(self) -> str:
        """Replace names that Python or formulaic would misread by placeholders."""
        parts = _QUOTED.split(self.text)
        if any("`" in part for part in parts[::2]):
            raise self.wrong("cannot be read: a backtick is not closed.")
        for k in range(1, len(parts), 2):
            before, after = parts[k - 1], parts[k + 1]
            side_by_side = not after and k + 2 < len(parts)
            if side_by_side or re.search(r"[\w.]$", before) or re.match(r"[\w.]", after):
                raise self.wrong(
                    f"cannot be read: there is no operator next to `{parts[k]}`; write a name in "
                    f"one pair of backticks, and none within it."
                )
        self._check_letters("".join(parts[::2]))
        parts[::2] = [_WORD.sub(lambda m: self._placed(m[0], False), p) for p in parts[::2]]
        parts[1::2] = [self._placed(name, True) for name in parts[1::2]]
        return "".join(parts)

    def _placed(self, name: str, quoted: bool) -> str:
        if not quoted and (name in LATENTS or name in (*_PYTHON_OPERATORS, "True", "False")):
            return name
        if not quoted and "." not in name and not keyword.iskeyword(name) and _steady(name):
            return name
        if quoted and _is_plain(name):
            return name
        if name not in self.quoted:
            self.quoted.append(name)
        return f"{self.place}_{self.quoted.index(name)}_"

    def _check_letters(self, text: str) -> None:
        """Refuse characters that no formula has, and brackets that are unmatched or too many."""
        for letter in text:
            if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Cn") and not letter.isspace():
                raise self.wrong(
                    f"has the character {letter!r}; remove it, or write a name that contains it in "
                    f"backticks."
                )
        if DIRECTION in text:
            raise self.wrong(
                f"has a name with '{DIRECTION}', which has a meaning here; write it in backticks."
            )
        if "%" in text:
            raise self.wrong("has a '%', which has no meaning here; write a product as 'a:b'.")
        if _LONG_NUMBER.search(text):
            raise self.wrong("has a number of more than 40 digits; write it as 1.5e40.")
        expected: list[str] = []
        for letter in text:
            if letter in _CLOSERS:
                expected.append(_CLOSERS[letter])
            elif letter in _CLOSERS.values() and (not expected or letter != expected.pop()):
                raise self.wrong(f"cannot be read: '{letter}' closes no bracket.")
            if len(expected) > _DEEPEST:
                raise self.wrong(
                    f"has more than {_DEEPEST} brackets within each other; write it in simpler "
                    f"terms."
                )
        if expected:
            raise self.wrong(f"cannot be read: a '{expected[-1]}' is missing.")

    def decoded(self, source: str) -> str:
        """Put the names back, in backticks."""
        place = rf"{self.place}_(\d+)_"
        return re.sub(place, lambda m: f"`{self.quoted[int(m[1])]}`", source)

    def _response(self, side: str) -> tuple[str, ...]:
        left = [] if "-" in side else self._parsed(side + " - 1")
        if not left or any(len(t) != 1 or not t[0][1] for t in left):
            raise self.wrong("must have names of columns on its left side, as in 'a + b ~ ...'.")
        return tuple(_bare(self.decoded(term[0][0])) for term in left)

    def _parsed(self, text: str) -> list[list[tuple[str, bool]]]:
        """Return the factors of each term, as (source text, whether it is only a name)."""
        if re.search(r"(?<![\w.])\.(?![\w.])", text):
            raise self.wrong(
                "has a '.' for all columns, which is not allowed here; write the names of the "
                "columns."
            )
        from .algebra import terms_of

        found: Any = terms_of(text)
        if isinstance(getattr(found, "root", ()), tuple):
            raise self.wrong("cannot be read: it has several parts; write one formula for each.")
        return [
            [(factor.expr, factor.eval_method.name == "LOOKUP") for factor in term.factors]
            for term in found.root
        ]

    def _terms(self, found: list[list[str]]) -> tuple[Term, ...]:
        terms: list[Term] = []
        before: set[frozenset[str]] = set()
        users: dict[int, list[str]] = {k: [] for k in range(self.directions)}
        for factors in found:
            signs: dict[int, Direction] = {}
            sources = []
            for source in factors:
                mark = _MARK.fullmatch(source)
                if mark is not None:
                    signs[int(mark[2])] = "+" if mark[1] == "up" else "-"
                    source = mark[3]
                sources.append(self.decoded(source))
            name = ":".join(map(_bare, sources))
            if len(signs) > 1:
                raise self.wrong(f"gives the term '{name}' two directions; give it one.")
            for k in signs:
                users[k].append(name)
            if frozenset(sources) in before:
                raise self.wrong(f"has the term '{name}' twice; write it once.")
            before.add(frozenset(sources))
            terms.append(Term(name, tuple(sources), next(iter(signs.values()), None)))
        for names in users.values():
            if not names:
                raise self.wrong(
                    "removes a term that has a direction; write 'a - b' to remove b, or 'a + -b' "
                    "for a direction of b."
                )
            if len(names) > 1:
                raise self.wrong(
                    f"gives one direction to {' and '.join(map(repr, names))}; write out the "
                    f"terms, each with its own direction."
                )
        return tuple(terms)

    def _marked(self, text: str) -> str:
        """Rewrite signs that stand directly before a term as calls that formulaic accepts."""
        result, i = "", 0
        before = "~"  # the last character that is not a space
        signs = ""  # the signs in a row
        while i < len(text):
            letter = text[i]
            start = i + 1 + len(text[i + 1 :]) - len(text[i + 1 :].lstrip())
            signs = signs + letter if letter in "+-" else signs if letter.isspace() else ""
            if len(signs) > 2:
                raise self.wrong("has more than two signs in a row; give each term one direction.")
            if letter in "+-" and before in "~+-*:/(" and _opens(text[start:]):
                if text[start] == "(":
                    raise self.wrong("has a direction before a bracket; give it to single terms.")
                end = _factor_end(text, start)
                factor = text[start + 1 : end - 1] if text[start] == "{" else text[start:end]
                way = "up" if letter == "+" else "down"
                result += f"{DIRECTION}_{way}_{self.directions}_({factor})"
                self.directions += 1
                before, signs, i = ")", "", end
                continue
            # signs within calls are arithmetic, and a letter within a number (1e5) is not a factor
            end = _factor_end(text, i) if _PLAIN.match(letter) or letter == "{" else i + 1
            end = max(end, i + 1)
            result += text[i:end]
            before = before if letter.isspace() else text[end - 1]
            i = end
        return result


def _steady(name: str) -> bool:
    """Whether an identifier is unchanged by Python's normalisation."""
    return unicodedata.normalize("NFKC", name) == name


def _is_plain(name: str) -> bool:
    plain = _PLAIN.fullmatch(name) is not None and not keyword.iskeyword(name)
    return plain and _steady(name) and name not in LATENTS


def _bare(source: str) -> str:
    """Strip the backticks where the source is one name."""
    quoted = _QUOTED.fullmatch(source)
    return source if quoted is None else quoted[1]


def _opens(rest: str) -> bool:
    """Whether the text begins with a term, and not with a number or an operator."""
    return bool(rest) and (rest[0] in "({" or _PLAIN.match(rest) is not None)


def _factor_end(text: str, start: int) -> int:
    """Find the end of the factor that starts here: a name, a call, or code in braces."""
    word = _WORD.match(text, start)
    end = start if word is None else word.end()
    while end < len(text) and text[end] in _CLOSERS:
        expected = [_CLOSERS[text[end]]]
        end += 1
        while end < len(text) and expected:
            if text[end] in _CLOSERS:
                expected.append(_CLOSERS[text[end]])
            elif text[end] == expected[-1]:
                expected.pop()
            end += 1
    return end
