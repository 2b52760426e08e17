"""Sampling of new rows from a fitted imputer's model, in the dtypes of its training table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from ...data.columns.constants import part_of, whole_table
from ...data.columns.restore import restored
from ...data.columns.types import column_names
from ..evaluating import evaluating

if TYPE_CHECKING:
    from .imputer import MNARImputer


def new_rows(imputer: MNARImputer, n: int) -> pd.DataFrame:
    """Sample n complete rows of the modelled columns from p(x)."""
    model, template = imputer.model_, imputer._template
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model, imputer._seed % 2**16 + 1, device):
        z = model.prior().sample((n,))
        scaler = part_of(imputer.result_, model.columns).scaler
        values = scaler.invert(model.decoder(z).sample().cpu().numpy())
        values = whole_table(values, imputer.schema_, model.columns)
    columns = {}
    for j, column in enumerate(imputer.schema_):
        own = template.iloc[:, column_names(template.columns).index(column.name)]
        blank = pd.Series([None] * n, dtype=object)
        if own.dtype.kind in "fMm" or not isinstance(own.dtype, np.dtype):
            blank = blank.astype(own.dtype)
        columns[own.name] = restored(blank, column, values[:, j])
        if own.dtype.kind in "iub" and blank.dtype == np.dtype(object):
            columns[own.name] = columns[own.name].astype(float).round().astype(own.dtype)
    return pd.DataFrame(columns)
