"""Random numbers that all rows share, so that a row's result does not depend on other rows."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import Normal, StudentT
from scipy.stats import t as student_t
from torch import Tensor

from ...models.distributions.pixel_normal import PixelNormal
from ...models.distributions.row_normal import RowNormal
from .points import spread_points


class CommonNoise:
    """Scrambled Sobol points, one per particle, from which every row's samples are made.

    The rows' estimates differ by their data alone: imputing a row by itself, or among others in
    any order, gives the same numbers (common random numbers). Sites and dimensions are independent
    of each other.

    Args:
        particles: how many will be asked for in all, chunk by chunk.
        like: a tensor of the dtype and device wanted.
        seed: the numbers of a site follow from it and from the site's name.

    >>> import torch
    >>> from pyro.distributions import Normal
    >>> from absentia.inference.randomness.shared import CommonNoise
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
        """Begin the next ``count`` particles."""
        self.first += self.count
        self.count = count

    def forget(self) -> None:
        """Take back the unused particles: the next ones start where they did."""
        self.count = 0

    def uniform(self, name: str, size: int) -> Tensor:
        """Return (count, size) numbers in (0, 1) for the current particles."""
        if name not in self.points:
            self.points[name] = spread_points(self.particles, size, f"{self.seed} {name}")
        part = self.points[name][self.first : self.first + self.count].to(self.like)
        # 0 and 1, which rounding can reach, have no finite quantile
        rounding = torch.finfo(part.dtype).eps / 2
        return part.clamp(rounding, 1 - rounding)

    def draw(self, name: str, fn: Any) -> Tensor:
        """Sample per particle and row from a distribution with batch shape (n, m) or (K, n, m).

        Raises:
            NotImplementedError: for a family without a known transformation.
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
