"""Proposals around the modes of the latents, for rows that an amortised guide serves badly.

The guide's network has a scale for each latent and no correlations, and it serves all rows at once.
Under a network decoder with many latents a few per cent of its particles carry the weight. The
curvature of log p(x_o, s, z) at its mode tells the width of the posterior in all directions
(Laplace's approximation; Tierney & Kadane, JASA 1986), at the price of some two hundred particles.

A mode may be a narrow spike without mass, where the decoder's scale is free. So the proposal is a
mixture: Normals around the mode of one, and of more than one standard deviation, and the guide's
own Normal, which keeps the weights bounded by a multiple of what they were (defensive importance
sampling; Hesterberg, Technometrics 1995). A trial run decides whether a row is better off with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import Normal
from pyro.poutine.messenger import Messenger
from torch import Tensor

from ...models.distributions.row_mixture import RowNormalMixture
from ...models.networks.decoders import NetworkDecoder
from ...models.programs.mixture import MixturePrior
from ..integrator import owner_of
from ..prepare import Programs
from .mode import mode
from .proposal import LatentSite, latent_sites
from .refine import log_joint

#: shares of the Normals around the mode, and by how many times sqrt(d) of a standard deviation over
#: one they are wider: the mass of a Normal lies in a shell of radius sqrt(d) and thickness .7
_SHARES, _WIDER = (0.6, 0.3), (0.0, 1.5)
_SHARE_OF_GUIDE = 0.1


def guide_with(original: Callable[..., Any], site: LatentSite) -> Callable[..., None]:
    """Return the guide, with another distribution at one of its sites."""

    def guide(*args: Any, **kwargs: Any) -> None:
        with _Replaced(site):
            original(*args, **kwargs)

    return guide


class _Replaced(Messenger):
    """The handler that gives a site another distribution."""

    def __init__(self, site: LatentSite) -> None:
        super().__init__()
        self.site = site

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] == self.site.name:
            msg["fn"] = self.site.fn


def may_help(programs: Programs) -> bool:
    """Tell whether rows may get proposals around modes: under dense networks with a Normal guide.

    Linear decoders have a guide that is the exact conditional, or a better one of their own. Under
    a mixture there are several modes.
    """
    owner = owner_of(programs.model)
    if isinstance(getattr(owner, "prior", None), MixturePrior):
        return False
    return isinstance(getattr(owner, "decoder", None), NetworkDecoder)


@torch.no_grad()
def around_modes(
    programs: Programs, x: Tensor, s: Tensor, unobserved: str, **extras: Tensor
) -> LatentSite | None:
    """Return proposals around the modes of some rows; None where the guide has no single Normal.

    They take the place of the guide's own distribution at its latent site, whose name they bear.

    Args:
        programs: the model and its guide.
        x: (n, p) the rows, on the model's scale.
        s: (n, p) their mask.
        unobserved: as for :class:`~absentia.ImportanceWeightedELBO`; missing values must be
            integrated out, since those that are sampled make a density of z noisy.
        extras: further arguments of the programs, by name.
    """
    sites = latent_sites(programs.guide, x, s, **extras)
    if len(sites) != 1 or not isinstance(sites[0].fn, Normal):
        return None
    (site,) = sites
    own, dim = site.fn, site.size
    shape = (len(x), dim)
    start, scale = own.loc.expand(shape), own.scale.expand(shape)
    joint = functools.partial(log_joint, programs, [site], x, s, unobserved=unobserved, **extras)
    loc, curvature = mode(joint, start)
    tril = torch.linalg.cholesky(curvature)
    widths = [1 + step / dim**0.5 for step in _WIDER]
    centres = torch.stack([loc] * len(widths) + [start], 1)
    factors = torch.stack([tril / w for w in widths] + [torch.diag_embed(1 / scale)], 1)
    share = torch.tensor([*_SHARES, _SHARE_OF_GUIDE], dtype=x.dtype, device=x.device)
    log_weight = share.log().expand(len(x), -1)
    return site._replace(fn=RowNormalMixture.of(log_weight, centres, factors))
