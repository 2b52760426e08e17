"""A proposal for each row's latents: a mixture of Gaussians and the original guide."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pyro
import torch
from pyro import poutine
from pyro.distributions import Delta, TorchDistribution
from pyro.poutine.util import site_is_subsample
from torch import Size, Tensor
from torch.distributions import constraints

from ...data.system.process import one_at_a_time
from ...models.sites import COLUMN_DIM, LATENT, ROW_DIM, ROWS
from ..integration.packing import parameters_of

#: shares of the Gaussians around a row's posterior mean, from the fitted width to the widest; the
#: wide ones keep the weights bounded where the posterior's tails are heavier than a Gaussian's
SHARES = (0.5, 0.2, 0.12, 0.08)
SHARE_OF_GUIDE = 0.1
#: the name of the auxiliary site that samples it
PROPOSAL = "_proposal"


def widths(dim: int) -> tuple[float, ...]:
    """Return the widths of those Gaussians, in standard deviations.

    The mass of a Gaussian in ``dim`` dimensions lies in a shell of radius sqrt(dim) and thickness
    0.7. For the shells of two Gaussians to overlap, their widths must be closer together the more
    dimensions there are.
    """
    return tuple(1 + step / dim**0.5 for step in (0.0, 1.0, 2.5, 6.0))


class LatentSite(NamedTuple):
    """A latent site of the guide inside the rows plate: name, width, and distribution."""

    name: str
    size: int
    fn: Any

    def at(self, rows: Tensor) -> LatentSite:
        """Select the same site for some of the rows."""
        parameters = {k: v[rows] for k, v in parameters_of(self.fn).items()}
        return self._replace(fn=type(self.fn)(**parameters, validate_args=False))


def latent_sites(
    guide: Callable[..., Any], x: Tensor, s: Tensor, **extras: Tensor
) -> list[LatentSite]:
    """Return the guide's latent sites of the rows, with their distributions given (x, s)."""
    with one_at_a_time(), torch.no_grad():
        trace = poutine.trace(guide).get_trace(x, s, **extras)
    sites = []
    for name, node in trace.nodes.items():
        if node["type"] != "sample" or site_is_subsample(node):
            continue
        if any(frame.name == ROWS for frame in node["cond_indep_stack"]):
            sites.append(LatentSite(name, node["value"].shape[-1], node["fn"]))
    return sites


class RowMixture(TorchDistribution):
    """A mixture over a row's stacked latents, batch shape (n, 1), event shape (D,).

    Args:
        loc: (n, D) centres of the Gaussians.
        tril: (n, D, D) lower Cholesky factors of their covariance, which the Gaussians scale by
            :func:`widths`.
        guide: the latent sites of the amortised guide, which is the last component.
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, loc: Tensor, tril: Tensor, guide: list[LatentSite]) -> None:
        self.loc, self.tril, self.guide = loc, tril, guide
        #: the last values, in standard deviations (D, K, n), and their log-densities
        self._last: tuple[Tensor, Tensor, Tensor] | None = None
        super().__init__(Size((len(loc), 1)), Size(loc.shape[1:]), validate_args=False)

    def at(self, rows: Tensor) -> RowMixture:
        """Select the mixtures of some of the rows."""
        guide = [site.at(rows) for site in self.guide]
        return RowMixture(self.loc[rows], self.tril[rows], guide)

    def sample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
        """Sample values of shape sample_shape + (n, 1, D), with independent components."""
        if len(sample_shape) != 1:
            flat = self.sample((Size(sample_shape).numel(),))
            return flat.reshape(Size(sample_shape) + self.batch_shape + self.event_shape)
        (particles,) = sample_shape
        n, d = self.loc.shape
        shares = torch.tensor([*SHARES, SHARE_OF_GUIDE], device=self.loc.device)
        component = torch.multinomial(shares, particles * n, replacement=True).view(particles, n, 1)
        width = torch.tensor([*widths(d), 0.0], device=self.loc.device, dtype=self.loc.dtype)
        eps = torch.randn(particles, n, d, device=self.loc.device, dtype=self.loc.dtype)
        own = self.loc + width[component] * _times(self.tril, eps)
        amortised = torch.cat([site.fn.sample((particles,)) for site in self.guide], -1)
        return torch.where(component < len(SHARES), own, amortised).unsqueeze(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of each row's latents, (K, n, 1, D) -> (K, n, 1)."""
        given, value = value, value.squeeze(-2)
        d = self.loc.shape[-1]
        standard = torch.linalg.solve_triangular(
            self.tril, (value - self.loc).movedim(0, -1), upper=False
        )
        distance = standard.square().sum(-2).movedim(-1, 0)  # (K, n)
        log_det = self.tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = -0.5 * d * math.log(2 * math.pi) - log_det
        terms = [
            math.log(share) - 0.5 * distance / width**2 - d * math.log(width) + constant
            for share, width in zip(SHARES, widths(d), strict=True)
        ]
        start = 0
        amortised = torch.zeros_like(distance)
        for site in self.guide:
            part = value[..., start : start + site.size]
            amortised = amortised + site.fn.log_prob(part).sum(-1)
            start += site.size
        terms.append(math.log(SHARE_OF_GUIDE) + amortised)
        total = torch.stack(terms).logsumexp(0)
        self._last = given, standard.permute(1, 2, 0), total
        return total.unsqueeze(-1)

    def controls(self, value: Tensor) -> Tensor:
        """Return variables of known mean, zero, of the values at which it was sampled.

        With the narrowest Gaussian p of the mixture q, and u the value in its standard deviations,
        they are p/q - 1 and u p/q. Where the posterior is close to p and a moment close to linear
        in z, the weighted moment is close to linear in these (control variates of a mixture: Owen &
        Zhou, "Safe and effective importance sampling", JASA 2000).

        Args:
            value: (K, n, 1, D), sampled from the mixture.

        Returns:
            The variables, (K, n, 1 + D), bounded in their first column by the share of p.
        """
        if self._last is None or self._last[0] is not value:
            self.log_prob(value)
        assert self._last is not None
        _, standard, total = self._last
        d = self.loc.shape[-1]
        log_det = self.tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_p = -0.5 * standard.square().sum(0) - 0.5 * d * math.log(2 * math.pi) - log_det
        ratio = (log_p - total).exp()
        return torch.cat([(ratio - 1).unsqueeze(-1), (standard * ratio).movedim(0, -1)], -1)


def _times(tril: Tensor, eps: Tensor) -> Tensor:
    """Return L eps for eps (K, n, D), by one product per row."""
    return (eps.movedim(0, -2) @ tril.mT).movedim(-2, 0)


def guide_from(
    original: Callable[..., Any],
    sites: list[LatentSite],
    propose: Callable[[], Tensor | TorchDistribution],
) -> Callable[..., None]:
    """Return ``original`` with its rows' latents sampled from ``propose()`` instead.

    Sites outside the rows (coefficients with priors) are still sampled by the original guide.

    Args:
        original: the guide to replace.
        sites: its latent sites inside the rows.
        propose: returns a distribution like :class:`RowMixture`, or values (K, n, D), at which the
            weight is then the joint density itself.
    """

    def guide(x: Tensor, *rest: Any, **extras: Any) -> None:
        with poutine.block(hide_fn=_in_rows):
            original(x, *rest, **extras)
        proposal = propose()
        with pyro.plate(ROWS, len(x), dim=ROW_DIM):
            if isinstance(proposal, TorchDistribution):
                infer = {"is_auxiliary": True}
                stacked = pyro.sample(PROPOSAL, proposal, infer=infer).squeeze(-2)
            else:
                stacked = proposal
            start = 0
            for site in sites:
                value = stacked[..., start : start + site.size]
                with pyro.plate(f"{LATENT}_{site.name}", site.size, dim=COLUMN_DIM):
                    pyro.sample(site.name, Delta(value))
                start += site.size

    return guide


def _in_rows(msg: Any) -> bool:
    return msg["name"] == ROWS or any(frame.name == ROWS for frame in msg["cond_indep_stack"])
