"""Impute a table's rows with a given number of particles, or with as many as each row needs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .blocks import Blocks
from .enough import PILOT, REPLICATES, particles_needed, sizes
from .gathered import Gathered
from .imputation import REFINED_PARTICLES
from .mode import cheaper_than_particles
from .own_proposals import HEAVY_TAILED, move_to_modes, refine_rows, worth_a_mode
from .stream import Estimates

#: rows with a smaller share of effective particles get a proposal of their own, as do those whose
#: weights have heavy tails
_FEW_EFFECTIVE = 0.05
#: a pilot run decides which rows these are: it has the particles that were asked for, divided by
#: the first number, but not fewer than the second number (or all that were asked for)
_PILOT_DIVISOR, _PILOT_LEAST = 4, 500
#: where the number of particles is chosen row by row, the first and short pilot run spares the
#: second one to rows with at least this share of effective particles, and at most this k-hat
_EVEN_SHARE, _EVEN_KHAT = 0.1, 0.35
#: the particles of that second run, and of the trial of a row's own proposal
_SECOND_PILOT = 256


class Outcome(NamedTuple):
    """What an imputation computed.

    Attributes:
        estimates: the estimates of all rows and missing cells.
        row_particles: (n,) the particles of each row.
        refined: (n,) which rows were refined.
        khat_before: (n,) the k-hat of each row without refinement.
    """

    estimates: Estimates
    row_particles: Tensor
    refined: Tensor
    khat_before: Tensor


def fixed(blocks: Blocks, particles: int, refine: bool) -> Outcome:
    """Take the same number of particles for every row, and four times it for refined rows.

    Pilot runs decide which rows are refined, and whether a proposal of their own serves them
    better. The estimates come from new samples, whatever their weights, so that the mean weight
    stays an unbiased estimate of the evidence. A small ESS counts as well as a high k-hat: a
    narrow guide can miss mass, which the weights of its samples do not show.
    """
    everything = torch.arange(len(blocks.data))
    found = blocks.gathered(blocks.num_draws)
    blocks.run(
        found, everything, particles, blocks.num_draws, blocks.independent("main", particles)
    )
    count = torch.full((len(blocks.data),), particles)
    before = found.estimates.khat.clone()
    refined = torch.zeros(len(blocks.data), dtype=torch.bool)
    if refine:
        size = min(particles, max(_PILOT_LEAST, particles // _PILOT_DIVISOR))
        pilot = blocks.gathered(0)
        blocks.run(pilot, everything, size, 0, blocks.independent("pilot", size))
        uneven = _uneven(pilot, everything, size)
        more = REFINED_PARTICLES * particles
        refine_rows(blocks, found, pilot, uneven, size, refined, count, lambda _: more)
    return Outcome(found.estimates, count, refined, before)


def adaptive(blocks: Blocks, tolerance: float, refine: bool) -> Outcome:
    """Choose the number of particles row by row, from a pilot run.

    The numbers are chosen as :func:`~absentia.inference.imputing.enough.particles_needed` says.
    Rows whose weights look uneven in the pilot run have a second one of 256 particles, which
    decides about refinement as in :func:`fixed`. Where a proposal at the mode of the latents
    costs less than the particles of many rows, each of these rows gets one
    (:func:`~absentia.inference.imputing.mode.cheaper_than_particles`). Without refinement rows
    of networks that need many particles get a mixture of such a proposal and the guide
    (:mod:`~absentia.inference.imputing.around_mode`). No row has particles of
    a pilot run in its estimates, whose number and weights would not be independent otherwise.
    """
    everything = torch.arange(len(blocks.data))
    pilot = blocks.gathered(0)
    blocks.run(pilot, everything, PILOT, 0, blocks.noise("pilot", PILOT))
    count = particles_needed(pilot, PILOT, PILOT // REPLICATES, tolerance, blocks.num_draws)
    first = pilot.estimates
    refined = torch.zeros(len(blocks.data), dtype=torch.bool)
    found = blocks.gathered(blocks.num_draws)
    before = torch.full((len(blocks.data),), torch.nan, dtype=torch.float64)
    moved = torch.zeros_like(refined)
    if not refine:
        moved = move_to_modes(blocks, found, first.khat, count, tolerance)
    else:
        uneven = (first.khat > _EVEN_KHAT) | (first.ess < _EVEN_SHARE * PILOT)
        size = _SECOND_PILOT
        if cheaper_than_particles(blocks.programs.model):
            # a proposal around the mode costs less than the particles that these rows need
            uneven, size = uneven | worth_a_mode(count), PILOT
        rows = uneven.nonzero().flatten()
        if size != PILOT:
            blocks.run(pilot, rows, size, 0, blocks.independent("second pilot", size))
            rows = _uneven(pilot, rows, size)
        before[rows] = pilot.estimates.khat[rows]
        refine_rows(
            blocks,
            found,
            pilot,
            rows,
            size,
            refined,
            count,
            lambda trial: particles_needed(trial, size, 1, tolerance, blocks.num_draws),
        )
    for size in sizes():
        rows = ((count == size) & ~refined & ~moved).nonzero().flatten()
        blocks.run(found, rows, size, blocks.num_draws, blocks.noise("main", size))
    before[~refined] = found.estimates.khat[~refined]
    return Outcome(found.estimates, count, refined, before)


def _uneven(pilot: Gathered, rows: Tensor, size: int) -> Tensor:
    """Return those of the rows that a pilot run of ``size`` particles finds unreliable."""
    khat, ess = pilot.estimates.khat[rows], pilot.estimates.ess[rows]
    return rows[(khat > HEAVY_TAILED) | (ess < _FEW_EFFECTIVE * size)]
