"""Random numbers that all rows share, so that a row's result does not depend on other rows."""

from __future__ import annotations

import functools
import math

import torch
from pyro.distributions import Normal, StudentT, TorchDistribution
from torch import Tensor

from ...data.errors import KindError
from ...models.distributions.pixel_normal import PixelNormal
from ...models.distributions.row_mixture import RowNormalMixture
from ...models.distributions.row_normal import RowNormal
from .points import spread_points


class CommonNoise:
    """Scrambled Sobol points, one per particle, from which the samples of every row are made.

    The estimates of two rows differ by their data alone: imputing a row by itself, or among others
    in any order, gives the same numbers (common random numbers). Sites and dimensions are
    independent of each other.

    Args:
        particles: the number of particles in all, which are asked for chunk by chunk.
        like: a tensor of the dtype and device of the samples.
        seed: determines the numbers of a site, together with the site's name.
        replicates: how many independent sets of points there are, one after another, from whose
            differences an estimate's error can be told; the particles are a multiple of it.

    >>> import torch
    >>> from pyro.distributions import Normal
    >>> from absentia.inference.randomness.shared import CommonNoise
    >>> noise = CommonNoise(8, torch.zeros(()), seed=0)
    >>> noise.start(8)
    >>> draws = noise.draw("z", Normal(torch.zeros(3, 2), 1.0))
    >>> draws.shape, bool((draws[:, 0] == draws[:, 1]).all())
    (torch.Size([8, 3, 2]), True)
    """

    def __init__(self, particles: int, like: Tensor, seed: int | str, replicates: int = 1) -> None:
        self.particles, self.like = particles, like
        self.seed, self.replicates = seed, replicates
        self.points: dict[str, Tensor] = {}
        self.first, self.count = 0, 0

    def at(self, rows: Tensor) -> None:
        """Begin the particles of another block of rows with the first of them again."""
        self.first = self.count = 0

    def start(self, count: int) -> None:
        """Begin the next ``count`` particles."""
        self.first += self.count
        self.count = count

    def forget(self) -> None:
        """Take back the current particles, which were not used, for the next run."""
        self.count = 0

    def whole(self, name: str, size: int) -> Tensor:
        """Return the points (particles, size) in [0, 1] of a site, in float64."""
        if name not in self.points:
            key, each = f"{self.seed} {name}", self.particles // self.replicates
            numbered = [key, *(f"{key} {r}" for r in range(1, self.replicates))]
            self.points[name] = torch.cat([spread_points(each, size, k) for k in numbered])
        return self.points[name]

    def uniform(self, name: str, size: int) -> Tensor:
        """Return (count, size) numbers in (0, 1) for the current particles."""
        part = self.whole(name, size)[self.first : self.first + self.count]
        return self.inside(part.to(self.like))

    def of_rows(self, name: str, size: int) -> Tensor:
        """Return the numbers of the rows: (count, 1, size), the same for all of them."""
        return self.uniform(name, size).unsqueeze(-2)

    @staticmethod
    def inside(uniform: Tensor) -> Tensor:
        """Move numbers that were rounded to 0 or 1, which have no finite quantile, inside."""
        rounding = torch.finfo(uniform.dtype).eps / 2
        return uniform.clamp(rounding, 1 - rounding)

    def draw(self, name: str, fn: TorchDistribution) -> Tensor:
        """Sample per particle and row from a distribution with batch shape (n, m) or (K, n, m).

        Raises:
            TypeError: if :func:`from_uniform` has no rule for the distribution.
        """
        return inverted(fn, self.of_rows(name, fn.batch_shape[-1]), f"site '{name}' has a")


def inverted(fn: TorchDistribution, uniform: Tensor, what: str) -> Tensor:
    """Transform uniform numbers by :func:`from_uniform`, or say that there is no rule for it.

    Args:
        fn: the distribution.
        uniform: the numbers.
        what: the beginning of the error's sentence, such as "site 'z' has a".

    Raises:
        TypeError: no rule is registered, and the distribution has no ``icdf``.
    """
    try:
        return from_uniform(fn, uniform)
    except (NotImplementedError, AttributeError) as error:
        raise KindError(
            f"{what} {type(fn).__name__}, which has no inverse distribution function (icdf), so "
            f"that its values cannot be made from random numbers that belong to rows or that rows "
            f"share; impute with independent_rows=False and scan without key=, or register a "
            f"transformation with absentia.inference.randomness.shared.from_uniform"
        ) from error


@functools.singledispatch
def from_uniform(fn: TorchDistribution, uniform: Tensor) -> Tensor:
    """Transform uniform random numbers to samples (K, n, m) of a site's distribution.

    By the inverse distribution function (``icdf``), where nothing else is registered. A
    distribution of your own that has none is registered for its class:

    >>> import torch
    >>> from pyro.distributions import Exponential
    >>> class Reversed(Exponential):
    ...     pass
    >>> _ = from_uniform.register(Reversed, lambda fn, uniform: -uniform.log() / fn.rate)
    >>> from_uniform(Reversed(torch.full((1, 1), 2.0)), torch.tensor([[[0.5]]]))
    tensor([[[0.3466]]])

    Args:
        fn: the distribution, batch shape (n, m) or (K, n, m).
        uniform: (K, 1, m) numbers in (0, 1), the same for all rows.
    """
    found: Tensor = fn.icdf(uniform.expand(torch.broadcast_shapes(uniform.shape, fn.batch_shape)))
    return found


@from_uniform.register(Normal)
def _normal(fn: Normal, uniform: Tensor) -> Tensor:
    value: Tensor = fn.loc + fn.scale * math.sqrt(2) * torch.erfinv(2 * uniform - 1)
    return value


@from_uniform.register(RowNormal)
@from_uniform.register(PixelNormal)
def _correlated(fn: RowNormal | PixelNormal, uniform: Tensor) -> Tensor:
    eps = math.sqrt(2) * torch.erfinv(2 * uniform - 1)
    return fn.transformed(eps.expand(-1, *fn.batch_shape[-2:]))


@from_uniform.register(RowNormalMixture)
def _mixture(fn: RowNormalMixture, uniform: Tensor) -> Tensor:
    return fn.transformed(uniform.expand(-1, *fn.batch_shape[-2:]))


@from_uniform.register(StudentT)
def _student(fn: StudentT, uniform: Tensor) -> Tensor:
    """Invert the distribution function by SciPy, since torch has no inverse."""
    from scipy.stats import t as student_t  # takes half a second to import

    df = fn.df.expand(fn.batch_shape).detach().cpu().numpy()
    quantile = student_t.ppf(uniform.cpu().numpy(), df)
    value: Tensor = fn.loc + fn.scale * torch.from_numpy(quantile).to(uniform)
    return value
