"""The columns of a term at the observed rows, and their means and standard deviations there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ....data.errors import InputError
from .factors import Factor


def observed_columns(
    factors: list[Factor], table: pd.DataFrame, dims: Mapping[str, int]
) -> tuple[list[Tensor], list[str]]:
    """Evaluate a term at the rows where all that it reads is observed, and name its columns."""
    read = sorted({name for factor in factors for name in factor.reads()})
    seen = table[read].notna().all(axis=1).to_numpy() if read else np.ones(len(table), dtype=bool)
    if not seen.any():
        raise InputError(f"{' and '.join(read)} are never observed together")

    def lookup(name: str) -> Tensor:
        if name in dims:
            return torch.ones(int(seen.sum()), dims[name], dtype=torch.float64)
        if name.startswith("is_missing("):
            absent = table[name[len("is_missing(") : -1]].isna().to_numpy()[seen]
            return torch.from_numpy(absent.astype(np.float64))
        return torch.from_numpy(table[name].to_numpy(dtype=np.float64)[seen].copy())

    result: list[Tensor] = []
    names: list[str] = []
    for k, factor in enumerate(factors):
        columns = factor.columns(lookup, learning=True)
        labels = factor.names(len(columns))
        result = columns if k == 0 else [a * b for b in columns for a in result]
        names = labels if k == 0 else [f"{a}:{b}" for b in labels for a in names]
    for column, name in zip(result, names, strict=True):
        if not bool(column.isfinite().all()):
            raise InputError(f"'{name}' is not finite at all observed values; change the term")
    return result, names


def moments(factors: list[Factor], column: Tensor, name: str) -> tuple[float, float]:
    """Return mean and standard deviation; a latent, which was set to one, enters by its prior."""
    if all(factor.unscaled for factor in factors):
        return 0.0, 1.0
    with_latent = any(factor.expression.latents for factor in factors)
    if with_latent:
        mean, sd = 0.0, float(column.square().mean().sqrt())
    else:
        mean, sd = float(column.mean()), float(column.std()) if len(column) > 1 else 0.0
    if not sd > 1e-12 * max(1.0, float(column.abs().max())):
        raise InputError(f"'{name}' has one value only where it is observed; drop it")
    return mean, sd
