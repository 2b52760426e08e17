"""The factors of a term: numbers, or indicator columns of a column's levels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ....data.errors import InputError
from .expressions import Expression, Lookup


@dataclass(frozen=True)
class Source:
    """The column or covariate that a name in a formula stands for.

    Args:
        name: the name of the column or covariate.
        kind: "number", or "levels" for codes 0, 1, ... without an order.
        levels: the levels that the codes stand for, as text; an ordinal column is a "number" with
            levels.
    """

    name: str
    kind: str = "number"
    levels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, which are exact under a JSON round trip."""
        return {"name": self.name, "kind": self.kind, "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Source:
        """Rebuild the source from the result of :meth:`to_dict`."""
        return cls(state["name"], state["kind"], tuple(state["levels"]))


class Factor:
    """One factor of a term: an expression of numbers, or the levels of a column.

    Args:
        source: the text of the factor.
        sources: the columns and covariates by name.
        state: what its functions have learnt.

    Raises:
        ValueError: for arithmetic on levels, or ``C()`` of a number without levels.
    """

    def __init__(self, source: str, sources: Mapping[str, Source], state: Any = None) -> None:
        self.expression = Expression(source, state)
        self.source = source
        #: the codes whose indicators are the factor's columns: all of them, or all but the first
        self.codes: list[int] = []
        named = self.expression.levels_of or self.expression.name
        found = None if named is None else sources.get(named)
        self.of: Source | None = None
        if found is not None and (found.kind == "levels" or self.expression.levels_of):
            if not found.levels:
                raise InputError(f"'{source}': {named} is a number without levels; leave out C()")
            self.of = found
        for name in self.expression.names if self.of is None else ():
            if name in sources and sources[name].kind == "levels":
                raise InputError(
                    f"'{source}': {name} has levels, which have no arithmetic; use {name} itself"
                )

    def reads(self) -> frozenset[str]:
        """The names that the factor reads by value."""
        return frozenset(self.expression.names)

    def columns(self, lookup: Lookup, learning: bool = False) -> list[Tensor]:
        """Evaluate the factor's columns, each in the shape of what it reads."""
        if self.of is None:
            return self.expression.learn(lookup) if learning else self.expression(lookup)
        code = lookup(self.of.name)
        return [(code == c).to(code.dtype) for c in self.codes]

    def names(self, count: int) -> list[str]:
        """Return the names of the factor's columns."""
        shown = self.source.strip("`")
        if self.of is not None:
            return [f"{shown}[{self.of.levels[c]}]" for c in self.codes]
        if count == 1 and not self.expression.latents:
            return [shown]
        return [f"{shown}[{i + 1}]" for i in range(count)]

    def width(self, dims: Mapping[str, int]) -> int:
        """Return the number of columns of the factor, given the latents' dimensions."""
        return self.expression.width(dims) if self.of is None else len(self.codes)

    @property
    def unscaled(self) -> bool:
        """Whether the factor's columns are not standardised."""
        if self.of is not None or self.expression.latents:
            return True
        return not self.expression.names  # is_missing(), and arithmetic of it alone

    def coded(self, full: bool) -> Factor:
        """Return the same factor with columns for all levels, or for all but the first."""
        assert self.of is not None
        result = copy.copy(self)
        result.codes = list(range(0 if full else 1, len(self.of.levels)))
        return result

    def affine_in(self, name: str, through: str) -> bool:
        """Whether the factor's columns are affine in a column, or in its logarithm."""
        if self.of is not None:
            return name not in self.reads()
        return self.expression.affine_in(name, through)


def products(
    factors: list[Factor],
    lookup: Lookup,
    made: dict[tuple[str, tuple[int, ...]], list[Tensor]],
) -> list[Tensor]:
    """Multiply the columns of a part's factors.

    Args:
        factors: the factors of the part.
        lookup: returns the values of a name.
        made: a cache for the columns of factors that several parts have.
    """
    result: list[Tensor] = []
    for k, factor in enumerate(factors):
        key = (factor.source, tuple(factor.codes))
        if key not in made:
            made[key] = factor.columns(lookup)
        columns = made[key]
        result = columns if k == 0 else [a * b for b in columns for a in result]
    return result
