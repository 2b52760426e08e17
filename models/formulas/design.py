"""The columns that a formula's terms make of a row, standardised by what was observed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .expressions import Expression, Lookup
from .grammar import Formula


@dataclass(frozen=True)
class Source:
    """What a name in a formula stands for.

    Args:
        name: of a column or covariate.
        kind: "number", or "levels" for codes 0, 1, ... without order.
        levels: what the codes stand for, as text; an ordinal column is a "number" with levels.
    """

    name: str
    kind: str = "number"
    levels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"name": self.name, "kind": self.kind, "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Source:
        """The inverse of :meth:`to_dict`."""
        return cls(state["name"], state["kind"], tuple(state["levels"]))


class _Factor:
    """An expression, and whether it stands for the levels of a column."""

    def __init__(self, source: str, sources: Mapping[str, Source], state: Any = None) -> None:
        self.expression = Expression(source, state)
        self.source = source
        #: codes whose indicators are the factor's columns; all of them, or all but the first
        self.codes: list[int] = []
        named = self.expression.levels_of or self.expression.name
        found = None if named is None else sources.get(named)
        self.of: Source | None = None
        if found is not None and (found.kind == "levels" or self.expression.levels_of):
            if not found.levels:
                raise ValueError(f"'{source}': {named} is a number without levels; drop C()")
            self.of = found
        for name in self.expression.names if self.of is None else ():
            if name in sources and sources[name].kind == "levels":
                raise ValueError(f"'{source}': {name} has levels, which have no arithmetic")

    def reads(self) -> frozenset[str]:
        return frozenset(self.expression.names)

    def columns(self, lookup: Lookup, learning: bool = False) -> list[Tensor]:
        if self.of is None:
            return self.expression.learn(lookup) if learning else self.expression(lookup)
        code = lookup(self.of.name)
        return [(code == c).to(code.dtype) for c in self.codes]

    def names(self, count: int) -> list[str]:
        shown = self.source.strip("`")
        if self.of is not None:
            return [f"{shown}[{self.of.levels[c]}]" for c in self.codes]
        if count == 1 and not self.expression.latents:
            return [shown]
        return [f"{shown}[{i + 1}]" for i in range(count)]

    @property
    def unscaled(self) -> bool:
        return self.of is not None or bool(self.expression.latents or self.expression.absences)

    def affine_in(self, name: str, through: str) -> bool:
        if self.of is not None:
            return name not in self.reads()
        return self.expression.affine_in(name, through)


class Design:
    """A formula's columns f_q(row): (..., q).

    Columns are (f - center) / scale with the mean and standard deviation of the observed rows;
    indicators, ``latent`` and ``is_missing()`` stay as they are, and without an intercept nothing
    is centred.

    >>> from absentia.models.formulas import parse
    >>> table = pd.DataFrame({"age": [20.0, 30, 40]})
    >>> design = Design.learn(parse("age + I(age**2)"), table, {"age": Source("age")})
    >>> design.names
    ('age', 'I(age ** 2)')
    >>> design(lambda name: torch.tensor([30.0])).shape
    torch.Size([1, 2])
    """

    def __init__(
        self,
        terms: list[list[_Factor]],
        names: list[str],
        term_of: list[int],
        signs: list[str | None],
        center: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        self._terms = terms
        self.names, self.term_of, self.signs = tuple(names), tuple(term_of), tuple(signs)
        self.center, self.scale = center, scale
        factors = [factor for term in terms for factor in term]
        self.reads = frozenset(name for f in factors for name in f.expression.names)
        self.reads_missing = frozenset(name for f in factors for name in f.expression.absences)
        self.reads_latent = any("latent" in f.expression.latents for f in factors)
        self.reads_mask_latent = any("mask_latent" in f.expression.latents for f in factors)
        #: center and scale as tensors, per dtype and device
        self._scaling: dict[Any, tuple[Tensor, Tensor]] = {}

    @classmethod
    def learn(
        cls,
        formula: Formula,
        table: pd.DataFrame,
        sources: Mapping[str, Source],
        latent_dim: int = 0,
        mask_latent_dim: int = 0,
    ) -> Design:
        """Columns, knots and scales of a formula for a table.

        Args:
            formula: whose right side is meant.
            table: the numbers (n, ...) in data units of what the formula reads, NaN where missing.
            sources: what each name is.
            latent_dim, mask_latent_dim: dimensions of the latents, 0 where there is none.

        Raises:
            ValueError: an unknown name, a term that is constant or not finite where observed, or a
                direction of a term with several columns.
        """
        try:
            return cls._learnt(formula, table, sources, latent_dim, mask_latent_dim)
        except ValueError as error:
            raise ValueError(f"formula '{formula.text}': {error}") from error

    @classmethod
    def _learnt(
        cls,
        formula: Formula,
        table: pd.DataFrame,
        sources: Mapping[str, Source],
        latent_dim: int,
        mask_latent_dim: int,
    ) -> Design:
        terms = [[_Factor(f, sources) for f in term.factors] for term in formula.terms]
        for factor in (factor for factors in terms for factor in factors):
            _check_names(factor, sources, latent_dim, mask_latent_dim)
        _code_levels(formula, terms)
        names: list[str] = []
        term_of: list[int] = []
        signs: list[str | None] = []
        center: list[float] = []
        scale: list[float] = []
        dims = {"latent": latent_dim, "mask_latent": mask_latent_dim}
        for t, (term, factors) in enumerate(zip(formula.terms, terms, strict=True)):
            found, labels = _observed(factors, table, dims)
            if term.sign is not None and len(found) > 1:
                raise ValueError(
                    f"'{term.name}' stands for {len(found)} coefficients, which one direction "
                    f"does not fit; leave the sign out"
                )
            unscaled = all(factor.unscaled for factor in factors)
            for column, label in zip(found, labels, strict=True):
                mean, sd = (0.0, 1.0) if unscaled else _moments(column, label)
                names.append(label)
                term_of.append(t)
                signs.append(term.sign)
                center.append(mean if formula.intercept else 0.0)
                scale.append(sd)
        return cls(terms, names, term_of, signs, np.array(center), np.array(scale))

    def __call__(self, lookup: Lookup) -> Tensor:
        """The columns (..., q) of what ``lookup(name)`` gives in data units."""
        columns = [c for term in self._terms for c in _products(term, lookup)]
        shape = torch.broadcast_shapes(*(c.shape for c in columns))
        stacked = torch.stack([c.expand(shape) for c in columns], -1)
        key = (stacked.dtype, stacked.device)
        if key not in self._scaling:
            self._scaling[key] = (
                torch.as_tensor(self.center, dtype=key[0], device=key[1]),
                torch.as_tensor(self.scale, dtype=key[0], device=key[1]),
            )
        center, scale = self._scaling[key]
        return (stacked - center) / scale

    def __getstate__(self) -> dict[str, Any]:
        """Without what is made again on demand."""
        return {**self.__dict__, "_scaling": {}}

    def reads_of(self, term: int) -> frozenset[str]:
        """The columns and covariates that one term reads by value."""
        return frozenset(name for factor in self._terms[term] for name in factor.reads())

    def affine_in(self, name: str, through: str = "identity") -> bool:
        """Whether every column is affine in ``name``, or in log(name), all else being fixed."""
        for term in self._terms:
            readers = [factor for factor in term if name in factor.reads()]
            if len(readers) > 1 or not all(f.affine_in(name, through) for f in readers):
                return False
        return True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, exact under a JSON round trip."""
        return {
            "terms": [
                [
                    {
                        "source": f.source,
                        "state": f.expression.state,
                        "codes": f.codes,
                        "of": None if f.of is None else f.of.to_dict(),
                    }
                    for f in term
                ]
                for term in self._terms
            ],
            "names": list(self.names),
            "term_of": list(self.term_of),
            "signs": list(self.signs),
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Design:
        """The inverse of :meth:`to_dict`."""
        terms = []
        for term in state["terms"]:
            factors = []
            for entry in term:
                of = None if entry["of"] is None else Source.from_dict(entry["of"])
                sources = {} if of is None else {of.name: of}
                factor = _Factor(entry["source"], sources, entry["state"])
                factor.codes = list(entry["codes"])
                factors.append(factor)
            terms.append(factors)
        return cls(
            terms,
            list(state["names"]),
            list(state["term_of"]),
            list(state["signs"]),
            np.asarray(state["center"], dtype=np.float64),
            np.asarray(state["scale"], dtype=np.float64),
        )


def _products(factors: list[_Factor], lookup: Lookup) -> list[Tensor]:
    result = factors[0].columns(lookup)
    for factor in factors[1:]:
        more = factor.columns(lookup)
        result = [a * b for b in more for a in result]
    return result


def _check_names(
    factor: _Factor, sources: Mapping[str, Source], latent_dim: int, mask_latent_dim: int
) -> None:
    for name in sorted(factor.expression.names | factor.expression.absences):
        if name in sources:
            continue
        close = difflib.get_close_matches(name, list(sources), 1)
        guess = f"did you mean '{close[0]}'? " if close else ""
        shown = ", ".join(list(sources)[:12]) + (", ..." if len(sources) > 12 else "")
        raise ValueError(f"there is no column '{name}'; {guess}there are {shown}")
    if "latent" in factor.expression.latents and not latent_dim:
        raise ValueError("latent is read, and the model has none here")
    if "mask_latent" in factor.expression.latents and not mask_latent_dim:
        raise ValueError("mask_latent is read, and it has no dimensions; give mask_latent_dim=")


def _code_levels(formula: Formula, terms: list[list[_Factor]]) -> None:
    """Which indicators: all but the first level's where a margin is in the formula, else all.

    (The rule of S: Chambers & Hastie, Statistical Models in S, 1992, section 2.4.1.) Without an
    intercept the first term of levels stands for it.
    """
    present = {frozenset(term.factors) for term in formula.terms}
    constant = formula.intercept
    for term, factors in zip(formula.terms, terms, strict=True):
        for factor in factors:
            if factor.of is None:
                continue
            margin = frozenset(term.factors) - {factor.source}
            reduced = margin in present if margin else constant
            if not margin:
                constant = True
            factor.codes = list(range(1 if reduced else 0, len(factor.of.levels)))


def _observed(
    factors: list[_Factor], table: pd.DataFrame, dims: Mapping[str, int]
) -> tuple[list[Tensor], list[str]]:
    """A term's columns at the rows where all that it reads was observed, and their names."""
    read = sorted({name for factor in factors for name in factor.reads()})
    seen = table[read].notna().all(axis=1).to_numpy() if read else np.ones(len(table), dtype=bool)
    if not seen.any():
        raise ValueError(f"{' and '.join(read)} are never observed together")

    def lookup(name: str) -> Tensor:
        if name in dims:
            return torch.ones(int(seen.sum()), dims[name], dtype=torch.float64)
        if name.startswith("is_missing("):
            absent = table[name[len("is_missing(") : -1]].isna().to_numpy()[seen]
            return torch.from_numpy(absent.astype(np.float64))
        return torch.from_numpy(table[name].to_numpy(dtype=np.float64)[seen].copy())

    result: list[Tensor] = []
    names: list[str] = []
    for k, factor in enumerate(factors):
        columns = factor.columns(lookup, learning=True)
        labels = factor.names(len(columns))
        result = columns if k == 0 else [a * b for b in columns for a in result]
        names = labels if k == 0 else [f"{a}:{b}" for b in labels for a in names]
    for column, name in zip(result, names, strict=True):
        if not bool(column.isfinite().all()):
            raise ValueError(f"'{name}' is not finite at all observed values; change the term")
    return result, names


def _moments(column: Tensor, name: str) -> tuple[float, float]:
    sd = float(column.std()) if len(column) > 1 else 0.0
    if not sd > 1e-12 * max(1.0, float(column.abs().max())):
        raise ValueError(f"'{name}' has one value only where it is observed; drop it")
    return float(column.mean()), sd
