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
        data: the table.
        delta: the shift of each column, 0 for columns without one. The unit is the standard
            deviation of the column's observed values (of their logarithms, for a positive column),
            or the data's own unit if they were read with ``standardise=False``.
        decoder: as for :func:`MIWAE`; ``"linear"`` is that of PPCA.
        options: further arguments of :func:`MIWAE`.

    Raises:
        ValueError: for a column that the table does not have, or that does not hold real numbers.

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
            raise InputError(
                f"delta names the column '{name}', which the table does not have; it has "
                f"{', '.join(data.columns)}"
            )
        if not math.isfinite(delta[name]):
            raise InputError(f"delta of column '{name}' is {delta[name]}; give a finite number")
        column = data.schema[name]
        if column.discrete:
            raise InputError(
                f"delta names the column '{name}', which is {column.kind}; only real numbers can "
                f"be shifted, so leave it out"
            )
    base = MIWAE(data, decoder=decoder, **options)
    shifts = [float(delta.get(name, 0.0)) for name in base.columns]
    return PatternMixtureModel(
        base.decoder, base.encoder, base.missingness, base.columns, shifts, base.margins
    )
