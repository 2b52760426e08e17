"""The linear predictor of one column, computed from its formula and coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pyro
import torch
from pyro.distributions import FoldedDistribution
from torch import Tensor, nn
from torch.nn.functional import softplus

from . import Design
from .declaration import INTERCEPT
from .priors import prior_from_dict, prior_text

_START_OF_KNOWN = 0.5413  # its softplus is 1


class Learnt(nn.Module):
    """What is learnt of all formulas, one after the other, in two parameters.

    A parameter for each formula would cost each step of a fit more than the formulas themselves.

    Args:
        coefficients: (q,) the coefficients' first values.
        intercepts: (r,) the first values of the intercepts.
    """

    def __init__(self, coefficients: Tensor, intercepts: Tensor) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(coefficients) if len(coefficients) else None
        self.intercepts = nn.Parameter(intercepts) if len(intercepts) else None


class LinearPredictor(nn.Module):
    """The linear predictor of one column, with its coefficients and their priors.

    Args:
        entry: the formula and what is known of its coefficients, as plain data; see
            :class:`FormulaMissingness`.
    """

    #: what is learnt of all formulas, and where this one's coefficients begin and intercept stands
    _learnt: tuple[Learnt, int, int]

    def __init__(self, entry: Mapping[str, Any]) -> None:
        super().__init__()
        self.column, self.text = str(entry["column"]), str(entry["text"])
        self.design = Design.from_dict(entry["design"])
        self.names = tuple(self.design.names)
        self.has_intercept = bool(entry["intercept"])
        self.in_data_units = entry["units"] == "data"
        self.priors: dict[str, Any] = dict(entry["priors"])
        self.signs: dict[str, str] = dict(entry["signs"])
        self.shrinkage: float | None = entry.get("shrinkage")
        fixed: dict[str, float] = dict(entry["fixed"])
        scale = torch.as_tensor(self.design.scale, dtype=torch.float64)
        self.unit = scale if self.in_data_units else torch.ones_like(scale)
        self.shift = torch.as_tensor(self.design.center, dtype=torch.float64) / scale
        count = len(self.names)
        self.given = {name: float(fixed[name]) for name in self.names if name in fixed}
        self.free = [
            q for q, name in enumerate(self.names) if name not in fixed and name not in self.priors
        ]
        base = torch.zeros(count, dtype=torch.float64)
        for q, name in enumerate(self.names):
            if name in self.given:
                base[q] = self.given[name] * self.unit[q]
        self.base: Tensor
        self.direction: Tensor
        self.unit_of: Tensor
        self.shift_of: Tensor
        self.free_index: Tensor
        kind = torch.get_default_dtype()
        signs = [{"+": 1.0, "-": -1.0}.get(self.signs.get(name, ""), 0.0) for name in self.names]
        self.register_buffer("base", base.to(kind))
        self.register_buffer("direction", torch.tensor(signs, dtype=kind))
        self.register_buffer("unit_of", self.unit.to(kind), persistent=False)
        self.register_buffer("shift_of", self.shift.to(kind), persistent=False)
        self.register_buffer("free_index", torch.tensor(self.free).long(), persistent=False)
        # at a coefficient of zero neither a latent nor its guide would learn
        latent = [name.startswith(("latent[", "mask_latent[")) for name in self.names]
        start_of = [
            _START_OF_KNOWN if sign else 0.1 * own for sign, own in zip(signs, latent, strict=True)
        ]
        #: the first values of the coefficients that are learnt
        self.starts = [start_of[q] for q in self.free]
        self.fixed_intercept = fixed.get(INTERCEPT)
        stated = self.has_intercept and INTERCEPT not in self.priors
        self.free_intercept = stated and self.fixed_intercept is None
        self.given_intercept: Tensor | None
        held = stated and self.fixed_intercept is not None
        start = torch.tensor(float(self.fixed_intercept or 0.0), dtype=kind) if held else None
        self.register_buffer("given_intercept", start)
        self.__dict__["_learnt"] = (None, 0, 0)

    def is_part_of(self, learnt: Learnt, coefficients: int, intercept: int) -> None:
        """Say where its own coefficients begin, and its intercept stands, among all formulas'."""
        # not registered here, so that each parameter has one name
        self.__dict__["_learnt"] = (learnt, coefficients, intercept)

    @property
    def places(self) -> range:
        """The places of its own coefficients among all that are learnt."""
        first = self._learnt[1]
        return range(first, first + len(self.free))

    @property
    def raw(self) -> Tensor | None:
        """The coefficients that are learnt, of terms with a sign before softplus."""
        learnt, first, _ = self._learnt
        own = learnt.coefficients if self.free else None
        return None if own is None else own[first : first + len(self.free)]

    @property
    def intercept(self) -> Tensor | None:
        """The intercept, learnt or given; None where there is none or it has a prior."""
        learnt, _, place = self._learnt
        own = learnt.intercepts if self.free_intercept else None
        return self.given_intercept if own is None else own[place]

    def site(self, name: str) -> str:
        """Name the Pyro site of a coefficient with a prior, without dots, which torch refuses."""
        return f"{self.column} ~ {name}".replace(".", "·")

    def sample(self) -> dict[str, Tensor]:
        """Sample the coefficients that have priors; a direction folds the prior at zero."""
        found = {}
        for name, state in self.priors.items():
            prior: Any = prior_from_dict(state, self.base)
            if name in self.signs:
                prior = FoldedDistribution(prior)
            found[self.site(name)] = pyro.sample(self.site(name), prior)
        return found

    def shrunk(self) -> list[int]:
        """Return the places of the coefficients that are shrunk, among all formulas' own."""
        if self.shrinkage is None or not self.free:
            return []
        own = [k for k, q in enumerate(self.free) if self._reads_own(q)]
        first = self.places.start
        return [first + k for k in own if self.names[self.free[k]] not in self.signs]

    def coefficients(self, context: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Return the coefficients (q,) per standard deviation of each term, and the intercept."""
        value = self.base
        if self.raw is not None:
            own = self.direction[self.free_index]
            free = torch.where(own == 0, self.raw, own * softplus(self.raw))
            value = value.index_copy(0, self.free_index, free)
        for q, name in enumerate(self.names):
            if name not in self.priors:
                continue
            sampled = context.get(self.site(name))
            if sampled is None:  # outside a Pyro program: the prior's centre
                sampled = self._center(name)
            sign = self.direction[q]
            signed = sampled if float(sign) == 0 else sign * sampled
            value = value.index_copy(
                0, self.free_index.new_tensor([q]), (signed * self.unit_of[q]).reshape(1)
            )
        intercept = self.intercept
        if INTERCEPT in self.priors:
            intercept = context.get(self.site(INTERCEPT))
            intercept = self._center(INTERCEPT) if intercept is None else intercept
        stated = self.fixed_intercept is not None or INTERCEPT in self.priors
        if intercept is not None and stated and self.in_data_units:
            intercept = intercept + (value * self.shift_of).sum()
        return value, intercept

    def _center(self, name: str) -> Tensor:
        """Return the prior's location, or the median size if the prior is folded at zero."""
        state = self.priors[name]
        if name in self.signs:
            return self.base.new_tensor(abs(float(state["loc"])) + 0.6745 * float(state["scale"]))
        return self.base.new_tensor(float(state["loc"]))

    def score(self, lookup: Callable[[str], Tensor], context: Mapping[str, Any]) -> Tensor:
        """Evaluate the linear predictor, in the shape of what the formula reads."""
        value, intercept = self.coefficients(context)
        if not self.names:
            return value.new_zeros(()) if intercept is None else intercept
        total = (self.design(lookup) * value).sum(-1)
        return total if intercept is None else total + intercept

    def per_data_unit(self, context: Mapping[str, Any]) -> dict[str, Tensor]:
        """Convert coefficients to the data's units, with the intercept where all terms are 0."""
        value, intercept = self.coefficients(context)
        found = {}
        if intercept is not None:
            found[f"{self.column} ~ {INTERCEPT}"] = intercept - (value * self.shift_of).sum()
        scale = torch.as_tensor(self.design.scale, dtype=value.dtype, device=value.device)
        for q, name in enumerate(self.names):
            found[f"{self.column} ~ {name}"] = value[q] / scale[q]
        return found

    @torch.no_grad()
    def initialise(self, start: Tensor) -> None:
        """Set the intercept to match the observed rate, unless it was given."""
        if self.free_intercept:
            assert self.intercept is not None
            self.intercept.copy_(start)

    @property
    def known(self) -> str | None:
        """Return what was specified for the coefficients that involve the column itself."""
        own = [q for q, name in enumerate(self.names) if self._reads_own(q)]
        if not own:
            return None
        if all(self.names[q] in self.given for q in own):
            return "given"
        if all(self.names[q] in self.given or self.names[q] in self.priors for q in own):
            return "prior"
        if any(self.names[q] in self.signs for q in own):
            return "direction"
        return None if self.shrinkage is None else "shrunk"

    def _reads_own(self, q: int) -> bool:
        return self.column in self.design.reads_of(self.design.term_of[q])

    @torch.no_grad()
    def table(self) -> list[tuple[str, str, float, float, str]]:
        """List this column's rows of :meth:`FormulaMissingness.coefficient_table`."""
        value, intercept = self.coefficients({})
        rows = []
        if intercept is not None:
            whole = float(intercept - (value * self.shift_of).sum())
            if self._centered():
                whole = math.nan
            how = "prior" if INTERCEPT in self.priors else "learnt"
            how = how if self.fixed_intercept is None else "given"
            rows.append((self.column, INTERCEPT, float(intercept), whole, how))
        for q, name in enumerate(self.names):
            per_unit = float(value[q]) / float(self.design.scale[q])
            how = "direction" if name in self.signs else "learnt"
            how = "given" if name in self.given else "prior" if name in self.priors else how
            rows.append((self.column, name, float(value[q]), per_unit, how))
        return rows

    def _centered(self) -> list[str]:
        """List the terms with priors whose averages the intercept refers to."""
        stated = self.fixed_intercept is not None or INTERCEPT in self.priors
        if not self.has_intercept or (stated and self.in_data_units):
            return []
        pairs = zip(self.names, self.shift.tolist(), strict=True)
        return [name for name, shift in pairs if name in self.priors and shift]

    @torch.no_grad()
    def equation(self) -> tuple[float | str | None, list[tuple[float | str, str]]]:
        """Return intercept and terms in the data's own units, for an equation.

        Terms with priors are written less their averages if the intercept refers to these.
        """
        value, at_average = self.coefficients({})
        centered = self._centered()
        intercept: float | str | None = None
        terms: list[tuple[float | str, str]] = []
        for _, name, _, per_unit, how in self.table():
            if name == INTERCEPT and how == "prior":
                intercept = f"[{prior_text(self.priors[name])}]"
            elif name == INTERCEPT and centered and at_average is not None:
                others = torch.tensor([other not in self.priors for other in self.names])
                intercept = float(at_average - (value * self.shift_of)[others].sum())
            elif name == INTERCEPT:
                intercept = per_unit
            elif how == "prior":
                unit = "" if self.in_data_units else " per sd"
                folded = "|" if name in self.signs else ""
                text = f"[{folded}{prior_text(self.priors[name])}{folded}{unit}]"
                sign = "-" if self.signs.get(name) == "-" else ""
                q = self.names.index(name)
                average = float(self.design.center[q])
                less = f"({name} {'+' if average < 0 else '-'} {abs(average):.4g})"
                terms.append((sign + text, less if name in centered else name))
            else:
                terms.append((per_unit, name))
        return intercept, terms
