"""The design columns of a formula, standardised by the observed values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ....data.errors import InputError
from ...distributions.shapes import broadcast
from .coded_terms import check_names, check_sign, check_size, coded
from .expressions import Lookup
from .factors import Factor, Source, products
from .grammar import Formula
from .observed_terms import moments, observed_columns


class Design:
    """The design columns f_q(row) of a formula, of shape (..., q).

    A column is (f - center) / scale, with the mean and standard deviation of f in the observed
    rows; for a product with ``latent`` these are computed under a standard normal latent.
    Indicators, ``latent`` and ``is_missing()`` are not standardised. Without an intercept no column
    is centred.

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
        #: products of factors; a term has several if its levels need several codings
        self._parts, self._part_of = parts, part_of
        self.names, self.term_of, self.signs = tuple(names), tuple(term_of), tuple(signs)
        self.center, self.scale = center, scale
        factors = [factor for part in parts for factor in part]
        self.reads = frozenset(name for f in factors for name in f.expression.names)
        self.reads_missing = frozenset(name for f in factors for name in f.expression.absences)
        self.reads_latent = any("latent" in f.expression.latents for f in factors)
        self.reads_mask_latent = any("mask_latent" in f.expression.latents for f in factors)
        #: center and scale as tensors, for each dtype and device
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
            formula: the formula, of which the right side is used.
            table: the columns that it reads, in data units, NaN where missing.
            sources: the columns and covariates by name.
            latent_dim, mask_latent_dim: the dimensions of the latents, 0 where there is none.

        Raises:
            ValueError: for an unknown name, a term that is constant or not finite where observed,
                or a direction of a term with several columns.
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
            check_names(factor, sources, latent_dim, mask_latent_dim)
        parts, part_of = coded(formula, terms)
        dims = {"latent": latent_dim, "mask_latent": mask_latent_dim}
        check_size(formula, parts, part_of, dims)
        names: list[str] = []
        term_of: list[int] = []
        signs: list[str | None] = []
        center: list[float] = []
        scale: list[float] = []
        for t, factors in zip(part_of, parts, strict=True):
            found, labels = observed_columns(factors, table, dims)
            for column, label in zip(found, labels, strict=True):
                mean, sd = moments(factors, column, label)
                names.append(label)
                term_of.append(t)
                signs.append(formula.terms[t].sign)
                center.append(mean if formula.intercept else 0.0)
                scale.append(sd)
        for t, term in enumerate(formula.terms):
            check_sign(term, term_of.count(t))
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
        shape = broadcast(*(c.shape for c in columns))
        stacked = torch.stack([c.expand(shape) for c in columns], -1)
        key = (stacked.dtype, stacked.device)
        if key not in self._scaling:
            with torch.inference_mode(
                False
            ):  # inference tensors could not be used with gradients later
                self._scaling[key] = (
                    torch.as_tensor(self.center, dtype=key[0], device=key[1]),
                    torch.as_tensor(self.scale, dtype=key[0], device=key[1]),
                )
        center, scale = self._scaling[key]
        return (stacked - center) / scale

    def __getstate__(self) -> dict[str, Any]:
        """Drop the tensors per device, which are rebuilt on use."""
        return {**self.__dict__, "_scaling": {}}

    def factors(self) -> list[tuple[int, list[Factor]]]:
        """List the products of factors in the order of their columns, each after its term."""
        return list(zip(self._part_of, self._parts, strict=True))

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
