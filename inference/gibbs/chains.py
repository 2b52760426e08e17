"""Several chains of the sampler side by side: their state, and one sweep of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...models.missingness.averaged import Form
from .bends import Bends
from .collapsed import Column, Proposal, scores
from .decoder import LinearDecoder
from .forms import Forms
from .mask_latent import MaskLatent
from .mixture import Components
from .random import normal
from .tilted import tilted
from .truncated_normal import of_known_sign

#: of more complete columns their first principal components are what forms may read
_MOST_OTHERS = 30
#: one column's mechanism is sampled as a whole in one of so many sweeps
_RARELY = 5


class Chains:
    """K chains over one table.

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
        others = self._others(x)
        # what a column shares with others is then in the latents of these alone
        reads = ~torch.eye(p, dtype=torch.bool, device=x.device)[self.columns] if direct else None
        self.forms = Forms(rates, latent_dim, mask_latent_dim, chains, forms, others, reads)
        self.shared = MaskLatent(mask_latent_dim, chains, others)
        start = 0.5 * normal((chains, n, p), x, generator)
        self.y = torch.where(seen, self.bends.y, start)
        self.z = normal((chains, n, latent_dim + mask_latent_dim), x, generator)
        score = self.forms.offset.unsqueeze(1).expand(chains, n, len(self.columns))
        self.u = of_known_sign(score, torch.ones_like(score), self.missing, generator)

    def _others(self, x: Tensor) -> Tensor:
        """Return what forms may read (n, r), as principal components if it is very much."""
        self.complete = self.seen.all(0).nonzero().flatten()
        given = self._given(x)
        self.directions = torch.eye(given.shape[1]).to(x)
        if given.shape[1] > _MOST_OTHERS:
            self.directions = torch.linalg.svd(given, full_matrices=False)[2][:_MOST_OTHERS].T
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

    def sweep(self, bend: bool) -> None:
        """Sample every block once, and the bends where these are still free."""
        decoder, forms, columns = self.decoder, self.forms, self.columns
        number = _RARELY * len(columns)
        place = int(torch.randint(number, (1,), generator=self.generator, device=self.u.device))
        if place < len(columns):
            self._mechanism(place, adapt=bend)
        self.z = self._latents()
        predicted = decoder.predicted(self.of_rows)
        score = self._missing_values(predicted)
        if bend:
            self.bends.move(
                predicted,
                decoder.noise,
                self.u - score,
                forms.slope,
                columns,
                True,
                self.generator,
                times=2,
            )
            self.y = torch.where(self.seen, self.bends.y, self.y)
        decoder.step(self.y, self.of_rows, self.generator)
        self.mixture.step(self.of_rows, self.generator)
        self.shared.step(self.z[..., decoder.weight.shape[-1] :], self.generator)
        self.u = forms.step(self.y[..., columns], self.z, self.u, self.generator)

    @property
    def of_rows(self) -> Tensor:
        """The latents that the decoder reads, (K, n, d)."""
        return self.z[..., : self.decoder.weight.shape[-1]]

    def _latents(self) -> Tensor:
        """Sample components and z given observed values and utilities, without missing values.

        A missing x_j with u_j = b_j + a_j x_j + c_j^T z + e informs z by
        u_j ~ Normal(b_j + a_j mu_j + (a_j w_j + c_j)^T z, 1 + a_j^2 sigma_j^2), and an observed one
        by u_j - a_j x_j ~ Normal(b_j + c_j^T z, 1), beside its density under the decoder.
        """
        information, shift = self._of_row()
        self.mixture.choose(information, self.pattern, shift, self.generator)
        component = self.mixture.component
        _, inverse, at, pull = self.mixture.posterior(information, self.pattern, component)
        root, shift = inverse[at], shift + pull
        half = (root @ shift.unsqueeze(-1)).squeeze(-1) + normal(shift.shape, shift, self.generator)
        found: Tensor = (root.mT @ half.unsqueeze(-1)).squeeze(-1)
        return found

    def _of_row(self, without: int | None = None) -> tuple[Tensor, Tensor]:
        """Return what values and utilities say of z: a precision, and this times a mean.

        Args:
            without: the place in ``columns`` of a column whose values and utilities do not count.

        Returns:
            The precisions by pattern (K, patterns, D * D), and the products (K, n, D).
        """
        decoder, forms, columns = self.decoder, self.forms, self.columns
        weight, noise = self._weight(), decoder.noise
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
        precision = seen @ _outer(scaled, weight)
        precision = precision + own @ _outer(forms.loading, forms.loading)
        information = precision + gone @ _outer(shrunk, through)
        at_seen = left - slopes.unsqueeze(1) * self.y[..., columns]
        at_missing = left - (slopes * decoder.mean[:, columns]).unsqueeze(1)
        shift = values @ scaled
        shift = shift + (at_seen * ~self.missing) @ forms.loading
        shift = shift + (at_missing * self.missing) @ shrunk  # (K, n, d + e)
        shift[..., decoder.weight.shape[-1] :] += self.shared.mean()
        return information, shift

    def collapsed(self, place: int) -> Column:
        """Return what the mechanism of a column is to explain, given the other columns.

        Args:
            place: the column's place in ``columns``.
        """
        decoder, mixture, forms = self.decoder, self.mixture, self.forms
        j = int(self.columns[place])
        information, shift = self._of_row(place)
        _, inverse, at, pull = mixture.posterior(information, self.pattern, mixture.component)
        root = inverse[at]
        half = root @ (shift + pull).unsqueeze(-1)
        mean = (root.mT @ half).squeeze(-1)
        weight = self._weight()[:, j]
        along = torch.einsum("knij,kj->kni", root, weight)
        centre = decoder.mean[:, j, None] + torch.einsum("kni,ki->kn", mean, weight)
        if not decoder.direct:
            prior = decoder.prior_of_shift(j)
        else:  # components and the intercepts of columns that read the value move with it
            read = forms.loading[..., j]
            spread, means = mixture.mean_variance[:, j], mixture.mean[..., j]
            prior = torch.stack(
                [
                    means.shape[1] / spread + forms.intercept_precision * read.square().sum(-1),
                    forms.intercept_precision * (read * forms.offset).sum(-1)
                    - means.sum(-1) / spread,
                ],
                -1,
            )
        return Column(
            missing=self.missing[:, place],
            x=self.y[..., j],
            centre=centre,
            variance=decoder.noise[:, j, None] + along.square().sum(-1),
            mean=mean,
            root=root,
            pull=(root.mT @ along.unsqueeze(-1)).squeeze(-1),
            others=self.forms.others,
            shift=prior,
        )

    def _mechanism(self, place: int, adapt: bool) -> Tensor:
        """Sample form, coefficients and utilities of a column, with its values integrated out.

        Given utilities and completed values a column leaves its form rarely. Here its missing
        values, the latents and its utilities are integrated out, and the column's mean moves
        together with its mechanism (partially collapsed Gibbs sampling: van Dyk & Park, JASA 2008).
        The latents must be sampled next.

        Args:
            place: the column's place in ``columns``.
            adapt: whether modes are sought next time where they are now; not valid after warm-up.

        Returns:
            Whether a proposal was accepted, (K,).
        """
        column, forms = self.collapsed(place), self.forms
        first = not bool(forms.sought[place])
        proposal = Proposal(column, forms.prior(place), forms.modes[:, place], first)
        if adapt:
            forms.sought[place] = True
            forms.modes[:, place] = proposal.mode
            forms.modes[:, place, :, -1] = 0.0
        now = forms.form[:, place], forms.coefficients(place)
        new = proposal.draw(self.generator)
        gain = proposal.log_target(*new) - proposal.log_target(*now)
        gain = gain + proposal.log_density(*now) - proposal.log_density(*new)
        uniform = torch.rand(
            gain.shape, generator=self.generator, dtype=gain.dtype, device=gain.device
        )
        accepted = uniform.log() < gain
        form = torch.where(accepted, new[0], now[0])
        at = torch.where(accepted.unsqueeze(-1), new[1], now[1])
        mean, variance = (part.squeeze(1) for part in scores(column, at.unsqueeze(1)))
        u = of_known_sign(mean, variance.sqrt(), column.missing, self.generator)
        self.u = self.u.index_copy(2, torch.tensor([place], device=u.device), u.unsqueeze(-1))
        forms.put(place, form, at)
        j, shift = int(self.columns[place]), at[:, -1]
        if self.decoder.direct:
            self.mixture.mean[..., j] += shift.unsqueeze(-1)
            forms.offset = forms.offset - forms.loading[..., j] * shift.unsqueeze(-1)
        else:
            self.decoder.mean[:, j] += shift
        return accepted

    def _weight(self) -> Tensor:
        """Return the decoder's weights of all latents, 0 where only the mask reads them."""
        return nn.functional.pad(self.decoder.weight, (0, self.shared.size))

    def _missing_values(self, predicted: Tensor) -> Tensor:
        """Sample utilities with missing values integrated out, and then the missing values.

        Returns:
            The score without the part of the column itself, (K, n, q).
        """
        forms, columns, missing = self.forms, self.columns, self.missing
        slope, noise = forms.slope.unsqueeze(1), self.decoder.noise[:, columns].unsqueeze(1)
        score, mean = forms.score(self.z), predicted[..., columns]
        centre, sd = self._utilities(score, predicted)
        self.u = of_known_sign(centre, sd, missing, self.generator)
        precision = 1 / noise + slope.square()
        mean = (mean / noise + slope * (self.u - score)) / precision
        drawn = mean + normal(mean.shape, mean, self.generator) / precision.sqrt()
        self.y = self.y.index_copy(2, columns, torch.where(missing, drawn, self.y[..., columns]))
        return score

    def _utilities(self, score: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and sd of u given z and x_o, with missing values integrated out, (K, n, q).

        Args:
            score: (K, n, q) the score without the part of the column itself.
            predicted: (K, n, p) the decoder's means.
        """
        slope, columns = self.forms.slope.unsqueeze(1), self.columns
        noise = self.decoder.noise[:, columns].unsqueeze(1)
        values = torch.where(self.missing, predicted[..., columns], self.y[..., columns])
        variance = torch.where(self.missing, 1 + slope.square() * noise, 1.0)
        return score + slope * values, variance.sqrt()

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

    @torch.no_grad()
    def log_evidence(self, particles: int) -> Tensor:
        """Estimate log p(x_o, s) of every row under each chain's parameters, (K, n).

        It is in the units of ``x``: the slopes of the bends are part of it. The latents are sampled
        from Gaussians at the modes of their posteriors given values and mask, with missing values
        integrated out.
        """
        decoder, mixture = self.decoder, self.mixture
        weight, noise = self._weight(), decoder.noise
        scaled = weight / noise.unsqueeze(-1)
        information = self.patterns.to(weight) @ _outer(scaled, weight)
        left = (self.y - decoder.mean.unsqueeze(1)) * self.seen
        shift = left @ scaled
        log_odds = mixture.log_odds(information, self.pattern, shift)  # (K, n, C)
        squares = (left.square() / noise.unsqueeze(1)).sum(-1)
        logs = (self.seen * (2 * torch.pi * noise).log().unsqueeze(1)).sum(-1)
        values = log_odds.logsumexp(-1) - 0.5 * (squares + logs) + self.bends.log_slope.sum(-1)
        shift[..., decoder.weight.shape[-1] :] += self.shared.mean()
        drawn = mixture.drawn(log_odds, self.generator)
        factor, inverse, at, pull = mixture.posterior(information, self.pattern, drawn)
        return values + self._of_mask(factor[at], inverse[at], shift + pull, particles)

    def _of_mask(self, root: Tensor, inverse: Tensor, shift: Tensor, particles: int) -> Tensor:
        """Estimate log p(s | x_o, c), the mean of the mask's probability over z ~ p(z | x_o, c).

        Args:
            root, inverse: (K, n, D, D) factors of the precisions of p(z | x_o, c).
            shift: (K, n, D) these precisions times the means.
            particles: the number of samples.
        """
        decoder, forms, columns = self.decoder, self.forms, self.columns
        weight, noise = self._weight(), decoder.noise
        log_root = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        half = (inverse @ shift.unsqueeze(-1)).squeeze(-1)
        slope = forms.slope.unsqueeze(-1)
        sd = (1 + forms.slope.square() * noise[:, columns]).sqrt()
        through = (slope * weight[:, columns] + forms.loading) / sd.unsqueeze(-1)
        at_missing = forms.base() + (forms.slope * decoder.mean[:, columns]).unsqueeze(1)
        at_seen = forms.base() + forms.slope.unsqueeze(1) * self.y[..., columns]
        offset = torch.where(self.missing, at_missing / sd.unsqueeze(1), at_seen)
        precision = root @ root.mT
        mode, curvature = tilted(precision, shift, forms.loading, through, offset, self.missing)
        sign = torch.where(self.missing, 1.0, -1.0).to(weight)
        log_curvature = curvature.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        parts = []
        for _ in range(particles):
            noise_ = normal(mode.shape, mode, self.generator)
            z = mode + torch.linalg.solve_triangular(
                curvature.mT, noise_.unsqueeze(-1), upper=True
            ).squeeze(-1)
            prior = -0.5 * ((root.mT @ z.unsqueeze(-1)).squeeze(-1) - half).square().sum(-1)
            score = torch.where(self.missing, z @ through.mT, z @ forms.loading.mT)
            mask = torch.special.log_ndtr(sign * (offset + score)).sum(-1)
            parts.append(prior + log_root + mask + 0.5 * noise_.square().sum(-1) - log_curvature)
        return torch.stack(parts).logsumexp(0) - torch.tensor(float(particles)).log()


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Return the outer products of the last dimensions, flattened: (K, p, d * d)."""
    return (left.unsqueeze(-1) * right.unsqueeze(-2)).flatten(-2)


def _tensors(part: object) -> dict[str, Tensor]:
    """Return the attributes of an object that are tensors."""
    return {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}
