"""Rows with proposals of their own, where trial runs find these better than the model's guide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..randomness.points import seed_of
from .around_mode import around_modes, guide_with, may_help
from .blocks import Blocks
from .enough import PILOT, REPLICATES, particles_needed
from .gathered import Gathered
from .imputation import REFINED_PARTICLES
from .proposal import LatentSite, RowMixture, guide_from
from .refine import refined_proposal

#: a row with a higher k-hat is unreliable: above it the variance of the weights is infinite
HEAVY_TAILED = 0.5
#: where a proposal of its own lies around a mode, rows that need so many particles get one
_WORTH_A_MODE = 768
#: rows whose modes are searched together
_MOVED_AT_ONCE = 256
#: rows that are refined together
_REFINED_AT_ONCE = 64


def move_to_modes(
    blocks: Blocks, found: Gathered, before: Tensor, count: Tensor, tolerance: float
) -> Tensor:
    """Estimate rows by proposals around their modes, where these need fewer particles.

    A trial run decides, whose particles are in no estimate.

    Args:
        blocks: the table, and the guide that may be left.
        found: the estimates, where those of such rows are put.
        before: (n,) the k-hat of each row under the guide.
        count: (n,) the particles of each row; set here for such rows.
        tolerance: the share of the posterior standard deviation.

    Returns:
        Which rows were estimated, (n,).
    """
    data, moved = blocks.data, torch.zeros(len(blocks.data), dtype=torch.bool)
    if blocks.keys is not None or not blocks.sampler.integrates or not may_help(blocks.programs):
        return moved
    hard = worth_a_mode(count).nonzero().flatten()
    for rows in hard.split(_MOVED_AT_ONCE) if len(hard) else ():
        here = rows.to(data.x.device)
        s, extras = data.s[here], data.extras(here)
        around = around_modes(blocks.programs, data.x[here], s, blocks.unobserved, **extras)
        if around is None:
            break
        trial = blocks.gathered(0, rows)
        every = torch.arange(len(rows))
        _run_around(blocks, trial, around, rows, every, every, PILOT, 0, "moved pilot")
        needed = particles_needed(trial, PILOT, PILOT // REPLICATES, tolerance, blocks.num_draws)
        khat = trial.estimates.khat
        better = (needed < count[rows]) & _tails_serve(khat, before[rows])
        for size in needed[better].unique().tolist():
            those = (better & (needed == size)).nonzero().flatten()
            _run_around(
                blocks, found, around, rows, those, rows[those], size, blocks.num_draws, "moved"
            )
        moved[rows[better]] = True
        count[rows[better]] = needed[better]
    return moved


def _run_around(
    blocks: Blocks,
    into: Gathered,
    around: LatentSite,
    rows: Tensor,
    chosen: Tensor,
    places: Tensor,
    particles: int,
    num_draws: int,
    key: str,
) -> None:
    """Compute estimates of some rows with proposals around their modes, block by block.

    Args:
        blocks: the table.
        into: takes the estimates.
        around: the proposals.
        rows: (m,) the numbers of their rows in the table.
        chosen: which of these rows are estimated, by their positions.
        places: where the estimates of the chosen rows go.
        particles: their number.
        num_draws: the draws to keep.
        key: tells the random numbers of one run from those of another.
    """
    noise, size = blocks.noise(key, particles), blocks.at_once(particles)
    for part, place in zip(chosen.split(size), places.split(size), strict=True):
        own = around.at(part.to(blocks.data.x.device))
        sampler = blocks.proposing(guide_with(blocks.programs.guide, own))
        into.put(place, blocks.estimates(sampler, rows[part], particles, num_draws, noise))


def refine_rows(
    blocks: Blocks,
    found: Gathered,
    pilot: Gathered,
    uneven: Tensor,
    size: int,
    refined: Tensor,
    count: Tensor,
    needed: Callable[[Gathered], Tensor | int],
) -> None:
    """Estimate rows again by proposals of their own, where trial runs find these better.

    Args:
        blocks: the table, and the guide that may be left.
        found: the estimates, whose refined rows are replaced.
        pilot: the estimates from the pilot run.
        uneven: the rows to try.
        size: the particles of pilot and trial runs.
        refined: (n,) which rows were refined; set here.
        count: (n,) the particles of each row; set here for refined rows.
        needed: returns the particles of each row from its trial run.
    """
    data = blocks.data
    # a row's torch generator begins with its key where rows have one, so each stands by itself
    at_once = _REFINED_AT_ONCE if blocks.keys is None else 1
    chunks = uneven.split(at_once) if len(uneven) else ()
    for rows in tqdm(chunks, desc="refine", disable=not blocks.progress, leave=False):
        here = rows.to(data.x.device)
        if blocks.keys is not None:
            torch.manual_seed(seed_of(f"{blocks.seed} refined {blocks.keys[int(rows)]}"))
        x, s, extras = data.x[here], data.s[here], data.extras(here)
        proposal = refined_proposal(blocks.programs, x, s, blocks.unobserved, **extras)
        trial = blocks.gathered(0, rows)
        sampler = blocks.proposing(_guide_of(blocks, proposal))
        trial.put(torch.arange(len(rows)), blocks.estimates(sampler, rows, size, 0))
        khat, ess = trial.estimates.khat, trial.estimates.ess
        better = REFINED_PARTICLES * ess > pilot.estimates.ess[rows]
        better &= _tails_serve(khat, pilot.estimates.khat[rows])
        own_count = torch.as_tensor(needed(trial)).expand(len(rows))
        for particles in own_count[better].unique().tolist():
            mine = (better & (own_count == particles)).nonzero().flatten()
            for part in mine.split(blocks.at_once(particles)):
                own = _guide_of(blocks, proposal.at(part.to(here.device)))
                second = blocks.estimates(
                    blocks.proposing(own), rows[part], particles, blocks.num_draws
                )
                found.put(rows[part], second)
        refined[rows[better]] = True
        count[rows[better]] = own_count[better]


def _guide_of(blocks: Blocks, proposal: RowMixture) -> Callable[..., Any]:
    """Return the guide in which the proposals of rows stand for those of the model's own."""
    return guide_from(blocks.programs.guide, proposal.guide, lambda: proposal)


def worth_a_mode(count: Tensor) -> Tensor:
    """Whether rows that need so many particles (n,) get a proposal around a mode."""
    return count >= _WORTH_A_MODE


def _tails_serve(khat: Tensor, before: Tensor) -> Tensor:
    """Whether the weights' tails (n,) are lighter than before, or light enough."""
    return (khat < before) | (khat <= HEAVY_TAILED)
