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
    ICLR 2022, with the mask's density in the weights.) The target's density joins the weights, so
    that the missing values of a row are imputed given its label too, and the generative part
    learns what the prediction needs. Rows without a label take part without it.

    Args:
        predictor: p(y | x), of whole rows.
        frozen: hold everything else: the second of two stages.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> model = ab.SupervisedNotMIWAE(data.with_target([0.5, 1.0, np.nan]), latent_dim=1)
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
            y: (n, 1), the target; without it there is no site y.
            labelled: (n, 1) booleans, False where y is not known.
        """
        x = super().model(x, s, size, covariates)
        if y is None:
            return x
        rows, _, _ = self.plates(s, size)
        known = True if labelled is None else labelled
        with rows, poutine.mask(mask=known):
            # what is integrated out of x would be lacking here: the site says that it reads x
            pyro.sample(Y, self.predictor(x), obs=y, infer={"reads": X})
        return x

    def guide(
        self,
        x: Tensor,
        s: Tensor,
        size: int | None = None,
        covariates: Tensor | None = None,
        y: Tensor | None = None,
        labelled: Tensor | None = None,
    ) -> None:
        """Run the amortised posterior of z, which does not read the target."""
        super().guide(x, s, size, covariates)
