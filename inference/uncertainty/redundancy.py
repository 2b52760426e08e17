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
from ..evaluating import learning


def redundant(model: Any, tensors: Sequence[Tensor], least: float = 0.0) -> np.ndarray:
    """Return orthonormal directions (q, r) that change parameters but not p(x), to be fixed.

    They change no estimand, and left free only Monte-Carlo error would say anything about them. z
    is as likely turned as not, and a decoder's first layer turns it back: W A for every
    antisymmetric A. Of a linear decoder they are what leaves mean and covariance of x as they are,
    more than the turns where there are more latents than the table needs. Where the mechanism reads
    z there are none of the decoder alone.

    Args:
        tensors: the parameters, q numbers in all; others are held anyway.
        least: of a linear decoder, directions with a smaller effect on mean and covariance, as a
            share of the largest, are among them too.
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
    # how many there are does not depend on where; with W = 0 far more seem to have no effect
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
