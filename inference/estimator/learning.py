"""The training data and the model of an imputer, made from its arguments."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from ...data import IncompleteData
from ...models import Missingness
from .columns import covariates_of_kept, missingness_of_kept, of_kept, schema_of_kept
from .reading import seen_by_model

if TYPE_CHECKING:
    from .imputer import MNARImputer


def training_data(imputer: MNARImputer, kept: pd.DataFrame) -> IncompleteData:
    """Read the columns that have values, by the imputer's schema and covariates."""
    return IncompleteData.from_frame(
        seen_by_model(kept),
        schema=schema_of_kept(imputer.schema, kept, imputer._names),
        covariates=covariates_of_kept(imputer.covariates, imputer._names, imputer._empty),
        dtype=torch.float64,
    )


def model_of(
    imputer: MNARImputer,
    kind: Callable[..., Any],
    data: IncompleteData,
    further: Mapping[str, Any],
) -> Any:
    """Make the imputer's model for these data, with its mechanism where it has one.

    Args:
        imputer: the imputer, whose arguments have been checked.
        kind: the constructor of the model.
        data: the training data.
        further: the imputer's ``model_options``.
    """
    beside = set(map(str, imputer.covariates))
    modelled = [name for name in imputer._names if name not in beside]

    def kept(given: Any, what: str) -> Any:
        return of_kept(given, what, modelled, data.columns)

    options: dict[str, Any] = {"latent_dim": imputer.latent_dim, "seed": imputer._seed % 2**16}
    options |= further
    if "margins" in further:
        options["margins"] = kept(further["margins"], "margins")
    if imputer.model not in ("ppca", "miwae"):
        filled = [name for name, no in zip(imputer._names, imputer._empty, strict=True) if not no]
        what = missingness_of_kept(imputer.missingness, imputer._names, filled)
        # a module is trained where it is: the parameter stays as it was given
        what = copy.deepcopy(what) if isinstance(what, Missingness) else what
        options |= {"missingness": what, "sign": kept(imputer.sign, "sign")}
    return kind(data, **options)
