"""Supervised not-MIWAE: a target predicted from rows whose missing values are latent."""

from __future__ import annotations

import pyro
from pyro import poutine
from torch import Tensor

from ..missingness import Missingness
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..networks.target_heads import Predictor
from ..sites import X, Y
from .margins import KnownMargins
from .selection import SelectionModel


class SupervisedModel(SelectionModel):
    """p(z) p(x | z) p(s | x) p(y | x): a selection model and a predictor, fitted together.

    (Ipsen, Mattei & Frellsen, "How to deal with missing data in supervised deep learning?",
    ICLR 2022, with the mask's density in the weights.) The target's density is part of the
    log-weights. The missing values of a row are therefore imputed given its label too, and the
    generative part learns what the prediction needs. Rows without a label contribute p(x, s) only.

    Args:
        decoder: p(x | z).
        encoder: q(z | x_o, s).
        missingness: p(s | x).
        columns: the names of the columns, in order.
        predictor: p(y | x), given complete rows.
        mask_encoder: q(z_mask | x_o, s), for a mechanism with a latent that only the mask has.
        margins: known means and standard deviations of columns.
        frozen: keep all parameters except the predictor's fixed, in the second of two stages.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> model = ab.models.SupervisedNotMIWAE(data.with_target([0.5, 1.0, np.nan]), latent_dim=1)
    >>> model.predictor.kind
    'continuous'
    """

    def __init__(
        self,
        decoder: Decoder,
        encoder: Encoder,
        missingness: Missingness,
        columns: list[str] | tuple[str, ...],
        predictor: Predictor,
        mask_encoder: Encoder | None = None,
        margins: KnownMargins | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__(
            decoder, encoder, missingness, columns, mask_encoder=mask_encoder, margins=margins
        )
        self.predictor: Predictor = predictor
        self.frozen = frozen
        if frozen:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(name.startswith("predictor."))

    def model(
        self,
        x: Tensor,
        s: Tensor,
        size: int | None = None,
        covariates: Tensor | None = None,
        y: Tensor | None = None,
        labelled: Tensor | None = None,
    ) -> Tensor:
        """Run the generative program, which includes the target.

        Args:
            x: (n, p), with any finite value in the missing cells.
            s: (n, p) booleans, True where observed.
            size: the number of rows of the whole table, where (x, s) is a minibatch of it.
            covariates: (n, q), columns that the mechanism may read and no program models.
            y: (n, 1), the target; without it there is no site y.
            labelled: (n, 1) booleans, False where y is not known; by default all are.

        Returns:
            x with its missing cells sampled.
        """
        x = super().model(x, s, size, covariates)
        if y is None:
            return x
        rows, _, _ = self.plates(s, size)
        known = True if labelled is None else labelled
        with rows, poutine.mask(mask=known):
            # x cannot be integrated out, since y depends on it: "reads" tells inference so
            pyro.sample(Y, self.predictor(x), obs=y, infer={"reads": X})
        return x

    def guide(
        self,
        x: Tensor,
        s: Tensor,
        size: int | None = None,
        covariates: Tensor | None = None,
        **target: Tensor | None,
    ) -> None:
        """Run the amortised posterior q(z | x_o, s), which does not read the target."""
        super().guide(x, s, size, covariates)
