"""The design columns that a formula's terms make of a row, standardised by observed values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ....data.errors import InputError
from .expressions import Lookup
from .factors import Factor, Source, products
from .grammar import LATENTS, Formula, Term
from .levels import codings

#: coefficients of one formula
MOST_COLUMNS = 5000
#: factors with levels in one term, whose margins are 2 to the power of their number
_MOST_LEVELLED = 6


class Design:
    """The design columns f_q(row) of a formula, of shape (..., q).

    Columns are (f - center) / scale with the mean and standard deviation of the observed rows;
    those of a product with ``latent`` are the ones under a standard normal latent. Indicators,
    ``latent`` and ``is_missing()`` stay as they are, and without an intercept nothing is centred.

    >>> from absentia.models.missingness.formula import parse
    >>> table = pd.DataFrame({"age": [20.0, 30, 40]})
    >>> design = Design.learn(parse("age + I(age**2)"), table, {"age": Source("age")})
    >>> design.names
    ('age', 'I(age ** 2)')
    >>> design(lambda name: torch.tensor([30.0])).shape
    torch.Size([1, 2])
    """

    def __init__(
        self,
        parts: list[list[Factor]],
        part_of: list[int],
        names: list[str],
        term_of: list[int],
        signs: list[str | None],
        center: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        #: products of factors; a term has several where its levels need several codings
        self._parts, self._part_of = parts, part_of
        self.names, self.term_of, self.signs = tuple(names), tuple(term_of), tuple(signs)
        self.center, self.scale = center, scale
        factors = [factor for part in parts for factor in part]
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
        """Learn the columns, knots and scales of a formula from a table.

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
            raise InputError(f"formula '{formula.text}': {error}") from error

    @classmethod
    def _learnt(
        cls,
        formula: Formula,
        table: pd.DataFrame,
        sources: Mapping[str, Source],
        latent_dim: int,
        mask_latent_dim: int,
    ) -> Design:
        terms = [[Factor(f, sources) for f in term.factors] for term in formula.terms]
        for factor in (factor for factors in terms for factor in factors):
            _check_names(factor, sources, latent_dim, mask_latent_dim)
        parts, part_of = _parts(formula, terms)
        dims = {"latent": latent_dim, "mask_latent": mask_latent_dim}
        _check_size(formula, parts, part_of, dims)
        names: list[str] = []
        term_of: list[int] = []
        signs: list[str | None] = []
        center: list[float] = []
        scale: list[float] = []
        for t, factors in zip(part_of, parts, strict=True):
            found, labels = _observed(factors, table, dims)
            for column, label in zip(found, labels, strict=True):
                mean, sd = _moments(factors, column, label)
                names.append(label)
                term_of.append(t)
                signs.append(formula.terms[t].sign)
                center.append(mean if formula.intercept else 0.0)
                scale.append(sd)
        for t, term in enumerate(formula.terms):
            _check_count(term, term_of.count(t))
        arrays = np.array(center, dtype=np.float64), np.array(scale, dtype=np.float64)
        return cls(parts, part_of, names, term_of, signs, *arrays)

    def __call__(self, lookup: Lookup) -> Tensor:
        """Evaluate the columns (..., q) from what ``lookup(name)`` returns in data units."""
        values: dict[str, Tensor] = {}

        def once(name: str) -> Tensor:
            if name not in values:
                values[name] = lookup(name)
            return values[name]

        made: dict[tuple[str, tuple[int, ...]], list[Tensor]] = {}
        columns = [c for part in self._parts for c in products(part, once, made)]
        if not columns:
            return torch.zeros(0)
        shape = torch.broadcast_shapes(*(c.shape for c in columns))
        stacked = torch.stack([c.expand(shape) for c in columns], -1)
        key = (stacked.dtype, stacked.device)
        if key not in self._scaling:
            with torch.inference_mode(False):  # kept, so that later calls may need gradients
                self._scaling[key] = (
                    torch.as_tensor(self.center, dtype=key[0], device=key[1]),
                    torch.as_tensor(self.scale, dtype=key[0], device=key[1]),
                )
        center, scale = self._scaling[key]
        return (stacked - center) / scale

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is rebuilt on demand."""
        return {**self.__dict__, "_scaling": {}}

    def reads_of(self, term: int) -> frozenset[str]:
        """List the columns and covariates whose values one term depends on."""
        return frozenset(
            name
            for t, part in zip(self._part_of, self._parts, strict=True)
            for factor in part
            for name in factor.reads()
            if t == term
        )

    def affine_in(self, name: str, through: str = "identity") -> bool:
        """Whether every column is affine in ``name``, or in log(name), all else being fixed."""
        for part in self._parts:
            readers = [factor for factor in part if name in factor.reads()]
            if len(readers) > 1 or not all(f.affine_in(name, through) for f in readers):
                return False
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, which are exact under a JSON round trip."""
        return {
            "terms": [
                [
                    {
                        "source": f.source,
                        "state": f.expression.state,
                        "codes": f.codes,
                        "of": None if f.of is None else f.of.to_dict(),
                    }
                    for f in part
                ]
                for part in self._parts
            ],
            "part_of": list(self._part_of),
            "names": list(self.names),
            "term_of": list(self.term_of),
            "signs": list(self.signs),
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Design:
        """Rebuild the design from the result of :meth:`to_dict`."""
        terms = []
        for term in state["terms"]:
            factors = []
            for entry in term:
                of = None if entry["of"] is None else Source.from_dict(entry["of"])
                sources = {} if of is None else {of.name: of}
                factor = Factor(entry["source"], sources, entry["state"])
                factor.codes = list(entry["codes"])
                factors.append(factor)
            terms.append(factors)
        return cls(
            terms,
            list(state.get("part_of", range(len(terms)))),
            list(state["names"]),
            list(state["term_of"]),
            list(state["signs"]),
            np.asarray(state["center"], dtype=np.float64),
            np.asarray(state["scale"], dtype=np.float64),
        )


def _check_names(
    factor: Factor, sources: Mapping[str, Source], latent_dim: int, mask_latent_dim: int
) -> None:
    for name in sorted(factor.expression.names | factor.expression.absences):
        if name in LATENTS:
            raise InputError(f"a column '{name}' cannot be read, the word is taken; rename it")
        if name in sources:
            continue
        close = difflib.get_close_matches(name, list(sources), 1)
        guess = f"did you mean '{close[0]}'? " if close else ""
        shown = ", ".join(list(sources)[:12]) + (", ..." if len(sources) > 12 else "")
        raise InputError(f"there is no column '{name}' of several values; {guess}there are {shown}")
    if "latent" in factor.expression.latents and not latent_dim:
        raise InputError("latent is read, and the model has none here")
    if "mask_latent" in factor.expression.latents and not mask_latent_dim:
        raise InputError("mask_latent is read, and it has no dimensions; give mask_latent_dim=")


def _parts(formula: Formula, terms: list[list[Factor]]) -> tuple[list[list[Factor]], list[int]]:
    """Code the terms' levels; return the parts and the term that each part belongs to."""
    for term, factors in zip(formula.terms, terms, strict=True):
        levelled = sum(factor.of is not None for factor in factors)
        if levelled > _MOST_LEVELLED:
            raise InputError(
                f"'{term.name}' is a product of {levelled} columns with levels; {_MOST_LEVELLED} "
                f"are the most"
            )
        for factor in factors:
            if factor.of is not None and len(factor.of.levels) < 2:
                raise InputError(f"'{term.name}': {factor.of.name} has one level only; drop it")
    split = [
        (
            [factor.source for factor in factors if factor.of is not None],
            [factor.source for factor in factors if factor.of is None],
        )
        for factors in terms
    ]
    parts, part_of = [], []
    for t, coded in enumerate(codings(split, formula.intercept)):
        for coding in coded:
            parts.append(
                [
                    factor if factor.of is None else factor.coded(coding[factor.source])
                    for factor in terms[t]
                    if factor.of is None or factor.source in coding
                ]
            )
            part_of.append(t)
    return parts, part_of


def _check_size(
    formula: Formula, parts: list[list[Factor]], part_of: list[int], dims: Mapping[str, int]
) -> None:
    """Refuse more columns than a mechanism can have, before any column is made."""
    widths = [0] * len(formula.terms)
    for t, part in zip(part_of, parts, strict=True):
        widths[t] += math.prod(factor.width(dims) for factor in part)
    if sum(widths) > MOST_COLUMNS:
        t = max(range(len(widths)), key=widths.__getitem__)
        raise InputError(
            f"it stands for {sum(widths)} coefficients, '{formula.terms[t].name}' alone for "
            f"{widths[t]}; {MOST_COLUMNS} are the most: leave terms out, or merge levels"
        )


def _check_count(term: Term, count: int) -> None:
    if term.sign is not None and count > 1:
        raise InputError(
            f"'{term.name}' stands for {count} coefficients, which one direction does not fit; "
            f"leave the sign out"
        )


def _observed(
    factors: list[Factor], table: pd.DataFrame, dims: Mapping[str, int]
) -> tuple[list[Tensor], list[str]]:
    """Evaluate a term at the rows where all that it reads is observed, and name its columns."""
    read = sorted({name for factor in factors for name in factor.reads()})
    seen = table[read].notna().all(axis=1).to_numpy() if read else np.ones(len(table), dtype=bool)
    if not seen.any():
        raise InputError(f"{' and '.join(read)} are never observed together")

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
            raise InputError(f"'{name}' is not finite at all observed values; change the term")
    return result, names


def _moments(factors: list[Factor], column: Tensor, name: str) -> tuple[float, float]:
    """Return mean and standard deviation; a latent, which was set to one, enters by its prior."""
    if all(factor.unscaled for factor in factors):
        return 0.0, 1.0
    with_latent = any(factor.expression.latents for factor in factors)
    if with_latent:
        mean, sd = 0.0, float(column.square().mean().sqrt())
    else:
        mean, sd = float(column.mean()), float(column.std()) if len(column) > 1 else 0.0
    if not sd > 1e-12 * max(1.0, float(column.abs().max())):
        raise InputError(f"'{name}' has one value only where it is observed; drop it")
    return mean, sd
