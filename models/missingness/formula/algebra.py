"""The operators between terms: formulaic's algebra, with bounds and with errors for its traps."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from formulaic.parser import DefaultFormulaParser, DefaultOperatorResolver
from formulaic.parser.types import Operator, OrderedSet, Term

from .grammar import DIRECTION, RefusedError

#: the largest formulas: far beyond what data can support, and still made at once
MOST_TERMS, MOST_FACTORS, MOST_POWER = 2000, 8, 8
_MOST_PRODUCTS = 20_000


class BoundedOperators(DefaultOperatorResolver):
    """The operators ``+ - : * **`` of Wilkinson's notation; others raise with an alternative."""

    @property
    def operators(self) -> list[Operator]:
        """Return formulaic's operators, which call the functions of this module."""
        own: dict[tuple[str, int], Callable[..., Any]] = {
            ("+", 2): _sum,
            ("-", 2): _without,
            ("-", 1): _nothing_before,
            (":", 2): _products,
            ("*", 2): lambda left, right: _sum(_sum(left, right), _products(left, right)),
            ("**", 2): lambda left, right: _power(left, right, "**"),
            ("^", 2): lambda left, right: _power(left, right, "^"),
            ("/", 2): _ratio,
        }
        found = []
        for operator in super().operators:
            function = own.get((operator.symbol, operator.arity))
            if function is not None:
                operator._to_terms = function
            found.append(operator)
        return found


def terms_of(text: str) -> Any:
    """Return the terms of a text, as formulaic's parser reads them.

    Raises:
        RefusedError: for an ambiguous operator, or too many terms.
        FormulaicError, SyntaxError: if the text cannot be read.
    """
    return DefaultFormulaParser(operator_resolver=BoundedOperators()).get_terms(text)


def _sum(left: OrderedSet, right: OrderedSet) -> OrderedSet:
    return _counted(_without_numbers(left | right))


def _without(left: OrderedSet, right: OrderedSet) -> OrderedSet:
    """Return the terms without those that are subtracted, each of which must be among them."""
    for term in right:
        if any(factor.expr.startswith(DIRECTION) for factor in term.factors):
            raise RefusedError(
                "removes a term that has a direction; write 'a - b' to remove b, or 'a + -b' for a "
                "direction of b."
            )
        if term in left:
            continue
        name = _name(term)
        if name == "1":
            raise RefusedError(
                "removes an intercept that is not there; write '0 + ...' once, at the beginning."
            )
        raise RefusedError(
            f"removes '{name}', which is not one of the terms before it. Between two terms '-' "
            f"removes a term, as in 'a*b - a'; a direction is directly before its term, as in "
            f"'age + -{name}'."
        )
    return left - right


def _nothing_before(terms: OrderedSet) -> OrderedSet:
    raise RefusedError(
        f"removes '{_name(next(iter(terms)))}' within brackets; for a formula without intercept "
        f"write '0 + ...' once, at the beginning."
    )


def _products(left: Iterable[Term], right: Iterable[Term]) -> OrderedSet:
    left, right = list(_without_numbers(left)), list(_without_numbers(right))
    if len(left) * len(right) > _MOST_PRODUCTS:
        raise RefusedError(_too_many())
    found = [a * b for a in left for b in right]
    for term in found:
        if len(term.factors) > MOST_FACTORS:
            raise RefusedError(
                f"has a product of {len(term.factors)} factors; a term may have at most "
                f"{MOST_FACTORS}."
            )
    return _counted(OrderedSet(found))


def _power(left: OrderedSet, right: OrderedSet, symbol: str) -> OrderedSet:
    """Return all products of up to ``power`` of the terms."""
    shown = ", ".join(map(_name, right))
    try:
        power = ast.literal_eval(shown)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        power = None
    if not isinstance(power, int) or not 1 <= power <= MOST_POWER:
        shown = shown if len(shown) <= 20 else shown[:20] + "..."
        raise RefusedError(
            f"has the power {shown}; give a whole number from 1 to {MOST_POWER}, as in "
            f"'(a + b + c)**2', or write I(x**{shown}) for a power of values."
        )
    if len(left) == 1:
        name = _name(next(iter(left)))
        raise RefusedError(
            f"has '{name}{symbol}{power}', which means '{name}' alone in this notation; write "
            f"I({name}**{power}) for the power of its values."
        )
    found = left
    for _ in range(power - 1):
        found = _products(found, left)
    return found


def _ratio(left: OrderedSet, right: OrderedSet) -> OrderedSet:
    a, b = (", ".join(map(_name, list(side)[:3])) for side in (left, right))
    raise RefusedError(
        f"has '{a} / {b}', which is ambiguous; write I({a} / {b}) for the ratio, or {a} + {a}:{b} "
        f"for {b} nested within {a}."
    )


def _without_numbers(terms: Iterable[Term]) -> Any:
    for term in terms:
        for factor in term.factors:
            if factor.expr[:1].isdigit() and factor.expr != "1":
                raise RefusedError(
                    f"has the number {factor.expr} as a term or factor; write numbers within a "
                    f"function, as in I(2 * x)."
                )
    return terms


def _counted(terms: OrderedSet) -> OrderedSet:
    if len(terms) > MOST_TERMS:
        raise RefusedError(_too_many())
    return terms


def _too_many() -> str:
    return f"has more than {MOST_TERMS} terms; write out only those that matter."


def _name(term: Term) -> str:
    return ":".join(factor.expr for factor in term.factors)
