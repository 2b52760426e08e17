"""Adam with a separate learning rate for the mechanism, and the learning-rate schedules."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...data.errors import InputError
from ...models.programs.base import declarations
from .eager import Adam
from .settings import FitSettings
from .until_flat import UntilFlat


def make_optimiser(model: nn.Module, settings: FitSettings) -> torch.optim.Adam:
    """Make Adam over ``parameters()``, with the mechanism's rate multiplied by ``mechanism_rate``.

    The mechanism's slopes may be large: a hard threshold is a slope of 15 to 40, which is never
    reached at the decoder's learning rate.
    """
    declared = declarations(model)
    # coefficients that have priors are as large, so that their posterior learns as fast
    parts = (declared.missingness, declared.coefficient_guide)
    own = [p for part in parts if part is not None for p in part.parameters()]
    theirs = {id(p) for p in own}
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in model.parameters() if id(p) not in theirs],
            "lr": settings.learning_rate,
        },
        {"params": own, "lr": settings.learning_rate * settings.mechanism_rate},
    ]
    for group in groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise InputError(
            "the model has no parameters to fit: all of them are held; set requires_grad of some"
        )
    return Adam(groups, fused=True)


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: FitSettings
) -> torch.optim.lr_scheduler.LRScheduler | UntilFlat:
    """Make a schedule: until flat, one-cycle (Smith & Topin, 2019), cosine decay, or constant."""
    if settings.schedule == "until-flat":
        return UntilFlat(optimiser, settings.steps, settings.particles)
    if settings.schedule in ("auto", "one-cycle"):
        peaks = [group["lr"] for group in optimiser.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            peaks,
            total_steps=max(settings.steps, 2),
            pct_start=0.3,
            cycle_momentum=False,
        )
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
