"""The choice of how each missing cell is integrated, by its column's family and mechanism."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import Normal, TorchDistribution
from torch import Tensor

from ...data import Standardiser
from ...data.errors import KindError
from ...models.distributions.mask import MaskDistribution
from ...models.missingness import Affine
from ..randomness.by_key import Numbers
from . import quadrature
from .conditionals import InOtherUnits, Sampled, Tilted, Together, Untilted, closed_form
from .packing import pack, parts_of
from .shared_grid import tilted_on_grid
from .summed import TiltedDiscrete, TiltedQuadrature

# the ways to treat a column: it was sampled; its mask is no part of the likelihood; its absence
# depends on no missing value; its absence is affine in its own value; or it is none of these
_SAMPLED, _IGNORED, _FREE, _AFFINE, _GENERAL = range(5)


def tilt(
    decoder: TorchDistribution,
    mask: MaskDistribution | None,
    s: Tensor,
    rows: Tensor,
    columns: Tensor,
    sampled: Tensor | None = None,
    units: Standardiser | None = None,
    samples: int | None = None,
) -> Tilted:
    """Return p(x_j | z, s_j = 0) at the missing cells (rows[c], columns[c]).

    Args:
        decoder: p(x | z), batch shape (..., n, p).
        mask: p(s | x), with the mechanism and the x that it came from; None for p(x_j | z), which
            ignores the mask.
        s: (n, p) the observed mask.
        rows: (M,) the row of each missing cell.
        columns: (M,) the column of each missing cell.
        sampled: (p,) booleans, columns whose missing values were sampled, so that x holds them.
        units: the scaler of a table with warped columns, whose moments are then computed in the
            data's own units.
        samples: how many samples of every particle these moments come from, where they come from
            samples; eight when left out.

    Raises:
        TypeError: there is no rule for the family of a column.
    """
    return _Tilting(decoder, mask, s, rows, columns, sampled, units, samples).tilted()


class _Tilting:
    def __init__(
        self,
        decoder: TorchDistribution,
        mask: MaskDistribution | None,
        s: Tensor,
        rows: Tensor,
        columns: Tensor,
        sampled: Tensor | None,
        units: Standardiser | None,
        samples: int | None,
    ) -> None:
        self.decoder, self.mask, self.s = decoder, mask, s
        self.rows, self.columns, self.units = rows, columns, units
        self.samples = samples
        self.leading = tuple(decoder.batch_shape[:-2])
        self.affine: Affine | None = None
        if mask is not None and not mask.missingness.ignorable:
            self.affine = mask.affine()
        self.way = self._ways(sampled)

    def _ways(self, sampled: Tensor | None) -> list[int]:
        """Choose how each column is treated."""
        p = self.decoder.batch_shape[-1]
        if self.mask is None:
            return [_IGNORED] * p
        way = [_GENERAL] * p
        if self.affine is not None:
            closed = self.affine.columns
            way = [_AFFINE] * p
            if closed is not None:
                way = [_AFFINE if own else _GENERAL for own in closed.tolist()]
        dependence = self.mask.missingness.dependence(p)
        if _GENERAL in way:
            free = dependence.free.tolist()
            way = [_FREE if w == _GENERAL and f else w for w, f in zip(way, free, strict=True)]
        for given, instead in ((dependence.ignorable, _IGNORED), (sampled, _SAMPLED)):
            if given is not None:
                pairs = zip(way, given.tolist(), strict=True)
                way = [instead if replaced else w for w, replaced in pairs]
        return way

    def tilted(self) -> Tilted:
        """Return the conditional of all cells, in parts if they are treated in several ways."""
        p = self.decoder.batch_shape[-1]
        warped = [False] * p if self.units is None else (~self.units.linear).tolist()
        # by Python's numbers, since every step of a fit comes here and tables have few columns
        kinds: list[tuple[int, bool, Any]] = []
        kind_of, place_of = [0] * p, [0] * p
        for own, fn in parts_of(self.decoder):
            found: dict[tuple[int, bool], int] = {}
            columns = own.tolist()
            for kind in sorted({(self.way[j], bool(warped[j])) for j in columns}):
                found[kind] = len(kinds)
                kinds.append((*kind, fn))
            for place, j in enumerate(columns):
                place_of[j] = place
                kind_of[j] = found[self.way[j], bool(warped[j])]
        if len(kinds) == 1:  # all cells are treated alike
            return self._part(*kinds[0], self.rows, self.columns, self.columns)
        device = self.columns.device
        kind_of_cell = torch.tensor(kind_of, device=device)[self.columns]
        local = torch.tensor(place_of, device=device)[self.columns]
        parts = []
        for number, (way, warp, fn) in enumerate(kinds):
            cells = (kind_of_cell == number).nonzero().flatten()
            if len(cells):
                of_cells = self.rows[cells], self.columns[cells], local[cells]
                parts.append((cells, self._part(way, warp, fn, *of_cells)))
        if len(parts) == 1:  # the other columns miss nothing here
            return parts[0][1]
        if not parts:
            return self._part(*kinds[0], self.rows, self.columns, self.columns)
        return Together(parts, self.leading)

    def _part(
        self, way: int, warped: bool, fn: Any, rows: Tensor, columns: Tensor, local: Tensor
    ) -> Tilted:
        """Return the conditional of cells that are of one family and treated in one way.

        ``local`` are their columns within the family.
        """
        if way == _SAMPLED:
            assert self.mask is not None
            values = self.mask.x[..., rows, columns].expand(*self.leading, len(rows))
            at = self.mask.log_prob(self.s)[..., rows, columns]
            return Sampled(values, at, self._reported(values, columns) if warped else None)
        packed = pack(fn, rows, local)
        if way == _IGNORED and not warped:
            return Untilted(packed)
        if way == _FREE and not warped:
            assert self.mask is not None
            missing = self.mask.log_prob(torch.zeros_like(self.s, dtype=self.mask.x.dtype))
            at = missing[..., rows, columns].expand(*self.leading, len(rows))
            return Untilted(packed, at)
        if way == _AFFINE and (not warped or self._bent(columns)):
            assert self.affine is not None
            closed = closed_form(packed, self.affine.at(rows, columns))
            if closed is not None and warped:
                assert self.units is not None
                report = functools.partial(self._reported, columns=columns)
                return InOtherUnits(closed, report, self.samples)
            if closed is not None:
                return closed

        if packed.has_enumerate_support:
            support = packed.enumerate_support(expand=False)
            values = support.view(len(support), 1, 1)
            log_density = packed.log_prob(support)
            log_density = log_density.view(len(support), -1, len(rows))
            at = self._log_missing_at(way, values.to(log_density.dtype), rows, columns)
            return TiltedDiscrete(values, log_density, at)
        if quadrature.reach_of(packed) is None:
            under = "no mask" if self.mask is None else type(self.mask.missingness).__name__
            raise KindError(
                f"there is no rule to integrate a {type(packed).__name__} under {under}; register "
                f"one with absentia.inference.integration.quadrature.reach_of"
            )
        if way == _GENERAL and not warped and type(packed) is Normal and self._on_grid:
            assert self.mask is not None
            return tilted_on_grid(
                packed,
                rows,
                columns,
                self.mask.missingness.nodes_per_sd,
                lambda values, those: self._smooth(values, torch.zeros_like(those), those),
                lambda fn, *cells: _by_nodes(fn, lambda values: self._smooth(values, *cells)),
            )
        rule = _by_nodes(packed, lambda v: self._log_missing_at(way, v, rows, columns))
        if warped:
            rule.report = self._reported(rule.values, columns)
        if way == _IGNORED:
            return IgnoredInOtherUnits(rule)
        return rule

    def _log_missing_at(self, way: int, values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return log p(s_j = 0 | x_j) at the cells, for values that broadcast to (Q, K, M)."""
        if way == _IGNORED:
            return torch.zeros_like(values)
        if way == _AFFINE:  # evaluated on the missing cells alone
            assert self.affine is not None
            return self.affine.at(rows, columns).log_missing(values)
        assert self.mask is not None
        mechanism, context = self.mask.missingness, self.mask.context
        found: Tensor = mechanism.log_missing(values, rows, columns, self.mask.x, **context)
        return found

    @property
    def _on_grid(self) -> bool:
        """Whether P(missing) is a smooth function of the value alone, the same in all rows."""
        if self.mask is None or self.mask.context or not self.mask.missingness.nodes_per_sd:
            return False
        columnwise: bool = self.mask.missingness.dependence(self.mask.x.shape[-1]).columnwise
        return columnwise

    def _smooth(self, values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return log p(s_j = 0 | x_j) of such a mechanism, whatever the rest of the row."""
        assert self.mask is not None
        one = self.mask.x[(0,) * (self.mask.x.dim() - 2)]
        found: Tensor = self.mask.missingness.log_missing(values, rows, columns, one)
        return found

    def _bent(self, columns: Tensor) -> bool:
        """Whether all of these cells are of bent columns, whose moments come from samples."""
        assert self.units is not None
        warps = [self.units.warps[j] for j in columns.unique().tolist()]
        return all(warp is not None and warp.kind == "sinh-arcsinh" for warp in warps)

    def _reported(self, values: Tensor, columns: Tensor) -> Tensor:
        assert self.units is not None
        return self.units.invert_cells(values.detach(), columns)


def _by_nodes(packed: Any, log_missing: Callable[[Tensor], Tensor]) -> TiltedQuadrature:
    """Return cells that are integrated by nodes of their own."""
    nodes, log_weight = quadrature.rule_for(packed, lambda values: log_missing(values).exp())
    return TiltedQuadrature(nodes, packed.log_prob(nodes) + log_weight, log_missing(nodes))


class IgnoredInOtherUnits(Untilted):
    """Cells of an ignorable column that are reported in other units than the model's."""

    def __init__(self, rule: TiltedQuadrature) -> None:
        self.rule = rule

    @property
    def log_missing(self) -> Tensor:
        """Return zero, since the column is ignorable."""
        return torch.zeros((), device=self.rule.joint.device, dtype=self.rule.joint.dtype)

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance in the reported units."""
        return self.rule.moments(numbers)

    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample from the quadrature rule."""
        return self.rule.sample(numbers)

    def select(self, particles: Tensor, cells: Tensor) -> IgnoredInOtherUnits:
        """Select the chosen particles and cells."""
        chosen = self.rule.select(particles, cells)
        assert isinstance(chosen, TiltedQuadrature)
        return IgnoredInOtherUnits(chosen)
