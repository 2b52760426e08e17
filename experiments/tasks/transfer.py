"""A model fitted to pictures that lost one channel, applied to pictures that lost another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...data import IncompleteData
from ...data.amputation import images as image_amputation
from ...data.errors import InputError
from ...inference import FitResult, impute
from ...models import OutshinesOthers, SelectionModel
from ..metrics import rmse
from .completion import data_of
from .methods import fitted_by, made
from .tables import hidden_table


def transfer(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the RMSE where the same channel is missing as in the fit, and where another is.

    ``rmse`` is that of the channel of the fit. Of another channel, ``rmse_as_fitted`` is that of
    the same model, ``rmse_told`` that of the model with a mechanism of the other channel, and
    ``rmse_exchanged`` that of the same model on pictures whose two channels are exchanged.

    Raises:
        InputError: for pictures of one channel.
    """
    hidden, seed = hidden_table(configuration), int(configuration["seed"])
    if hidden.shape is None or hidden.shape[0] < 2:
        raise InputError("transfer needs pictures of two or more channels; give another table")
    shape, scored = hidden.shape, hidden.scored
    own = int(configuration["amputation"]["channel"])
    other = int(configuration["model"].get("to", 1))
    options = {k: v for k, v in configuration["model"].items() if k != "to"}
    data, test = data_of(configuration, hidden)
    fitted = fitted_by(configuration, made(configuration, options, data, seed, shape), data, seed)
    settings = {"particles": 200, **configuration["impute"], "draws": 1, "seed": seed}
    unit = np.ones(scored.truth.shape[1])

    def score(fitted: FitResult, table: IncompleteData, truth: np.ndarray) -> float:
        found = impute(fitted, table, check=False, **settings).mean
        return rmse(found, truth, np.isnan(table.values), unit)

    metrics: dict[str, Any] = {"rmse": score(fitted, test, scored.truth), "bound": fitted.bound}
    gone = ~image_amputation.brightest_channel(scored.truth, shape, other).mask
    moved = IncompleteData.from_numpy(np.where(gone, np.nan, scored.truth), like=data)
    mechanism = fitted.model.missingness
    metrics["rmse_as_fitted"] = metrics["rmse_told"] = None
    if isinstance(mechanism, OutshinesOthers):
        parts = fitted.model
        told = SelectionModel(
            parts.decoder, parts.encoder, mechanism.of_channel(other), parts.columns
        )
        metrics["rmse_told"] = score(replace(fitted, model=told), moved, scored.truth)
    else:
        metrics["rmse_as_fitted"] = score(fitted, moved, scored.truth)
    order = list(range(shape[0]))
    order[own], order[other] = order[other], order[own]
    turned = scored.truth.reshape(-1, *shape)[:, order].reshape(scored.truth.shape)
    away = gone.reshape(-1, *shape)[:, order].reshape(gone.shape)
    exchanged = IncompleteData.from_numpy(np.where(away, np.nan, turned), like=data)
    metrics["rmse_exchanged"] = score(fitted, exchanged, turned)
    mean = np.nanmean(np.where(gone, np.nan, scored.truth), 1, keepdims=True)
    metrics["rmse_picture_mean"] = rmse(mean + 0 * scored.truth, scored.truth, gone, unit)
    return {"missing_cells": int(gone.sum()), "metrics": metrics}
