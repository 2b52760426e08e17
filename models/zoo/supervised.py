"""Supervised not-MIWAE: a target predicted from rows whose missing values are latent."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Unpack

from ...data import IncompleteData
from ...data.arguments import spelled_out
from ...data.columns.recode import same_meaning
from ...data.errors import InputError
from ...data.system.process import seeded
from ..fitted import Fit
from ..networks.target_heads import Predictor
from ..programs.selection import SelectionModel
from ..programs.supervised import SupervisedModel
from .building import building
from .mechanism_names import PUBLISHED
from .modelled import modelled
from .options import MechanismOptions
from .tables import NotMIWAE, Why


@building
@spelled_out(MechanismOptions, like=NotMIWAE)
def SupervisedNotMIWAE(
    data: IncompleteData,
    missingness: Why = PUBLISHED,
    *,
    predictor: Predictor | Sequence[int] = (64,),
    first_stage: Fit | SelectionModel | None = None,
    seed: int = 0,
    **options: Unpack[MechanismOptions],
) -> SupervisedModel:
    """A not-MIWAE that predicts the target of the data; ``missingness="ignorable"`` is supMIWAE.

    By default ``ab.fit(model, data)`` fits generative model, mechanism and predictor together.
    ``first_stage`` is a model that was fitted to the same columns without the target. With it, the
    generative part and the mechanism stay fixed, and the predictor alone is fitted, with the same
    log-weights.

    Args:
        data: the table, with a target.
        missingness: see :func:`NotMIWAE`; with a first stage it is given there.
        predictor: the widths of the predictor's hidden layers, or a predictor.
        first_stage: a fit, or its model.
        seed: the seed of the initial weights; the global random state does not change.
        options: further arguments of :func:`NotMIWAE`; with a first stage they are given there.

    Raises:
        ValueError: if the data have no target, or the first stage was fitted to other columns or on
            another scale.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(40, 2))
    >>> y = rows.sum(1) > 0
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows).with_target(y)
    >>> model = ab.models.SupervisedNotMIWAE(data, sign="+", latent_dim=1, hidden=[8], predictor=[])
    >>> fitted = ab.fit(model, data, steps=20, progress=False)
    >>> ab.inference.predict(fitted, data, particles=50).probabilities.shape
    (40, 2)
    """
    data = modelled(data, missingness, predictor, options.get("decoder"), options.get("encoder"))
    if not isinstance(predictor, Predictor):
        with seeded(seed + 1):
            predictor = Predictor.for_data(data, predictor)
    if first_stage is None:
        base = NotMIWAE(data, missingness, seed=seed, **options)
    else:
        given = [*options] + (["missingness"] if missingness != PUBLISHED else [])
        if given:
            raise InputError(
                f"{given[0]!r} was decided by the first stage; give it where that model is made"
            )
        base = _model_of(first_stage, data)
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
        assert model.coefficient_guide is not None  # of the same mechanism
        model.coefficient_guide.load_state_dict(base.coefficient_guide.state_dict())
    return model


def _model_of(first_stage: Fit | SelectionModel, data: IncompleteData) -> SelectionModel:
    """Return the model of a first stage, and refuse one of other columns or another scale."""
    model = first_stage.model if isinstance(first_stage, Fit) else first_stage
    if type(model) is not SelectionModel:
        raise InputError(
            f"first_stage is a {type(model).__name__}; give a fit of NotMIWAE or NotMIWAEPPCA"
        )
    if model.columns != tuple(data.columns):
        raise InputError(
            f"the first stage has the columns {list(model.columns)}, but the data have "
            f"{list(data.columns)}; fit it to the same columns, without the target"
        )
    if not isinstance(first_stage, Fit):
        return model
    if first_stage.scaler.to_dict() != data.scaler.to_dict():
        raise InputError(
            "the first stage was fitted to columns on another scale; read the data with like= and "
            "the data of the first stage"
        )
    schema = first_stage.schema
    if schema is not None and not all(map(same_meaning, schema, data.schema)):
        raise InputError(
            "the codes of the first stage stand for other levels; read the data with like= and the "
            "data of the first stage"
        )
    return model
