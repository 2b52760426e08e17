"""Random numbers that all rows share, so that a row's result does not depend on its company."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import torch
from pyro.distributions import Normal, StudentT
from scipy.stats import t as student_t
from torch import Tensor

from ...models.pixel_distributions import PixelNormal
from ...models.row_distributions import RowNormal

#: dimensions that are filled evenly together; more of them line up in Sobol sequences of few points
_TOGETHER = 4


class CommonNoise:
    """Scrambled Sobol points, one a particle, from which every row's draws are made.

    The rows' estimates differ by their data alone: imputing a row by itself, or among others in
    any order, gives the same numbers (common random numbers).

    The dimensions of all sites are taken four at a time. Each four have a Sobol sequence of their
    own, scrambled (randomised quasi-Monte Carlo: Owen, 1997) and with its points in a random order
    of their own. Without that order two sequences run alike, however they are scrambled, and the
    draws of two sites would be correlated; with it they are independent (Owen, "Latin supercube
    sampling for very high-dimensional simulations", ACM TOMACS 1998).

    Args:
        particles: how many will be asked for in all, chunk by chunk.
        like: a tensor of the dtype and device wanted.
        seed: the numbers of a site follow from it and from the site's name.

    >>> import torch
    >>> from pyro.distributions import Normal
    >>> from absentia.inference.imputing.common import CommonNoise
    >>> noise = CommonNoise(8, torch.zeros(()), seed=0)
    >>> noise.start(8)
    >>> draws = noise.draw("z", Normal(torch.zeros(3, 2), 1.0))
    >>> draws.shape, bool((draws[:, 0] == draws[:, 1]).all())
    (torch.Size([8, 3, 2]), True)
    """

    def __init__(self, particles: int, like: Tensor, seed: int) -> None:
        self.particles, self.like = particles, like
        self.seed = seed
        self.points: dict[str, Tensor] = {}
        self.first, self.count = 0, 0

    def start(self, count: int) -> None:
        """The next ``count`` particles."""
        self.first += self.count
        self.count = count

    def forget(self) -> None:
        """The current particles were not used: the next ones start where they did."""
        self.count = 0

    def uniform(self, name: str, size: int) -> Tensor:
        """(count, size) numbers in (0, 1) for the current particles."""
        if name not in self.points:
            starts = range(0, size, _TOGETHER)
            groups = [_points(self.particles, f"{self.seed} {k} {name}") for k in starts]
            self.points[name] = torch.cat(groups, -1)[:, :size]
        part = self.points[name][self.first : self.first + self.count].to(self.like)
        # 0 and 1, which rounding can reach, have no finite quantile
        rounding = torch.finfo(part.dtype).eps / 2
        return part.clamp(rounding, 1 - rounding)

    def draw(self, name: str, fn: Any) -> Tensor:
        """A draw a particle and row of a distribution with batch shape (n, m) or (K, n, m).

        :raises NotImplementedError: for a family without a known transformation.
        """
        uniform = self.uniform(name, fn.batch_shape[-1]).unsqueeze(-2)  # (count, 1, m)
        if isinstance(fn, Normal):
            value: Tensor = fn.loc + fn.scale * math.sqrt(2) * torch.erfinv(2 * uniform - 1)
            return value
        if isinstance(fn, RowNormal | PixelNormal):
            eps = math.sqrt(2) * torch.erfinv(2 * uniform - 1)
            return fn.transformed(eps.expand(-1, *fn.batch_shape[-2:]))
        if isinstance(fn, StudentT):  # no inverse in torch
            df = fn.df.expand(fn.batch_shape).detach().cpu().numpy()
            quantile = student_t.ppf(uniform.cpu().numpy(), df)
            return fn.loc + fn.scale * torch.from_numpy(quantile).to(uniform)
        try:
            shape = torch.broadcast_shapes(uniform.shape, fn.batch_shape)
            found: Tensor = fn.icdf(uniform.expand(shape))
        except (NotImplementedError, AttributeError) as error:
            raise NotImplementedError(
                f"site '{name}' ({type(fn).__name__}) has no inverse distribution function, "
                f"which rows that share random numbers need"
            ) from error
        return found


def _points(count: int, key: str) -> Tensor:
    """A scrambled Sobol sequence (count, _TOGETHER) in a random order, both made from ``key``."""
    digest = hashlib.blake2b(key.encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
    scrambling = int(torch.randint(2**62, (), generator=generator))
    engine = torch.quasirandom.SobolEngine(_TOGETHER, scramble=True, seed=scrambling)
    points = engine.draw(count, dtype=torch.float64)
    return points[torch.randperm(count, generator=generator)]
