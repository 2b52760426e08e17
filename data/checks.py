"""Checks of a table before it becomes tensors; each error names the column to be mended."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from .columns.types import row_name
from .errors import InputError


def check_observed(
    values: np.ndarray, mask: np.ndarray, columns: tuple[str, ...], index: pd.Index, rule: str
) -> None:
    """Refuse NaN and infinity at the True entries of ``mask``, both (n, p).

    Raises:
        ValueError: naming the first such column, its row label, the value and the ``rule``, which
            says what is allowed and what to do.
    """
    bad = mask & ~np.isfinite(values)
    if not bad.any():
        return
    j = int(np.flatnonzero(bad.any(axis=0))[0])
    i = int(np.flatnonzero(bad[:, j])[0])
    raise InputError(
        f"column {columns[j]!r}, row {row_name(index, i)}: got {values[i, j]}; {rule}."
    )


def check_columns_seen(mask: np.ndarray, columns: tuple[str, ...]) -> None:
    """Refuse a column without any True in ``mask`` (n, p)."""
    unseen = np.flatnonzero(~mask.any(axis=0))
    if unseen.size:
        raise InputError(
            f"column {columns[unseen[0]]!r} has no observed value, so nothing can be learnt "
            "about it; "
            "drop the column, or read new rows with like=fit."
        )


def check_complete(values: np.ndarray, columns: tuple[str, ...], index: pd.Index) -> None:
    """Refuse a missing or infinite value of a covariate among ``values`` (n, q)."""
    bad = ~np.isfinite(values)
    if bad.any():
        i, k = (int(place[0]) for place in np.nonzero(bad))
        raise InputError(
            f"covariate {columns[k]!r}, row {row_name(index, i)}: got {values[i, k]}, but "
            "covariates are not modelled and must be complete; model the column, or leave the row "
            "out."
        )


def check_fits(x: torch.Tensor, columns: tuple[str, ...]) -> None:
    """Refuse a column of ``x`` (n, p) with values too large for its dtype."""
    bad = (~torch.isfinite(x)).any(dim=0).nonzero()
    if bad.numel():
        raise InputError(
            f"column {columns[int(bad[0])]!r} has values too large for {x.dtype}; use "
            "standardise=True or dtype=torch.float64."
        )


def check_not_empty(shape: tuple[int, ...]) -> None:
    """Refuse a table without rows or without columns."""
    if 0 in shape:
        raise InputError(
            f"the table is empty: it has {shape[0]} rows and {shape[1]} columns; give at least one "
            "of each."
        )


def check_same_columns(given: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Refuse columns other than those ``wanted``, which may come in any order."""
    absent = [c for c in wanted if c not in given]
    extra = [c for c in given if c not in wanted]
    if absent or extra:
        parts = [f"lacks the columns {absent}"] if absent else []
        parts += [f"has the unknown columns {extra}"] if extra else []
        raise InputError(f"the table {' and '.join(parts)}; give the columns {list(wanted)}.")


def check_real(dtype: torch.dtype) -> None:
    """Refuse a dtype that cannot hold standardised values.

    Raises:
        ValueError: the dtype is one of integers, booleans or complex numbers.
    """
    if not dtype.is_floating_point:
        raise InputError(f"dtype is {dtype}; give torch.float32 or torch.float64.")
