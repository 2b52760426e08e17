"""The mode of each row's latents and the curvature there, under decoders linear in the latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...models.configurable import argument_of
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.networks.mixed_decoder import MixedDecoder
from ...models.programs.mixture import MixturePrior
from ..integrator import owner_of

#: the most steps of Newton's method, and the gain in nats that a step must bring to go on
_STEPS, _WORTH = 8, 0.01
#: by how much each latent is changed to measure the curvature
_DIFFERENCE = 0.02
#: the longest step, in any latent
_LONGEST = 2.0


def has_one_mode(model: Callable[..., Any]) -> bool:
    """Tell whether p(z | x_o, s) has a smooth mode that carries its mass.

    It does for decoders that are linear in z and whose scales do not depend on z: products of
    logistic and Normal terms, all of them nearly log-concave. Under a network a mode may be a
    narrow spike without mass, and under a mixture there are several.
    """
    decoder = getattr(owner_of(model), "decoder", None)
    if isinstance(getattr(owner_of(model), "prior", None), MixturePrior):
        return False
    if isinstance(decoder, LinearGaussianDecoder):
        return True
    if not isinstance(decoder, MixedDecoder) or len(argument_of(decoder, "hidden")):
        return False
    return decoder.scale is None or decoder.scale.kind != "entry"


def cheaper_than_particles(model: Callable[..., Any]) -> bool:
    """Tell whether finding a mode costs less than the particles that an uneven row needs.

    It does under mixed decoders, whose densities of many families are dear. Under Gaussian ones a
    thousand particles around the exact conditional cost less than the search.
    """
    return has_one_mode(model) and isinstance(owner_of(model).decoder, MixedDecoder)


def mode(log_joint: Callable[[Tensor], Tensor], start: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mode of each row (n, D), and the curvature of -log p there (n, D, D).

    Newton's method with curvatures by differences of gradients, which take as many particles as
    there are latents; a step that loses is halved.

    Args:
        log_joint: returns log p(x_o, s, z) of values (K, n, D), differentiable: (K, n).
        start: (n, D) where to start.
    """
    n, dim = start.shape
    place = start.clone()
    offsets = torch.zeros(dim + 1, 1, dim, dtype=start.dtype, device=start.device)
    offsets[1:, 0] = _DIFFERENCE * torch.eye(dim, dtype=start.dtype, device=start.device)
    best = torch.full((n,), -torch.inf, dtype=start.dtype, device=start.device)
    kept, step = start.clone(), torch.zeros_like(start)
    curved = torch.eye(dim, dtype=start.dtype, device=start.device).expand(n, dim, dim).clone()
    for _ in range(_STEPS):
        value, gradient = _with_gradient(log_joint, place + offsets)
        gained = value[0] - best
        better = gained > 0
        curvature = (gradient[:1] - gradient[1:]).movedim(0, 1) / _DIFFERENCE
        curvature = _at_least_one((curvature + curvature.mT) / 2)
        newton = torch.linalg.solve(curvature, gradient[0])
        longest = newton.abs().amax(1, keepdim=True).clamp_min(_LONGEST)
        chosen = better.unsqueeze(-1)
        step = torch.where(chosen, newton * _LONGEST / longest, 0.5 * step)
        kept = torch.where(chosen, place, kept)
        curved = torch.where(chosen.unsqueeze(-1), curvature, curved)
        best = torch.where(better, value[0], best)
        place = kept + step
        # a row goes on while it gains, and while a step that lost is being halved
        if not bool(torch.where(better, gained > _WORTH, step.abs().amax(1) > 0.05).any()):
            break
    return kept, curved


def _with_gradient(log_joint: Callable[[Tensor], Tensor], values: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p(x_o, s, z) and its gradients by z."""
    with torch.enable_grad():
        values = values.requires_grad_()
        value = log_joint(values)
        (gradient,) = torch.autograd.grad(value.sum(), values)
    return value.detach(), gradient


def _at_least_one(curvature: Tensor) -> Tensor:
    """Return the matrices with eigenvalues of at least one, which the prior of z has by itself."""
    values, vectors = torch.linalg.eigh(curvature)
    result: Tensor = (vectors * values.clamp_min(1.0).unsqueeze(-2)) @ vectors.mT
    return result
