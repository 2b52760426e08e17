"""Supervised not-MIWAE: a target predicted from rows whose missing values are latent."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pyro
import torch
from pyro import poutine
from torch import Tensor

from ...data import IncompleteData
from ...data.columns.recode import same_meaning
from ...data.system.process import seeded
from ..missingness import Missingness
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..networks.target_heads import Predictor
from ..sites import X, Y
from ..zoo.building import building
from ..zoo.modelled import modelled
from ..zoo.tables import NotMIWAE, Why
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
        self.predictor = predictor
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
        """The generative program.

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
        """The amortised posterior of z, which does not read the target."""
        super().guide(x, s, size, covariates)


@building
def SupervisedNotMIWAE(
    data: IncompleteData,
    missingness: Why = "self-masking",
    *,
    predictor: Predictor | Sequence[int] = (64,),
    first_stage: Any = None,
    seed: int = 0,
    **options: Any,
) -> SupervisedModel:
    """A not-MIWAE that predicts the target of the data; ``missingness="ignorable"`` is supMIWAE.

    Joint by default: ``ab.fit(model, data)`` fits generative model, mechanism and predictor.
    With ``first_stage``, a model that was fitted to the same columns without the target, it is
    the second of two stages: the generative part is held and the predictor alone is fitted, by
    the same weights.

    Args:
        predictor: widths of the predictor's hidden layers, or a predictor.
        first_stage: a fit, or its model.
        options: as for :func:`NotMIWAE`; they and ``missingness`` go to the first stage where there
            is one.

    Raises:
        ValueError: the data have no target, or the first stage is of other columns or another
            scale.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(40, 2))
    >>> y = rows.sum(1) > 0
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows).with_target(y)
    >>> model = ab.SupervisedNotMIWAE(data, sign="+", latent_dim=1, hidden=[8], predictor=[])
    >>> fitted = ab.fit(model, data, steps=20, progress=False)
    >>> ab.predict(fitted, data, particles=50).probabilities.shape
    (40, 2)
    """
    data = modelled(data, missingness, predictor, options.get("decoder"), options.get("encoder"))
    if not isinstance(predictor, Predictor):
        with seeded(seed + 1):
            predictor = Predictor.for_data(data, predictor)
    if first_stage is None:
        base = NotMIWAE(data, missingness, seed=seed, **options)
    else:
        given = [*options] + (["missingness"] if missingness != "self-masking" else [])
        if given:
            raise ValueError(f"{given[0]!r} is an option of the first stage; give it there")
        base = _first(first_stage, data)
    model = SupervisedModel(
        copy.deepcopy(base.decoder),
        copy.deepcopy(base.encoder),
        copy.deepcopy(base.missingness),
        base.columns,
        predictor,
        mask_encoder=copy.deepcopy(base.mask_encoder),
        margins=copy.deepcopy(base.margins),
        frozen=first_stage is not None,
    )
    if base.coefficient_guide is not None:
        model.coefficient_guide.load_state_dict(base.coefficient_guide.state_dict())
    return model


def _first(fitted: Any, data: IncompleteData) -> SelectionModel:
    """The model of a first stage, if it is one of these columns in this scale."""
    # a fit carries its model; a model has parameters of its own
    model = fitted if isinstance(fitted, torch.nn.Module) else getattr(fitted, "model", fitted)
    if type(model) is not SelectionModel:
        raise ValueError(f"first_stage is a {type(model).__name__}; give a NotMIWAE's fit")
    if model.columns != tuple(data.columns):
        raise ValueError(
            f"the first stage is of columns {list(model.columns)}, the data of {list(data.columns)}"
        )
    scaler = getattr(fitted, "scaler", None)
    if scaler is not None and scaler.to_dict() != data.scaler.to_dict():
        raise ValueError("the first stage is in another scale; read the data with like= its data")
    schema = getattr(fitted, "schema", None)
    if schema is not None and not all(map(same_meaning, schema, data.schema)):
        raise ValueError("the first stage has other codes; read the data with like= its data")
    return model
