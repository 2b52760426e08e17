"""Redundant parameters: directions in which a decoder changes but p(x) does not."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.system.process import seeded
from ...models import LinearGaussianDecoder, NetworkDecoder
from ...models.programs.base import RowModel
from ..evaluating import learning


def redundant(model: RowModel, tensors: Sequence[Tensor], least: float = 0.0) -> np.ndarray:
    """Return orthonormal directions (q, r) that change parameters but not p(x), to be held.

    They change no estimand, and if they were free, Monte-Carlo error alone would determine them.
    p(z) does not change when z is rotated, and the first layer of a decoder can rotate it back:
    these directions are W A for every antisymmetric A. For a linear decoder all directions are
    found that leave mean and covariance of x unchanged, which are more than the rotations where
    there are more latents than the table needs. Where the mechanism reads z, no direction of the
    decoder alone is redundant.

    Args:
        model: the model.
        tensors: the parameters, q numbers in all; all other parameters are held anyway.
        least: for a linear decoder, directions whose effect on mean and covariance is a smaller
            share of the largest effect than this count as redundant, too.
    """
    decoder, size = model.decoder, sum(tensor.numel() for tensor in tensors)
    found: list[np.ndarray] = []
    if "z" not in model.missingness.asks:
        if isinstance(decoder, LinearGaussianDecoder):
            return _without_effect(decoder, tensors, least)
        found = _turns(_layers_of_z(decoder), tensors, decoder.latent_dim)
    if not found:
        return np.zeros((size, 0))
    return np.linalg.qr(np.stack(found, 1))[0]


def _turns(
    layers: Sequence[Tensor], tensors: Sequence[Tensor], latent_dim: int
) -> list[np.ndarray]:
    places = [k for k, tensor in enumerate(tensors) if any(tensor is w for w in layers)]
    found = []
    for a, b in itertools.combinations(range(latent_dim), 2) if places else ():
        parts = [np.zeros(tensor.numel()) for tensor in tensors]
        for k in places:
            weight = tensors[k].detach().cpu().numpy()
            turned = np.zeros_like(weight)
            turned[:, a], turned[:, b] = weight[:, b], -weight[:, a]
            parts[k] = turned.ravel()
        found.append(np.concatenate(parts))
    return found


def _without_effect(
    decoder: LinearGaussianDecoder, tensors: Sequence[Tensor], least: float
) -> np.ndarray:
    """Return the null space of d (mean, covariance) / d parameters."""
    own = [k for k, t in enumerate(tensors) if any(t is w for w in decoder.parameters())]
    if not any(tensors[k] is decoder.mean.weight for k in own):
        return np.zeros((sum(t.numel() for t in tensors), 0))
    _, sizes, directions = np.linalg.svd(_jacobian(decoder, [tensors[k] for k in own]))
    sizes = np.pad(sizes, (0, len(directions) - len(sizes)))
    # their number does not depend on the weights, except where W = 0 makes more of them redundant
    with seeded(0):
        spread = copy.deepcopy(decoder)
        torch.nn.init.normal_(spread.mean.weight)
    effective = np.linalg.matrix_rank(_jacobian(spread, list(spread.parameters())), tol=1e-6)
    idle = (np.arange(len(sizes)) >= effective) | (sizes < least * sizes.max())
    place = np.concatenate([np.full(t.numel(), k in own) for k, t in enumerate(tensors)])
    result = np.zeros((len(place), int(idle.sum())))
    result[place] = directions[idle].T
    return result


@learning()
def _jacobian(decoder: LinearGaussianDecoder, tensors: list[Tensor]) -> np.ndarray:
    """Return derivatives (moments, parameters) of mean and covariance of x."""
    weight, p = decoder.mean.weight, decoder.num_columns
    noise = decoder.scale(weight.new_zeros(1)).expand(p)
    covariance = weight @ weight.T + noise.square().diag()
    lower = torch.tril_indices(p, p, device=weight.device)
    said = torch.cat([decoder.mean.bias, covariance[lower[0], lower[1]]])
    rows = [
        torch.autograd.grad(
            value, tensors, retain_graph=True, materialize_grads=True, allow_unused=True
        )
        for value in said
    ]
    return np.stack([np.concatenate([g.cpu().numpy().ravel() for g in row]) for row in rows])


def _layers_of_z(decoder: Any) -> list[Tensor]:
    """Return the weights (., d) by which a decoder multiplies z."""
    layers: list[Any] = [decoder.mean] if isinstance(decoder, LinearGaussianDecoder) else []
    if isinstance(decoder, NetworkDecoder):
        layers = [decoder.network[0]] if len(decoder.network) else [decoder.mean]
        layers += [decoder.skip] if decoder.skip is not None else []
    return [layer.weight for layer in layers]
