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
    """Evaluate a term in the rows where everything that it reads is observed.

    Returns:
        The columns of the term, and their names.

    Raises:
        ValueError: if there are no such rows, or a value is not finite there.
    """
    read = sorted({name for factor in factors for name in factor.reads()})
    seen = table[read].notna().all(axis=1).to_numpy() if read else np.ones(len(table), dtype=bool)
    if not seen.any():
        raise InputError(
            f"{' and '.join(read)} are never observed in the same row, so nothing can be learnt "
            f"about their product; leave it out"
            if len(read) > 1
            else f"{read[0]} is never observed; leave it out"
        )

    def lookup(name: str) -> Tensor:
        if name in dims:
            return torch.ones(int(seen.sum()), dims[name], dtype=torch.float64)
        if name.startswith("is_missing("):
            missing = table[name[len("is_missing(") : -1]].isna().to_numpy()[seen]
            return torch.from_numpy(missing.astype(np.float64))
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
            raise InputError(
                f"'{name}' is not finite at some observed values; change the term, for example to "
                f"log1p for a logarithm of zero"
            )
    return result, names


def moments(factors: list[Factor], column: Tensor, name: str) -> tuple[float, float]:
    """Return mean and standard deviation of a column of a term.

    A latent, which :func:`observed_columns` sets to one, has mean 0 and variance 1 under its prior.

    Raises:
        ValueError: if the column is constant.
    """
    if all(factor.unscaled for factor in factors):
        return 0.0, 1.0
    with_latent = any(factor.expression.latents for factor in factors)
    if with_latent:
        mean, sd = 0.0, float(column.square().mean().sqrt())
    else:
        mean, sd = float(column.mean()), float(column.std()) if len(column) > 1 else 0.0
    if not sd > 1e-12 * max(1.0, float(column.abs().max())):
        raise InputError(f"'{name}' has only one value where it is observed; leave it out")
    return mean, sd
