"""The conditional given missing, p(x_j | z, s_j = 0), with a class for each way of integrating.

Each class works on the missing cells only, which are packed: cell c of the batch is
(row[c], column[c]), and tensors have shape (K, M) for K particles and M missing cells.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from pyro.distributions import Normal, TorchDistribution
from torch import Tensor

from ...data.errors import KindError
from ...models.distributions.special import inverse_mills, log_ndtr
from ...models.missingness import Affine
from ..randomness.by_key import Numbers, normal
from ..randomness.shared import inverted
from .logistic_normal import LogisticNormal, log_expected_sigmoid, logistic_normal
from .packing import Picker, distinct, pick
from .truncated import logistic_tilted, truncated_above


class Tilted(ABC):
    """The conditional given missing: a cell's decoder, tilted by P(missing | value)."""

    @property
    @abstractmethod
    def log_missing(self) -> Tensor:
        """Return log P(s_j = 0 | z) = log int p(x_j | z) (1 - pi_j(x_j)) dx_j, (K, M)."""

    @abstractmethod
    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return E[x_j | z, s_j = 0] and Var[x_j | z, s_j = 0], (K, M) each, without gradients.

        Args:
            numbers: the cells' own random numbers, where moments are computed from samples.
        """

    @abstractmethod
    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample one x_j per particle and cell, (K, M).

        Args:
            numbers: the cells' own random numbers; those of torch's generator when left out.
        """

    @abstractmethod
    def select(self, particles: Tensor, cells: Tensor) -> Tilted:
        """Select the cells at (particles[i], cells[i]), as tensors of shape (1, len(cells))."""

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Return P(x_j = v | z, s_j = 0) of discrete cells: (V, K, len(cells))."""
        raise KindError(
            f"a {type(self).__name__} has infinitely many values, which have no probabilities; "
            f"give cells of discrete columns"
        )


class Untilted(Tilted):
    """The decoder's own distribution, where the mask does not depend on the cell's value.

    Args:
        decoder: the packed decoder, batch shape (K, M).
        log_missing: (K, M) log P(s_j = 0); None under an ignorable mechanism, whose mask is no part
            of the likelihood.
    """

    def __init__(self, decoder: TorchDistribution, log_missing: Tensor | None = None) -> None:
        self.decoder = decoder
        self._log_missing = log_missing

    @property
    def log_missing(self) -> Tensor:
        """Return the given log-probability, which is zero where the mechanism is ignorable."""
        if self._log_missing is not None:
            return self._log_missing
        return torch.zeros((), device=self.decoder.mean.device, dtype=self.decoder.mean.dtype)

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the decoder."""
        return self.decoder.mean.detach(), self.decoder.variance.detach()

    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample from the decoder."""
        if numbers is None:
            return self.decoder.sample()
        return inverted(self.decoder, numbers.uniform(self.decoder.mean), "a missing cell has a")

    def select(self, particles: Tensor, cells: Tensor) -> Untilted:
        """Select the chosen particles and cells."""
        chosen = pick(self.decoder, particles, cells)
        if self._log_missing is None:
            return Untilted(chosen)
        shape = self._log_missing.shape
        return Untilted(chosen, Picker(shape, particles, cells)(self._log_missing))

    @torch.no_grad()
    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Return the decoder's probabilities of the values."""
        return filled_up(self.decoder.probs[..., cells, :].movedim(-1, 0), num_values)


class Sampled(Tilted):
    """Values that were sampled, since the absence of other columns depends on them.

    Args:
        values: (K, M) samples from the decoder.
        log_missing: (K, M) log P(s_j = 0 | x) at these samples.
        report: (K, M) the samples in the units in which moments are wanted, if not their own.
    """

    def __init__(self, values: Tensor, log_missing: Tensor, report: Tensor | None = None) -> None:
        self.values, self._log_missing = values, log_missing
        self.report = values if report is None else report

    @property
    def log_missing(self) -> Tensor:
        """Return log P(s_j = 0 | x) at the sampled values."""
        return self._log_missing

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return the sampled values with variance zero; the particles carry the spread."""
        report = self.report.detach()
        return report, torch.zeros_like(report)

    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Return the values that were already sampled."""
        return self.values.detach()

    def select(self, particles: Tensor, cells: Tensor) -> Sampled:
        """Select the chosen particles and cells."""
        at = Picker(self.values.shape, particles, cells)
        return Sampled(at(self.values), at(self._log_missing), at(self.report))

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Return one at the value that was sampled, zero elsewhere."""
        values = torch.arange(num_values, device=cells.device).view(-1, 1, 1)
        return (self.values[..., cells] == values).to(self.values.dtype)


class TiltedNormal(Tilted):
    """A normal decoder under an affine mechanism, in closed form (maths: section 3).

    With t = -(a x + b) ~ Normal(m, r^2), m = -(a mu + b), r = |a| sigma, and G = log P(s = 0):
    E[x | s = 0] = mu - a sigma^2 G'(m) and Var = sigma^2 + a^2 sigma^4 G''(m) (Stein's lemma).
    Probit: G = log Phi(m / sqrt(1 + r^2)). Logit: :mod:`.logistic_normal`.
    """

    def __init__(self, loc: Tensor, scale: Tensor, slope: Tensor, offset: Tensor, link: str):
        self.loc, self.scale, self.slope, self.offset, self.link = loc, scale, slope, offset, link
        self.m = -(slope * loc + offset)
        # what is the same for all particles is integrated once
        self.r = slope.abs() * distinct(scale, scale.dim() - 1)

    @cached_property
    def log_missing(self) -> Tensor:
        """Return log P(s_j = 0 | z) in closed form."""
        if self.link == "probit":
            return log_ndtr(self.m / (1 + self.r.square()).sqrt())
        if torch.is_grad_enabled():
            return log_expected_sigmoid(self.m, self.r)
        return self._logistic.log_prob  # the moments will ask for the same series

    @cached_property
    def _logistic(self) -> LogisticNormal:
        return logistic_normal(self.m, self.r)

    @torch.no_grad()
    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance given z and s_j = 0."""
        if self.link == "probit":
            root = (1 + self.r.square()).sqrt()
            c = self.m / root
            mills = inverse_mills(c)
            first, second = mills / root, -mills * (mills + c) / root.square()
        else:
            _, first, second = self._logistic
        shift = self.slope * self.scale.square()
        variance = self.scale.square() + shift.square() * second
        return self.loc - shift * first, variance.clamp_min(0)

    @torch.no_grad()
    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample exactly: a truncated (probit) or logistic-tilted t, then x given t."""
        variance = self.r.square()
        other = None if numbers is None else numbers.branch(1)
        if self.link == "probit":
            # y = t + Normal(0, 1) is truncated to y > 0; t given y is Normal
            root = (1 + variance).sqrt()
            y = self.m + root * truncated_above(-self.m / root, numbers=numbers).to(self.m.dtype)
            spread = self.scale / root
            gain = self.slope * self.scale.square() / root.square()
            return self.loc - gain * (y - self.m) + spread * normal(self.m, other)
        t = logistic_tilted(self.m, self.r, numbers=numbers).to(self.m.dtype)
        # where the slope vanishes t says nothing of x
        steep = self.r > 1e-4
        inverse = torch.where(steep, -(t + self.offset) / torch.where(steep, self.slope, 1.0), 0.0)
        return torch.where(steep, inverse, self.loc + self.scale * normal(self.m, other))

    def select(self, particles: Tensor, cells: Tensor) -> TiltedNormal:
        """Select the chosen particles and cells."""
        at = Picker(self.m.shape, particles, cells)
        return TiltedNormal(
            at(self.loc), at(self.scale), at(self.slope), at(self.offset), self.link
        )


@functools.singledispatch
def closed_form(decoder: TorchDistribution, affine: Affine) -> Tilted | None:
    """Return p(x_j | z, s_j = 0) in closed form under an affine mechanism, else None.

    A rule for a decoder's distribution of your own is registered for its class, and returns a
    :class:`Tilted`; without a rule its cells are integrated by quadrature or summed.

    Args:
        decoder: the packed decoder, batch shape (K, M).
        affine: slope, offset and link at the M cells.
    """
    return None


@closed_form.register(Normal)
def _(decoder: Normal, affine: Affine) -> Tilted:
    return TiltedNormal(decoder.loc, decoder.scale, affine.slope, affine.offset, affine.link)


#: samples from which the moments of a cell are computed in other units, for each particle
_SAMPLES = 8


class InOtherUnits(Tilted):
    """Cells whose moments are wanted in other units, and are computed from samples.

    For each particle the mean of a few samples is unbiased, and so is what a stream of particles
    makes of it; a rule with nodes for every cell would take much longer.

    Args:
        own: the conditional in the model's units.
        report: the map from the model's units, of values (..., M).
        samples: how many samples of every particle; eight when left out.
    """

    def __init__(
        self, own: Tilted, report: Callable[[Tensor], Tensor], samples: int | None = None
    ) -> None:
        self.own, self.report, self.samples = own, report, samples or _SAMPLES

    @property
    def log_missing(self) -> Tensor:
        """Return the log-probability of being missing, which does not depend on units."""
        return self.own.log_missing

    @torch.no_grad()
    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance of some samples of every particle and cell."""
        several = [None if numbers is None else numbers.branch(k) for k in range(self.samples)]
        values = torch.stack([self.report(self.own.sample(*given(one))) for one in several])
        return values.mean(0), values.var(0, correction=0)

    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample in the model's units."""
        return self.own.sample(*given(numbers))

    def select(self, particles: Tensor, cells: Tensor) -> Tilted:
        """Select the chosen particles and cells, which are only sampled."""
        return self.own.select(particles, cells)


class Together(Tilted):
    """Cells that are integrated in different ways, in one part for each way.

    Args:
        parts: pairs of cells (M_i,) and their conditional; together they are all M cells.
        leading: the shape left of the cells, (K,).
    """

    def __init__(self, parts: list[tuple[Tensor, Tilted]], leading: tuple[int, ...]) -> None:
        self.parts, self.leading = parts, leading
        self.order = torch.cat([cells for cells, _ in parts]).argsort()

    def _joined(self, values: list[Tensor]) -> Tensor:
        shaped = [
            value.expand(*self.leading, len(cells))
            if value.dim() <= len(self.leading) + 1
            else value.reshape(*self.leading, len(cells))
            for value, (cells, _) in zip(values, self.parts, strict=True)
        ]
        return torch.cat(shaped, -1)[..., self.order]

    @cached_property
    def log_missing(self) -> Tensor:
        """Return log P(s_j = 0 | z), computed part by part."""
        return self._joined([tilted.log_missing for _, tilted in self.parts])

    def moments(self, numbers: Numbers | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and variance, computed part by part."""
        found = (tilted.moments(*given(numbers, cells)) for cells, tilted in self.parts)
        mean, variance = zip(*found, strict=True)
        return self._joined(list(mean)), self._joined(list(variance))

    def sample(self, numbers: Numbers | None = None) -> Tensor:
        """Sample the cells part by part."""
        return self._joined([tilted.sample(*given(numbers, cells)) for cells, tilted in self.parts])

    def _part_and_place(self) -> tuple[Tensor, Tensor]:
        count = len(self.order)
        part, place = self.order.new_zeros(count), self.order.new_zeros(count)
        for number, (cells, _) in enumerate(self.parts):
            part[cells] = number
            place[cells] = torch.arange(len(cells), device=cells.device)
        return part, place

    def select(self, particles: Tensor, cells: Tensor) -> Together:
        """Select the chosen particles and cells."""
        part, place = self._part_and_place()
        chosen = []
        for number, (_, tilted) in enumerate(self.parts):
            here = (part[cells] == number).nonzero().flatten()
            if len(here):
                chosen.append((here, tilted.select(particles[here], place[cells[here]])))
        return Together(chosen, (1,))

    def probabilities(self, cells: Tensor, num_values: int) -> Tensor:
        """Return the probabilities part by part; all cells must have finitely many values."""
        part, place = self._part_and_place()
        result: Tensor | None = None
        for number, (_, tilted) in enumerate(self.parts):
            here = (part[cells] == number).nonzero().flatten()
            if not len(here):
                continue
            found = tilted.probabilities(place[cells[here]], num_values)
            if result is None:
                result = found.new_zeros(num_values, *self.leading, len(cells))
            result[..., here] = found.expand(num_values, *self.leading, len(here))
        return torch.zeros(num_values, *self.leading, 0) if result is None else result


def given(numbers: Numbers | None, cells: Tensor | None = None) -> tuple[Numbers, ...]:
    """Return numbers as an argument, which is left out where there are none.

    A conditional of a user's own need not take them.

    Args:
        numbers: the numbers.
        cells: the cells whose numbers are wanted; all when left out.
    """
    if numbers is None:
        return ()
    return (numbers if cells is None else numbers.at(cells),)


def filled_up(found: Tensor, num_values: int) -> Tensor:
    """Pad probabilities (v, K, M) with zeros for the values that only other columns have."""
    absent = num_values - len(found)
    return torch.cat([found, found.new_zeros(absent, *found.shape[1:])]) if absent else found
