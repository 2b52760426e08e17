r"""A normal decoder under a mechanism that is smooth in the cell's own value, on shared nodes.

Where P(missing) is a function of the cell's value alone, one for each column, it is evaluated on a
grid of values once, and all cells and particles read their nodes off it. On nodes that are h apart
the trapezoidal rule integrates a Gaussian of scale sigma times a function with poles at a distance
d from the real line with an error of about exp(-2 pi^2 sigma^2 / h^2) + exp(-2 pi d / h), relative
to the integral (Trefethen & Weideman, SIAM Review 2014). For a sigmoid d is pi over its slope:
with h = sigma, and h times the slope at most 0.6, that is far below 1e-8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import torch
from pyro.distributions import Normal
from torch import Tensor

from ..randomness.by_key import Numbers
from .conditionals import Tilted
from .packing import pick

_REACH = 9.0  # sd of the decoder either side, as far as the tails of a tilt can matter
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_FINEST = 3  # times that the nodes may be halved for a steep mechanism
_MOST_NODES = 1_000_000

_MOST_CHANGE = 0.15  # of P between nodes: a slope of the log-odds of 0.6, where P is a half
_FOR_DRAWS = 8  # nodes a standard deviation, to interpolate between
_AT_ONCE = 16_384  # cells, so that what is computed stays in a processor's cache

LogMissing = Callable[[Tensor, Tensor], Tensor]
Rule = Callable[[Normal, Tensor, Tensor], Tilted]


def tilted_on_grid(
    decoder: Normal,
    rows: Tensor,
    columns: Tensor,
    nodes_per_sd: int,
    log_missing_at: LogMissing,
    rule: Rule,
) -> Tilted:
    """Return p(x_j | z, s_j = 0) of the cells, on shared nodes, or by ``rule`` if unsuitable.

    What is unsuitable is a mechanism so steep that shared nodes would be too many.

    Args:
        decoder: the packed decoder, batch shape (K, M), of the cells (rows[c], columns[c]).
        nodes_per_sd: how many there are at least.
        log_missing_at: log P(missing) for values (G, 1, C) of the C columns that are given.
        rule: what integrates a packed decoder at the cells that are given.
    """
    if not _finite(decoder):
        return rule(decoder, rows, columns)
    laid = _lay_out(decoder, columns, nodes_per_sd, log_missing_at, _FINEST)
    if laid is None:
        return rule(decoder, rows, columns)

    def again(decoder: Normal, rows: Tensor, columns: Tensor) -> Tilted:
        return tilted_on_grid(decoder, rows, columns, nodes_per_sd, log_missing_at, rule)

    return SharedGrid(decoder, rows, columns, laid, log_missing_at, again, rule)


def _finite(decoder: Normal) -> bool:
    loc, scale = decoder.loc, decoder.scale
    return loc.numel() > 0 and bool((loc.isfinite() & scale.isfinite()).all())


def _lay_out(
    decoder: Normal, columns: Tensor, nodes_per_sd: int, log_missing_at: LogMissing, halvings: int
) -> _Laid | None:
    """Lay nodes out for all cells, closer to each other where P(missing) changes fast.

    Args:
        halvings: of the distance, at most; with none, how P(missing) changes is not asked.

    Returns:
        None where the nodes would be too many.
    """
    loc, scale = decoder.loc.detach().reshape(-1), decoder.scale.detach().reshape(-1)
    unique, place = columns.unique(return_inverse=True)
    place = place.repeat(len(loc) // len(place))
    smallest = float(scale.min())
    # cells of about the same scale, to a power of two, have nodes equally far apart
    level = (scale / smallest * (1 + 1e-6)).log2().floor()
    groups, tables, start = [], [], 0
    for power in level.unique().tolist():
        mine = (level == power).nonzero().flatten()
        for halved in range(halvings + 1):
            spacing = smallest * 2.0 ** (power - halved) / nodes_per_sd
            group = _Group.of(loc, scale, place, mine, spacing, len(unique), start)
            if group is None:
                return None
            table = log_missing_at(group.values(loc).expand(-1, 1, len(unique)), unique)
            table = table.expand(group.size, 1, len(unique)).squeeze(1)
            change = table.detach().exp().diff(dim=0).abs()
            if not halvings or bool((change <= _MOST_CHANGE).all()):
                break
        else:
            return None
        groups.append(group)
        tables.append(table.T.reshape(-1))
        start += table.numel()
    return _Laid(torch.cat(tables), groups)


class _Group(NamedTuple):
    """Cells whose nodes are multiples of one spacing.

    ``low`` and ``size`` are the first multiple and the number of them; ``first`` where in the flat
    table a cell's first node lies; ``offset`` its distance from the mean and ``step`` that of the
    nodes, in sd; ``nodes`` their number in a cell; ``cells`` the flat positions.
    """

    spacing: float
    low: int
    size: int
    first: Tensor
    offset: Tensor
    step: Tensor
    nodes: int
    cells: Tensor

    @classmethod
    def of(
        cls,
        loc: Tensor,
        scale: Tensor,
        place: Tensor,
        cells: Tensor,
        spacing: float,
        columns: int,
        start: int,
    ) -> _Group | None:
        """Lay the nodes of some cells out; None where they would be too many."""
        loc, scale, place = loc[cells], scale[cells], place[cells]
        half = math.ceil(_REACH * float(scale.max()) / spacing * (1 - 1e-6))
        middle = (loc / spacing).round_()
        low = int(middle.min()) - half
        size = int(middle.max()) + half + 1 - low
        if start + size * columns > _MOST_NODES:
            return None
        first = start + place * size + (middle.long() - half - low)
        offset = (middle - half).mul_(spacing).sub_(loc).div_(scale)
        return cls(spacing, low, size, first, offset, spacing / scale, 2 * half + 1, cells)

    def values(self, like: Tensor) -> Tensor:
        """Return the nodes (G, 1, 1)."""
        number = torch.arange(self.low, self.low + self.size, device=like.device)
        return (number * self.spacing).to(like.dtype).view(-1, 1, 1)


class _Laid(NamedTuple):
    """The log of P(missing) at all nodes, flat, and the cells by groups."""

    table: Tensor
    groups: list[_Group]


class SharedGrid(Tilted):
    """The conditional of cells whose integrals are read off nodes that all of them share.

    Draws invert the distribution function between nodes an eighth of a standard deviation apart.
    """

    def __init__(
        self,
        decoder: Normal,
        rows: Tensor,
        columns: Tensor,
        laid: _Laid,
        log_missing_at: LogMissing,
        again: Rule,
        rule: Rule,
    ) -> None:
        self.decoder, self.rows, self.columns = decoder, rows, columns
        self.laid, self.log_missing_at = laid, log_missing_at
        self.again, self.rule = again, rule

    @cached_property
    def _integrals(self) -> tuple[Tensor, Tensor, Tensor]:
        """The log of P(missing), and mean and mean square of (x - mu) / sigma given missing."""
        found: tuple[Tensor, Tensor, Tensor] = _OnGrid.apply(
            self.decoder.loc, self.decoder.scale, *self.laid
        )
        return found

    @property
    def log_missing(self) -> Tensor:
        """Return log P(s_j = 0 | z)."""
        return self._integrals[0]

    @torch.no_grad()
    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance given z and s_j = 0."""
        _, first, second = self._integrals
        loc, scale = self.decoder.loc.detach(), self.decoder.scale.detach()
        return loc + scale * first, scale.square() * (second - first.square()).clamp_min(0)

    @torch.no_grad()
    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample by inversion of the distribution function."""
        loc, scale = self.decoder.loc, self.decoder.scale
        laid = _lay_out(self.decoder, self.columns, _FOR_DRAWS, self.log_missing_at, 0)
        if laid is None:
            return self.rule(self.decoder, self.rows, self.columns).sample(numbers)
        found = loc.new_empty(loc.numel())
        for cells, _, u, share in _shares(*laid, loc):
            upper = share.cumsum(-1)
            wanted = upper[:, :1]
            if numbers is None:
                wanted = torch.rand_like(wanted) * upper[:, -1:]
            else:
                wanted = numbers.at_places(cells, upper).unsqueeze(-1) * upper[:, -1:]
            index = torch.searchsorted(upper, wanted).clamp_max_(upper.shape[-1] - 1)
            # a node's share lies evenly between the middles to its neighbours
            own = share.gather(-1, index)
            part = (wanted - upper.gather(-1, index)) / own.clamp_min(1e-30) + 0.5
            place = u.gather(-1, index) + (u[:, 1:2] - u[:, :1]) * part.clamp(-0.5, 0.5)
            found.index_copy_(0, cells, place.squeeze(-1))
        return loc + scale * found.view(loc.shape)

    def select(self, particles: Tensor, cells: Tensor) -> Tilted:
        """Select the chosen particles and cells."""
        chosen = pick(self.decoder, particles, cells)
        return self.again(chosen, self.rows[cells], self.columns[cells])


def _shares(
    table: Tensor, groups: list[_Group], like: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield blocks of cells: their positions, log P(missing), and the nodes with their shares.

    Nodes are in standard deviations from the mean, (B, nodes), and a cell's shares sum to one.
    """
    for group in groups:
        number = torch.arange(group.nodes, dtype=like.dtype, device=like.device)
        windows = table.unfold(0, group.nodes, 1)
        for mine in _blocks(group):
            step = group.step[mine].unsqueeze(-1)
            u = torch.addcmul(group.offset[mine].unsqueeze(-1), step, number)
            share = windows[group.first[mine]].addcmul_(u, u, value=-0.5)
            most = share.amax(-1, keepdim=True)
            total = share.sub_(most).exp_().sum(-1, keepdim=True)
            share.div_(total)
            log_missing = (most + total.log_() + step.log()).squeeze(-1).sub_(_HALF_LOG_2PI)
            yield group.cells[mine], log_missing, u, share


def _blocks(group: _Group) -> list[slice]:
    return [slice(k, k + _AT_ONCE) for k in range(0, len(group.cells), _AT_ONCE)]


class _OnGrid(torch.autograd.Function):
    """The integrals of :class:`SharedGrid`, in the shape of the decoder.

    Their gradient in mu is E[u] / sigma, in sigma (E[u^2] - 1) / sigma, with u = (x - mu) / sigma
    given missing; in the log of P(missing) at a node it is the node's share.
    """

    @staticmethod
    def forward(
        ctx: Any, loc: Tensor, scale: Tensor, table: Tensor, groups: list[_Group]
    ) -> tuple[Tensor, Tensor, Tensor]:
        found = loc.new_empty(3, loc.numel())
        keep = any(ctx.needs_input_grad)
        shares = []
        for cells, log_missing, u, share in _shares(table, groups, loc):
            found[0].index_copy_(0, cells, log_missing)
            weighted = share * u
            found[1].index_copy_(0, cells, weighted.sum(-1))
            found[2].index_copy_(0, cells, weighted.mul_(u).sum(-1))
            if keep:
                shares.append(share)
        log_missing, first, second = (one.view(loc.shape) for one in found.unbind(0))
        if keep:
            ctx.groups = groups
            ctx.save_for_backward(scale, table, first, second, *shares)
        ctx.mark_non_differentiable(first, second)
        return log_missing, first, second

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        scale, table, first, second, *shares = ctx.saved_tensors
        by_scale = by_table = None
        by_loc = grad / scale
        if ctx.needs_input_grad[1]:
            by_scale = (by_loc * (second - 1)).sum_to_size(scale.shape)
        if ctx.needs_input_grad[2]:
            weight = grad.reshape(-1)
            by_table = torch.zeros_like(table)
            places = [
                (group.cells[mine], group.first[mine])
                for group in ctx.groups
                for mine in _blocks(group)
            ]
            for (cells, start), share in zip(places, shares, strict=True):
                given = (share * weight[cells].unsqueeze(-1)).T.contiguous()
                for number, row in enumerate(given):
                    by_table.index_add_(0, start + number, row)
        return by_loc.mul_(first), by_scale, by_table, None
