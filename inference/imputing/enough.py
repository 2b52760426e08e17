"""How many particles a row needs, from a pilot run."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .gathered import Gathered

#: evenly spread particles come in so many independent sets, whose differences show the error
REPLICATES = 8
#: the particles of a row in its pilot run, and the fewest and the most in the run that is used
PILOT, FEWEST, MOST = 128, 128, 4096
#: the particles' own error may be this share of the variance that a finite number of draws has
_SHARE_OF_DRAWS = 0.5
#: the standard error of log p(x_o, s) may be this large, in nats
_ERROR_OF_EVIDENCE = 0.1


def particles_needed(
    pilot: Gathered, size: int, group: int, tolerance: float, draws: int
) -> Tensor:
    """Return the number of particles (n,) that each row needs, one of :func:`sizes`.

    The largest of three numbers counts:

    - The mean square, over the row's missing cells, of Monte-Carlo standard error over posterior
      standard deviation is to be below tolerance^2. For independent particles it is B/ESS, where B
      is the share of the posterior variance that lies between particles: 1 for values that are
      sampled, and Var(E[x_j | z, s]) / Var(x_j) where x_j is integrated given z. Evenly spread
      particles divide it by a gain g, which the replicates of Q particles show, and which is
      taken to grow as a power of Q: the error falls as L^-a, with a = 1 + log g / log Q between 1
      and 1.5 (Owen, "Scrambled net variance for integrals of smooth functions", Annals of
      Statistics 1997, has up to 3 for smooth functions).
    - D draws are taken from the particles at random, and no even spread helps them. Their moments
      have the relative variance 1/D + B/ESS. The second term is to be half of the first at most.
    - log p(x_o, s) is to have a standard error sqrt(1/ESS - 1/L) below a tenth of a nat.

    Args:
        pilot: the estimates from the pilot run.
        size: the particles of each row in it.
        group: the particles Q of a replicate in it.
        tolerance: the share of the posterior standard deviation.
        draws: the number D of draws that are kept.
    """
    found = pilot.estimates
    tiny = torch.finfo(torch.float64).tiny
    relative = pilot.mean_over_cells(found.mcse.square() / found.variance.clamp_min(tiny))
    between = pilot.mean_over_cells(found.between / found.variance.clamp_min(tiny))
    share = found.ess / size
    power = torch.ones_like(share)
    if group > 1:
        gain = between / (found.ess * relative)
        power = (1 + gain.log() / math.log(group)).nan_to_num(1.0).clamp(1.0, 1.5)
    of_means = size * (relative / tolerance**2) ** (1 / power)
    of_draws = between * draws / (_SHARE_OF_DRAWS * share)
    of_evidence = (1 / share - 1) / _ERROR_OF_EVIDENCE**2
    needed = torch.stack([of_means, of_draws, of_evidence]).amax(0).nan_to_num(MOST, posinf=MOST)
    allowed = torch.tensor(sizes())
    return allowed[torch.searchsorted(allowed, needed.clamp(max=MOST).ceil().long())]


def sizes() -> list[int]:
    """Return the numbers of particles that a row may have: 128, 192, 256, 384, ..., 4096."""
    found = [FEWEST]
    while found[-1] < MOST:
        found += [found[-1] * 3 // 2, found[-1] * 2]
    return found
