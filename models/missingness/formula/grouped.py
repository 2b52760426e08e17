"""The linear terms of all formulas together: one product of matrices in the place of many terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .design import Design
from .linear_predictor import LinearPredictor
from .lookup import Names

#: what a linear term may multiply: the name under which the model supplies it
_INPUTS = ("x", "z", "z_mask", "covariates")


class _Entry(NamedTuple):
    """A coefficient: of which formula, of which column of which input, by what it counts."""

    row: int
    given: str
    column: int
    factor: float
    shift: float


class Grouped:
    """The formulas that are sums of columns, covariates and latents as they are.

    Their scores are a x + x A^T + z B^T + ... + b, with all coefficients in a few matrices.
    Formulas with other terms, such as logarithms, products and levels, are not among them.

    Args:
        parts: the formulas, by the position of the column that each explains.
        names: the columns and covariates, with their units.
    """

    def __init__(self, parts: Mapping[int, LinearPredictor], names: Names) -> None:
        self._entries: list[_Entry] = []
        #: the columns whose formulas are linear
        self.columns: list[int] = []
        for row, part in parts.items():
            found = _entries(row, part.design, names)
            if found is not None:
                self.columns.append(row)
                self._entries += found
        own = [parts[row] for row in self.columns]
        #: whether no coefficient has a prior and no intercept refers to the data's own units
        self._simple = all(
            not part.priors and (part.fixed_intercept is None or not part.in_data_units)
            for part in own
        )
        self._free: list[int] = []
        self._signs: list[float] = []
        start = 0
        for part in own:
            self._free += [start + q for q in part.free]
            signs = [part.signs.get(part.names[q]) for q in part.free]
            self._signs += [0.0 if sign is None else float(f"{sign}1") for sign in signs]
            start += len(part.names)
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
            given = x if name == "x" else context[name].to(x.dtype)
            matrix = x.new_zeros(given.shape[-1], p)
            rest = rest + given @ matrix.index_put((column, row), coefficient[place] * by)
        return slope, rest

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
        intercepts = [zero if part.intercept is None else part.intercept for part in own]
        base = torch.cat([part.base for part in own])
        raw: list[Tensor] = [part.raw for part in own if part.raw is not None]
        if raw:
            free, sign = torch.cat(raw), tables["sign"]
            if any(self._signs):
                free = torch.where(sign == 0, free, sign * softplus(free))
            whole = len(self._free) == len(self._entries)
            base = free if whole else base.index_copy(0, tables["free"], free)
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
            "sign": real(self._signs),
        }


def _entries(row: int, design: Design, names: Names) -> list[_Entry] | None:
    """Return the coefficients of one formula, None where a term is not linear in what is given."""
    found: list[_Entry] = []
    for term, factors in design.factors():
        if len(factors) != 1 or factors[0].of is not None:
            return None
        expression = factors[0].expression
        q = len(found)
        scale, center = float(design.scale[q]), float(design.center[q])
        name = expression.name
        if expression.latents:
            given = "z" if "latent" in expression.latents else "z_mask"
            for column in range(design.term_of.count(term)):
                scale, center = float(design.scale[len(found)]), float(design.center[len(found)])
                found.append(_Entry(row, given, column, 1 / scale, -center / scale))
        elif name in names.columns:
            k = names.columns.index(name)
            if names.warps[k] is not None:
                return None
            units = float(names.scale[k]), float(names.center[k])
            found.append(_Entry(row, "x", k, units[0] / scale, (units[1] - center) / scale))
        elif name in names.covariates:
            k = names.covariates.index(name)
            found.append(_Entry(row, "covariates", k, 1 / scale, -center / scale))
        else:
            return None
    return found
