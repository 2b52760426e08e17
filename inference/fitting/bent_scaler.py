"""The standardisation of a table whose columns were bent while the posterior was sampled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...data import Standardiser
from ...data.columns.warps import Warp
from ..gibbs.chains import Chains

#: the least width of the interval of a heap
_LEAST_WIDTH = 1e-6


def bent_scaler(chains: Chains, given: Standardiser, x: Tensor) -> Standardiser:
    """Return the standardisation of the columns with their bends.

    Args:
        chains: the chains, whose bends are the same.
        given: the standardisation of the columns as they were sampled.
        x: (n, p) the values that the chains learnt from.
    """
    bends = chains.bends
    mean, sd = bends.mean[0].cpu().numpy(), bends.sd[0].cpu().numpy()
    center, scale = given.center + given.scale * mean, given.scale * sd
    warps = list(given.warps)
    low = torch.where(chains.seen, x, math.inf).amin(0).cpu().numpy()
    high = torch.where(chains.seen, x, -math.inf).amax(0).cpu().numpy()
    for j in range(len(warps)):
        heaped = bool(bends.heaps.exist[j])
        if bool(bends.straight[j]) and not heaped:
            continue
        unit, start = float(given.scale[j]), float(given.center[j])
        warps[j] = Warp(
            "sinh-arcsinh",
            start + unit * float(low[j]),
            start + unit * float(high[j]),
            centre=start,
            spread=unit,
            skew=float(bends.skew[0, j]),
            tail=float(bends.log_tail[0, j].exp()),
            **(_heap(chains, j, start, unit) if heaped else {}),
        )
        center[j], scale[j] = mean[j], sd[j]
    return Standardiser(center, scale, tuple(warps))


def _heap(chains: Chains, j: int, start: float, unit: float) -> dict[str, float]:
    """Return the parameters of a column's heap; the middle of its interval is where chains are."""
    bends, cells = chains.bends, chains.bends.heaps.at[:, j]
    value = bends.heaps.value[j]
    begin = torch.sinh(bends.log_tail[0, j].exp() * value.asinh() - bends.skew[0, j])
    middle = float(bends.mean[0, j] + bends.sd[0, j] * chains.y[:, cells, j].mean() - begin)
    width = max(float(bends.width[0, j]), _LEAST_WIDTH)
    return {
        # without the digits that single precision adds to it
        "heap": round(start + unit * float(value), 6 - math.floor(math.log10(unit))),
        "width": width,
        "middle": min(max(middle, 0.01 * width), 0.99 * width),
    }


def with_columns(
    whole: Standardiser, names: Sequence[str], part: Standardiser, chosen: Sequence[str]
) -> Standardiser:
    """Return the standardisation of a whole table, with that of some of its columns replaced."""
    center, scale, warps = whole.center.copy(), whole.scale.copy(), list(whole.warps)
    for k, name in enumerate(chosen):
        j = list(names).index(name)
        center[j], scale[j], warps[j] = part.center[k], part.scale[k], part.warps[k]
    return Standardiser(center, scale, tuple(warps))
