"""Selection of some cells of a table's distributions: batch shape (..., n, p) to (..., M)."""

from __future__ import annotations

import functools
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from ...data.errors import KindError
from ...models.distributions.mixed import MixedColumns


class Picker:
    """An index of [..., particles[i], cells[i]] in tensors that broadcast to (..., K, M)."""

    def __init__(self, shape: torch.Size, particles: Tensor, cells: Tensor) -> None:
        self.shape, self.particles, self.cells = shape, particles, cells

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return the picked cells, (..., 1, len(cells))."""
        leading = tensor.shape[:-2] if tensor.dim() > 2 else torch.Size()
        full = tensor.expand(leading + self.shape)
        return full[..., self.particles, self.cells].unsqueeze(-2)


@functools.singledispatch
def parts_of(decoder: TorchDistribution) -> list[tuple[Tensor, Any]]:
    """Return the positions of the columns of each family of a decoder, with its distribution."""
    return [(torch.arange(decoder.batch_shape[-1]), decoder)]


@parts_of.register(MixedColumns)
def _(decoder: MixedColumns) -> list[tuple[Tensor, Any]]:
    return [(own.cpu(), fn) for own, fn in decoder.parts]


def parameters_of(distribution: TorchDistribution) -> dict[str, Tensor]:
    """Return a distribution's tensors, in batch shape (plus event dimensions)."""
    made_of = {
        name: getattr(distribution, name)
        for name in distribution.arg_constraints
        if name in distribution.__dict__
    }
    if "logits" in made_of:
        made_of.pop("probs", None)  # torch keeps both once the second has been asked for
    if not made_of:
        raise KindError(
            f"a {type(distribution).__name__} keeps none of its arg_constraints as an attribute, "
            f"so that no cells can be selected from it; set them in its __init__"
        )
    batch = distribution.batch_shape
    whole: dict[str, Tensor] = {}
    for name, value in made_of.items():
        constraint: Any = distribution.arg_constraints[name]
        events = value.shape[value.dim() - constraint.event_dim :]
        whole[name] = value.expand(batch + events)
    return whole


def pack(distribution: TorchDistribution, rows: Tensor, columns: Tensor) -> TorchDistribution:
    """Return the distribution of the cells (rows[c], columns[c]): (..., n, p) -> (..., M).

    What is the same for all particles, as the scale of a linear decoder is, stays one value.
    """
    depth = len(distribution.batch_shape) - 2
    # a single index per cell, whose gradient takes half the time of that of a pair
    cells = rows * distribution.batch_shape[-1] + columns
    parameters = {
        name: distinct(value, depth).flatten(depth, depth + 1).index_select(depth, cells)
        for name, value in parameters_of(distribution).items()
    }
    packed: TorchDistribution = type(distribution)(**parameters, validate_args=False)
    shape = distribution.batch_shape[:depth] + rows.shape
    return packed if packed.batch_shape == shape else packed.expand(shape)


def distinct(value: Tensor, dims: int) -> Tensor:
    """Take back the expansion of the first ``dims`` dimensions, to one value in each of them.

    >>> distinct(torch.ones(3).expand(5, 3), 1).shape
    torch.Size([1, 3])
    """
    for dim in range(dims):
        if value.shape[dim] > 1 and value.stride(dim) == 0:
            value = value.narrow(dim, 0, 1)
    return value


def pick(distribution: TorchDistribution, particles: Tensor, cells: Tensor) -> TorchDistribution:
    """Return the packed distribution at (particles[i], cells[i]): (K, M) -> (1, len(cells))."""
    parameters = {
        name: value[particles, cells].unsqueeze(0)
        for name, value in parameters_of(distribution).items()
    }
    return type(distribution)(**parameters, validate_args=False)
