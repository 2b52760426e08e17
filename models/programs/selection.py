"""The selection model p(z) p(x | z) p(s | x) and its guide, as one Pyro program."""

from __future__ import annotations

import functools
from typing import Any

import pyro
import torch
from pyro.infer.autoguide import AutoNormal
from torch import Tensor

from ...data.errors import InputError
from ..distributions.pixel_normal import given_observed
from ..missingness import Missingness
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..plates import Plate
from ..sites import (
    COLUMN_DIM,
    FEATURES,
    MARGINS,
    MASK_LATENT,
    SHRINKAGE,
    Z_MASK,
    S,
    X,
    Z,
)
from .base import Prior, RowModel, StandardNormalPrior
from .margins import KnownMargins


class SelectionModel(RowModel):
    """not-MIWAE and its relatives: p(x, s, z) = p(z) p(x | z) p(s | x), guide q(z | x_o, s).

    x are a row's values, x_o the observed ones, s says which are observed, and z are the row's
    latent variables (Ipsen, Mattei & Frellsen, "not-MIWAE: deep generative modelling with missing
    not at random data", ICLR 2021, eq. 2-8). With an ignorable mechanism the model is MIWAE, and
    with a linear Gaussian decoder as well it is PPCA. ``model`` and ``guide`` are ordinary Pyro
    programs; parameters live in the module (``state_dict``), not in Pyro's global store.

    Args:
        decoder: p(x | z).
        encoder: q(z | x_o, s).
        missingness: p(s | x).
        columns: the names of the columns, in order.
        prior: p(z); Normal(0, I) when left out.
        mask_encoder: q(z_mask | x_o, s), for a mechanism that reads z_mask, a latent that only the
            mask depends on.
        margins: means and standard deviations of columns that are known from elsewhere.

    >>> import torch
    >>> from absentia.models import (GaussianDecoder, MaskAwareEncoder, SelectionModel, SelfMasking)
    >>> model = SelectionModel(
    ...     GaussianDecoder(2, 3), MaskAwareEncoder(3, 2), SelfMasking(3), columns=["a", "b", "c"])
    >>> x, s = torch.zeros(7, 3), torch.ones(7, 3, dtype=torch.bool)
    >>> import pyro
    >>> trace = pyro.poutine.trace(model.model).get_trace(x, s)
    >>> trace.nodes["z"]["value"].shape
    torch.Size([7, 2])
    """

    def __init__(
        self,
        decoder: Decoder,
        encoder: Encoder,
        missingness: Missingness,
        columns: list[str] | tuple[str, ...],
        prior: Prior | None = None,
        mask_encoder: Encoder | None = None,
        margins: KnownMargins | None = None,
    ) -> None:
        super().__init__(
            columns, StandardNormalPrior(decoder.latent_dim) if prior is None else prior
        )
        if self.prior.latent_dim != decoder.latent_dim:
            raise InputError(
                f"the prior has {self.prior.latent_dim} latent dimensions, but the decoder has "
                f"{decoder.latent_dim}; give a prior of the same size"
            )
        if margins is not None and type(self.prior) is not StandardNormalPrior:
            raise InputError(
                "margins= can only be used with the prior Normal(0, I); leave out prior= or "
                "margins="
            )
        if (mask_encoder is None) != (missingness.mask_latent_dim == 0):
            raise InputError(
                f"the mechanism has a mask latent of {missingness.mask_latent_dim} dimensions and "
                f"mask_encoder= is {'left out' if mask_encoder is None else 'given'}; give it if "
                f"and only if there is a mask latent"
            )
        self.decoder = decoder
        self.encoder = encoder
        self.missingness = missingness
        self.encoder.attach(decoder)
        self.encoder.attach_prior(self.prior)
        self.mask_encoder = mask_encoder
        if mask_encoder is not None:
            mask_encoder.attach_mechanism(missingness, decoder, encoder)
        self.margins = margins
        self.mask_prior = StandardNormalPrior(missingness.mask_latent_dim) if mask_encoder else None
        self.coefficient_guide = self._guide_of_coefficients()

    def model(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> Tensor:
        """Run the generative program, which has the sites z, x and s.

        Args:
            x: (n, p), with any finite value in the missing cells.
            s: (n, p) booleans, True where observed.
            size: the number of rows of the whole table, where (x, s) is a minibatch of it.
            covariates: (n, q), columns that the mechanism may read and that are not modelled.

        Returns:
            x with its missing cells sampled.
        """
        self.declare_parameters()
        rows, latent, features = self.plates(x, size)
        coefficients = self.missingness.coefficients(features)
        if self.margins is not None:
            pyro.factor(MARGINS, self.margins(self.decoder))
        self._shrink()
        with rows, latent:
            z = pyro.sample(Z, self.prior())
        z_mask = self._mask_latent(rows, self.mask_prior)
        context = self.missingness.context(z=z, z_mask=z_mask, covariates=covariates, s=s)
        with rows, features:
            x = pyro.sample(X, given_observed(self.decoder(z), x, s), obs=x, obs_mask=s)
            pyro.sample(S, self.missingness(x, **context, **coefficients), obs=s.to(x.dtype))
        return x

    def guide(
        self, x: Tensor, s: Tensor, size: int | None = None, covariates: Tensor | None = None
    ) -> None:
        """Sample z from q(z | x_o, s); missing values have no guide but the model itself."""
        self.declare_parameters()
        rows, latent, _ = self.plates(x, size)
        if self.coefficient_guide is not None:
            with pyro.settings.context(module_local_params=True):
                self.coefficient_guide()
        with rows, latent:
            pyro.sample(Z, self.encoder(x, s))
        reads = self.mask_encoder is not None and self.mask_encoder.reads_covariates
        self._mask_latent(rows, self.mask_encoder, x, s, *((covariates,) if reads else ()))

    def _shrink(self) -> None:
        """Add the log-priors of learnt slopes and gates to the joint density."""
        own = [self.missingness.log_prior()]
        if isinstance(self.decoder, Decoder):  # and no module of somebody's own
            own.append(self.decoder.log_prior())
        log_priors = [log_prior for log_prior in own if log_prior is not None]
        if log_priors:
            pyro.factor(SHRINKAGE, sum(log_priors))

    def _mask_latent(self, rows: Any, distribution: Any, *given: Tensor | None) -> Tensor | None:
        """Sample the site ``z_mask``, where the mechanism reads a latent of the mask alone."""
        if distribution is None:
            return None
        size = self.missingness.mask_latent_dim
        if MASK_LATENT not in self._plates:  # as plates() does, once
            with pyro.poutine.block():
                self._plates[MASK_LATENT] = Plate(MASK_LATENT, size, dim=COLUMN_DIM)
        with rows, self._plates[MASK_LATENT]:
            value: Tensor = pyro.sample(Z_MASK, distribution(*given))
        return value

    def _guide_of_coefficients(self) -> AutoNormal | None:
        """Make the guide of the mechanism's coefficients; None where they have no priors."""
        if not self.missingness.has_priors:
            return None
        features = Plate(FEATURES, self.decoder.num_columns, dim=COLUMN_DIM)
        with pyro.settings.context(module_local_params=True), torch.no_grad():
            guide = AutoNormal(
                functools.partial(self.missingness.coefficients, features), init_scale=0.1
            )
            guide()  # the first call creates its parameters, for optimisers and state_dict
        return guide
