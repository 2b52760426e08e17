"""The terms of all formulas together: a few products of matrices in the place of many terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...distributions.shapes import broadcast
from .design import Design
from .factors import Factor, products
from .linear_predictor import Learnt, LinearPredictor
from .lookup import Names, RowValues

#: what a coefficient may multiply: the name under which the model supplies it, or "computed" for
#: the columns of terms that are not linear
_INPUTS = ("x", "z", "z_mask", "covariates", "computed")


class _Entry(NamedTuple):
    """A coefficient: of which formula, of which column of which input, by what it counts."""

    row: int
    given: str
    column: int
    factor: float
    shift: float


class Grouped:
    """The formulas that are linear in their own column, as the model sees it.

    Their scores are a x + x A^T + z B^T + f C^T + ... + b, with all coefficients in a few matrices.
    f are the columns of terms that are not linear but do not read the formula's own column, such as
    logarithms, products and levels of other columns; a term that several formulas have is computed
    once. Formulas that are not linear in their own column are not among them.

    Args:
        parts: the formulas, by the position of the column that each explains.
        names: the columns and covariates, with their units.
        learnt: the parameters of all formulas.
    """

    def __init__(self, parts: Mapping[int, LinearPredictor], names: Names, learnt: Learnt) -> None:
        self._entries: list[_Entry] = []
        #: the columns whose formulas are linear in these columns themselves
        self.columns: list[int] = []
        self._names = names
        computed = _Computed()
        for row, part in parts.items():
            found = _entries(row, part.design, names, computed)
            if found is not None:
                self.columns.append(row)
                self._entries += found
        used = {e.column for e in self._entries if e.given == "computed"}
        #: the products of factors that are computed, and the first of the columns of each
        self._computed = [(start, part) for start, part in computed.parts if start in used]
        self._num_computed = computed.count
        own = [parts[row] for row in self.columns]
        #: whether no coefficient has a prior and no intercept refers to the data's own units
        self._simple = all(
            not part.priors and (part.fixed_intercept is None or not part.in_data_units)
            for part in own
        )
        self._learnt = learnt
        self._free: list[int] = []
        self._signs: list[float] = []
        #: which of the coefficients that are learnt are of these formulas; None if all are
        self._takes: list[int] | None = [q for part in own for q in part.places]
        start = 0
        for part in own:
            self._free += [start + q for q in part.free]
            signs = [part.signs.get(part.names[q]) for q in part.free]
            self._signs += [0.0 if sign is None else float(f"{sign}1") for sign in signs]
            start += len(part.names)
        if len(self.columns) == len(parts):
            self._takes = None
        #: whether all there is is learnt, so that the parameters serve as they are
        self._all_free = (
            self._takes is None
            and len(self._free) == len(self._entries) > 0
            and all(part.free_intercept for part in own)
        )
        #: constants as tensors, for each dtype and device
        self._tensors: dict[Any, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Drop the tensors per device, which are rebuilt on use."""
        return {**self.__dict__, "_tensors": {}}

    def scores(
        self,
        parts: Mapping[int, LinearPredictor],
        x: Tensor,
        context: Mapping[str, Any],
        others: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the slopes (p,) of all columns on themselves, and the rest of their scores.

        Args:
            parts: the formulas.
            x: (..., n, p), in the model's units.
            context: the inputs of the mechanism besides x.
            others: (p,), the scores of the columns that have no linear formula.

        Returns:
            The slopes, and the scores at zero of the columns themselves, (p,) or (..., n, p).
        """
        p = x.shape[-1]
        if not self.columns:
            return x.new_zeros(p), others
        tables = self._tables(x)
        coefficient, intercept = self._coefficients(parts, context, tables)
        place, row, by = tables["own"]
        slope = x.new_zeros(p).index_add(0, row, coefficient[place] * by)
        rest = others.index_copy(0, tables["rows"], intercept)
        rest = rest.index_add(0, tables["row"], coefficient * tables["shift"])
        for name, place, row, column, by in tables["others"]:
            given = self._given(name, x, context)
            matrix = x.new_zeros(given.shape[-1], p)
            rest = rest + given @ matrix.index_put((column, row), coefficient[place] * by)
        return slope, rest

    def _given(self, name: str, x: Tensor, context: Mapping[str, Any]) -> Tensor:
        """Return what the coefficients of one input multiply, (..., n, number of its columns)."""
        if name == "x":
            return x
        if name != "computed":
            given: Tensor = context[name].to(x.dtype)
            return given
        values = RowValues(self._names, x, context)
        made: dict[Any, list[Tensor]] = {}
        found = [x.new_zeros(())] * self._num_computed
        for start, part in self._computed:
            for k, column in enumerate(products(part, values, made)):
                found[start + k] = column.to(x.dtype)
        shape = broadcast(*(column.shape for column in found))
        return torch.stack([column.expand(shape) for column in found], -1)

    def _coefficients(
        self, parts: Mapping[int, LinearPredictor], context: Mapping[str, Any], tables: Any
    ) -> tuple[Tensor, Tensor]:
        """Return the coefficients of all formulas one after the other, and their intercepts."""
        own = [parts[row] for row in self.columns]
        zero = tables["shift"].new_zeros(())
        if not self._simple:
            each = [part.coefficients(context) for part in own]
            intercepts = [zero if b is None else b for _, b in each]
            return torch.cat([value for value, _ in each]), torch.stack(intercepts)
        free: Tensor | None = self._learnt.coefficients
        if free is not None and self._free:
            free = free if self._takes is None else free[tables["takes"]]
            if any(self._signs):
                sign = tables["sign"]
                free = torch.where(sign == 0, free, sign * softplus(free))
        if self._all_free:
            assert free is not None
            assert self._learnt.intercepts is not None
            return free, self._learnt.intercepts
        base = torch.cat([part.base for part in own])
        if free is not None and self._free:
            base = base.index_copy(0, tables["free"], free)
        intercepts = [zero if part.intercept is None else part.intercept for part in own]
        return base, torch.stack(intercepts)

    def _tables(self, like: Tensor) -> dict[str, Any]:
        key = (like.dtype, like.device)
        if key not in self._tensors:
            with torch.inference_mode(False):  # inference tensors could have no gradients later
                self._tensors[key] = self._tabulated(like)
        return self._tensors[key]

    def _tabulated(self, like: Tensor) -> dict[str, Any]:
        def whole(values: Sequence[int]) -> Tensor:
            return torch.tensor(list(values), dtype=torch.long, device=like.device)

        def real(values: Sequence[float]) -> Tensor:
            return torch.tensor(list(values), dtype=like.dtype, device=like.device)

        def columns(mine: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            found = [self._entries[q] for q in mine]
            row, column = whole([e.row for e in found]), whole([e.column for e in found])
            return whole(mine), row, column, real([e.factor for e in found])

        numbered = list(enumerate(self._entries))
        own = [q for q, e in numbered if e.given == "x" and e.column == e.row]
        place, row, _, by = columns(own)
        inputs = {
            name: [q for q, e in numbered if e.given == name and q not in own] for name in _INPUTS
        }
        return {
            "own": (place, row, by),
            "others": [(name, *columns(mine)) for name, mine in inputs.items() if mine],
            "row": whole([e.row for e in self._entries]),
            "shift": real([e.shift for e in self._entries]),
            "rows": whole(self.columns),
            "free": whole(self._free),
            "takes": whole(self._takes or ()),
            "sign": real(self._signs),
        }


class _Computed:
    """The columns of terms that are not linear, each once however many formulas have it."""

    def __init__(self) -> None:
        #: products of factors, and the number of columns before those of each
        self.parts: list[tuple[int, list[Factor]]] = []
        self.count = 0
        self._known: dict[Any, int] = {}

    def place_of(self, factors: list[Factor], width: int) -> int:
        """Return the first of the columns of a product of factors."""
        key = tuple((f.source, repr(f.expression.state), tuple(f.codes), f.of) for f in factors)
        if key not in self._known:
            self._known[key] = self.count
            self.parts.append((self.count, factors))
            self.count += width
        return self._known[key]


def _width(design: Design, term: int, factors: list[Factor]) -> int | None:
    """Return the number of columns of a product of factors, None where it cannot be told."""
    if sum(t == term for t, _ in design.factors()) == 1:
        return design.term_of.count(term)
    # a term with levels may have several products, one for each coding
    if any(factor.expression.latents for factor in factors):
        return None
    return math.prod(factor.width({}) for factor in factors)


def _entries(row: int, design: Design, names: Names, computed: _Computed) -> list[_Entry] | None:
    """Return the coefficients of one formula, None where it is not linear in its own column."""
    found: list[_Entry] = []
    own = names.columns[row]
    for term, factors in design.factors():
        width = _width(design, term, factors)
        if width is None:
            return None
        one = factors[0].expression if len(factors) == 1 and factors[0].of is None else None
        name = None if one is None else one.name
        units = None
        if one is not None and one.latents:
            given = "z" if "latent" in one.latents else "z_mask"
            first = 0
        elif name in names.columns and names.warps[names.columns.index(name)] is None:
            given, first = "x", names.columns.index(name)
            units = float(names.scale[first]), float(names.center[first])
        elif name in names.covariates:
            given, first = "covariates", names.covariates.index(name)
        elif any(own in factor.reads() for factor in factors):
            return None
        else:
            given, first = "computed", computed.place_of(factors, width)
        for k in range(width):
            scale, center = float(design.scale[len(found)]), float(design.center[len(found)])
            by, less = (1.0, 0.0) if units is None else units
            found.append(_Entry(row, given, first + k, by / scale, (less - center) / scale))
    return found
