"""The state of several chains side by side, and what values and utilities say of latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...models.missingness.averaged import Form
from .bends import Bends
from .decoder import LinearDecoder
from .forms import Forms
from .mask_latent import MaskLatent
from .mixture import Components
from .random import normal
from .truncated_normal import of_known_sign

#: of more complete columns their first principal components are what forms may read
_MOST_OTHERS = 30


class State:
    """The state of K chains over one table.

    Args:
        x: (n, p) standardised values in double precision, 0 where missing.
        seen: (n, p) booleans, True where observed.
        straight: (p,) booleans, the columns that are never bent.
        latent_dim: the number d of the row's latent dimensions.
        mask_latent_dim: the number e of further ones, which only the mask reads.
        chains: the number K of chains.
        shared: whether all columns have the same noise.
        floor: the least standard deviation of the noise.
        forms: the forms of the mechanism that are considered.
        generator: the source of random numbers.
        components: the number C of components of the latents' distribution; one is Normal(0, I).
        direct: whether the latents are the values themselves, but for the noise.
        covariates: (n, r) further numbers that forms may read as they read complete columns.
    """

    def __init__(
        self,
        x: Tensor,
        seen: Tensor,
        straight: Tensor,
        *,
        latent_dim: int,
        mask_latent_dim: int,
        chains: int,
        shared: bool,
        floor: float,
        forms: Sequence[Form],
        generator: torch.Generator,
        components: int = 1,
        direct: bool = False,
        covariates: Tensor | None = None,
    ) -> None:
        self.seen, self.generator = seen, generator
        self.covariates = x[:, :0] if covariates is None else covariates
        n, p = x.shape
        #: the columns that have missing values, (q,)
        self.columns = (~seen).any(0).nonzero().flatten()
        self.missing = ~seen[:, self.columns]
        #: rows with the same pattern of missing values share a factor of their posterior precision
        self.patterns, self.pattern = seen.unique(dim=0, return_inverse=True)
        self.bends = Bends(x, seen, straight, chains)
        self.decoder = LinearDecoder(p, latent_dim, chains, shared, floor, x, generator, direct)
        self.mixture = Components(n, latent_dim, components, chains, direct, x, generator)
        rates = self.missing.to(x).mean(0)
        others = self._others(x, any("other columns" in form for form in forms))
        # what a column shares with others is then in the latents of these alone
        reads = ~torch.eye(p, dtype=torch.bool, device=x.device)[self.columns] if direct else None
        self.forms = Forms(rates, latent_dim, mask_latent_dim, chains, forms, others, reads)
        self.shared = MaskLatent(mask_latent_dim, chains, others)
        start = 0.5 * normal((chains, n, p), x, generator)
        self.y = torch.where(seen, self.bends.y, start)
        self.z = normal((chains, n, latent_dim + mask_latent_dim), x, generator)
        score = self.forms.offset.unsqueeze(1).expand(chains, n, len(self.columns))
        self.u = of_known_sign(score, torch.ones_like(score), self.missing, generator)

    def _others(self, x: Tensor, read: bool) -> Tensor:
        """Return what forms may read (n, r), as principal components if it is very much.

        Where no form that is considered reads other columns, neither does the mask's own latent:
        otherwise it would explain by them what the forms may not.

        Args:
            x: (n, p) the values.
            read: whether a form that is considered reads other columns.
        """
        self.complete = self.seen.all(0).nonzero().flatten()
        given = self._given(x)
        self.directions = torch.eye(given.shape[1]).to(x)
        if given.shape[1] > _MOST_OTHERS:
            self.directions = torch.linalg.svd(given, full_matrices=False)[2][:_MOST_OTHERS].T
        if not read:
            self.directions = self.directions[:, :0]
        return given @ self.directions

    def _given(self, y: Tensor) -> Tensor:
        """Return complete columns and covariates of values (n, p)."""
        return torch.cat([y[:, self.complete], self.covariates], 1)

    def read_bent(self) -> None:
        """Let forms read complete columns as the chains' bends, which must be the same, make them.

        During warm-up they read them as they were given, since bends still move.
        """
        others = self._given(self.bends.y[0]) @ self.directions
        self.forms.others = self.shared.others = others

    @property
    def of_rows(self) -> Tensor:
        """The latents that the decoder reads, (K, n, d)."""
        return self.z[..., : self.decoder.weight.shape[-1]]

    def of_row(self, without: int | None = None) -> tuple[Tensor, Tensor]:
        """Return what values and utilities say of z: a precision, and this times a mean.

        Args:
            without: the place in ``columns`` of a column whose values and utilities do not count.

        Returns:
            The precisions by pattern (K, patterns, D * D), and the products (K, n, D).
        """
        decoder, forms, columns = self.decoder, self.forms, self.columns
        weight, noise = self.weight(), decoder.noise
        scaled = weight / noise.unsqueeze(-1)  # (K, p, d + e)
        slope = forms.slope.unsqueeze(-1)
        through = slope * weight[:, columns] + forms.loading  # (K, q, d + e)
        variance = 1 + forms.slope.square() * noise[:, columns]
        shrunk = through / variance.unsqueeze(-1)
        seen, slopes = self.patterns.to(weight), forms.slope
        own = seen[:, columns]
        gone, left = 1 - own, self.u - forms.base()  # (K, n, q)
        values = (self.y - decoder.mean.unsqueeze(1)) * self.seen
        if without is not None:
            j = columns[without]
            for part in (seen, values):
                part[..., j] = 0.0
            for part in (own, gone, left):
                part[..., without] = 0.0
            slopes = slopes.clone()
            slopes[:, without] = 0.0
        precision = seen @ outer(scaled, weight)
        precision = precision + own @ outer(forms.loading, forms.loading)
        information = precision + gone @ outer(shrunk, through)
        at_seen = left - slopes.unsqueeze(1) * self.y[..., columns]
        at_missing = left - (slopes * decoder.mean[:, columns]).unsqueeze(1)
        shift = values @ scaled
        shift = shift + (at_seen * ~self.missing) @ forms.loading
        shift = shift + (at_missing * self.missing) @ shrunk  # (K, n, d + e)
        shift[..., decoder.weight.shape[-1] :] += self.shared.mean()
        return information, shift

    def weight(self) -> Tensor:
        """Return the decoder's weights of all latents, 0 where only the mask reads them."""
        return nn.functional.pad(self.decoder.weight, (0, self.shared.size))

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return all tensors that the sweeps change, by their owners."""
        return {name: _tensors(part) for name, part in self._parts().items()}

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Continue from what :meth:`state` returned."""
        for name, part in self._parts().items():
            vars(part).update(state[name])

    def _parts(self) -> dict[str, object]:
        return {
            "chains": self,
            "decoder": self.decoder,
            "mixture": self.mixture,
            "forms": self.forms,
            "shared": self.shared,
            "bends": self.bends,
        }


def outer(left: Tensor, right: Tensor) -> Tensor:
    """Return the outer products of the last dimensions, flattened: (K, p, d * d)."""
    return (left.unsqueeze(-1) * right.unsqueeze(-2)).flatten(-2)


def _tensors(part: object) -> dict[str, Tensor]:
    """Return the attributes of an object that are tensors."""
    return {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}
