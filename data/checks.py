"""Checks of a table before it becomes tensors; each error names the column at fault."""

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
        ValueError: naming the first such column, its row label, the value and the ``rule``.
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
            f"column {columns[unseen[0]]!r} has no observed value, so there is nothing to "
            "learn from; drop the column, or read new rows with like= the fit."
        )


def check_complete(values: np.ndarray, columns: tuple[str, ...], index: pd.Index) -> None:
    """Refuse a missing or infinite covariate among ``values`` (n, q)."""
    bad = ~np.isfinite(values)
    if bad.any():
        i, k = (int(place[0]) for place in np.nonzero(bad))
        raise InputError(
            f"covariate {columns[k]!r}, row {row_name(index, i)}: got {values[i, k]}; a covariate "
            "is not modelled and must be complete: model the column, or leave the row out."
        )


def check_fits(x: torch.Tensor, columns: tuple[str, ...]) -> None:
    """Refuse a column of ``x`` (n, p) that overflowed its dtype."""
    bad = (~torch.isfinite(x)).any(dim=0).nonzero()
    if bad.numel():
        raise InputError(
            f"column {columns[int(bad[0])]!r} does not fit into {x.dtype} after scaling; "
            "standardise it, or use dtype=torch.float64."
        )


def check_not_empty(shape: tuple[int, ...]) -> None:
    """Refuse a table without rows or without columns."""
    if 0 in shape:
        raise InputError(f"the table has {shape[0]} rows and {shape[1]} columns; it is empty.")


def check_same_columns(given: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Refuse columns other than those ``wanted``; their order is free."""
    absent = [c for c in wanted if c not in given]
    extra = [c for c in given if c not in wanted]
    if absent or extra:
        parts = [f"lacks {absent}"] if absent else []
        parts += [f"has the unknown {extra}"] if extra else []
        raise InputError(f"the table {' and '.join(parts)}; give the columns {list(wanted)}.")


def check_real(dtype: torch.dtype) -> None:
    """Refuse an integer dtype, which would truncate standardised values.

    Raises:
        ValueError: for integers, booleans and complex numbers.
    """
    if not dtype.is_floating_point:
        raise InputError(f"dtype is {dtype}; give torch.float32 or torch.float64.")
