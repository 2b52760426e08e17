"""A delta-adjusted model: missing at random, with missing values shifted by given amounts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Unpack

from ...data import IncompleteData
from ...data.arguments import spelled_out
from ...data.errors import InputError
from ..programs.pattern_mixture import PatternMixtureModel
from .building import building
from .options import DeepOptions
from .tables import MIWAE, NotMIWAE


@building
@spelled_out(DeepOptions, like=NotMIWAE)
def PatternMixture(
    data: IncompleteData,
    delta: Mapping[str, float],
    *,
    decoder: str = "gaussian",
    **options: Unpack[DeepOptions],
) -> PatternMixtureModel:
    """A MIWAE whose missing values are shifted by given amounts: a delta-adjusted MAR model.

    Args:
        delta: by column, in sd of the column's observed values (of their logs, for a positive one;
            in the data's own units where they were read with ``standardise=False``); 0 for those
            left out.
        decoder: as for :func:`MIWAE`, ``"linear"`` for that of PPCA.
        options: further ones, as for :func:`MIWAE`.

    Raises:
        ValueError: for a column that is not there or is no real number.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> model = ab.models.PatternMixture(data, {"x1": -1.0}, decoder="linear", latent_dim=1)
    >>> fitted = ab.fit(model, data, steps=20, progress=False)
    >>> ab.impute(fitted, data, particles=100).mean.shape
    (3, 2)
    """
    for name in delta:
        if name not in data.columns:
            raise InputError(f"delta names '{name}', which is no column of {list(data.columns)}")
        if not math.isfinite(delta[name]):
            raise InputError(f"delta of column '{name}' is {delta[name]}; give a number")
        column = data.schema[name]
        if column.discrete:
            raise InputError(f"column '{name}' is {column.kind}; delta shifts real numbers only")
    base = MIWAE(data, decoder=decoder, **options)
    shifts = [float(delta.get(name, 0.0)) for name in base.columns]
    return PatternMixtureModel(
        base.decoder, base.encoder, base.missingness, base.columns, shifts, base.margins
    )
