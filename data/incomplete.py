"""The container of a table with missing values: the one door from tables to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from .checks import (
    check_columns_seen,
    check_fits,
    check_not_empty,
    check_observed,
    check_same_columns,
)
from .column import Column
from .layout import Layout, labels_for, names_for
from .numeric import array_values, boolean_mask, column_names, frame_values
from .schema import Schema
from .standardiser import Standardiser


@dataclass(frozen=True, eq=False, repr=False)
class IncompleteData:
    """A table with missing values, as a model sees it and as its owner does.

    >>> df = pd.DataFrame({"age": [30, 40, 50], "income": [1.0, np.nan, 3.0]})
    >>> data = IncompleteData.from_frame(df)
    >>> data
    IncompleteData(3 rows, 2 columns, 16.7% missing)
    >>> data.x[:, 1]                        # standardised, 0 where missing
    tensor([-0.7071,  0.0000,  0.7071])
    >>> data.fill(np.full((3, 2), 9.0))[:, 1]
    array([1., 9., 3.])

    NaN stays behind this class: ``x`` holds 0, the observed mean, where nothing was seen.
    Allowed are a row without any observed value (a model imputes it from its marginal), a
    table without missing values, and a constant column (it has scale 1).

    Attributes:
        x: (n, p) float tensor, standardised, 0 where missing.
        s: (n, p) boolean tensor, True where observed.
        columns: the p column names.
        scaler: the map between original and standardised units.
        index: the n row labels.
        values: (n, p) float64 array in original units, NaN where missing.
    """

    x: torch.Tensor
    s: torch.Tensor
    columns: tuple[str, ...]
    scaler: Standardiser
    index: pd.Index
    values: np.ndarray

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        *,
        standardise: bool = True,
        like: Layout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> IncompleteData:
        """Read a table; a missing value is what pandas calls missing (NaN, None, NA).

        Args:
            df: n rows, p columns of numbers; nullable and integer dtypes are accepted.
            standardise: centre and scale by the observed entries; False keeps the units.
            like: take column order and scaler from here (``standardise`` is then not read);
                such new rows may have a column with no observed value.
            dtype: of ``x``.

        Raises:
            ValueError: an empty table, repeated names, a column that is not numeric, infinity,
                a column with no observed value, or columns other than those of ``like``.
        """
        if not isinstance(df, pd.DataFrame):
            raise ValueError(f"from_frame was given a {type(df).__name__}; give a DataFrame.")
        names = column_names(df.columns)
        if like is not None:
            check_same_columns(names, like.columns)
            df = df.iloc[:, [names.index(c) for c in like.columns]]
            names = tuple(like.columns)
        check_not_empty(df.shape)
        values = frame_values(df)
        return cls._checked(values, ~np.isnan(values), names, df.index, standardise, like, dtype)

    @classmethod
    def from_numpy(
        cls,
        values: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        columns: Sequence[Any] | None = None,
        index: pd.Index | None = None,
        standardise: bool = True,
        like: Layout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> IncompleteData:
        """Read an array (n, p); without ``mask``, NaN is missing.

        Args:
            values: (n, p) numbers in original units.
            mask: (n, p) booleans or 0/1, True where observed; values elsewhere are not read.
            columns: p names; those of ``like``, or x0, x1, ... when left out.
            index: n row labels; 0, 1, ... when left out.
            standardise, like, dtype: as in :meth:`from_frame`.

        Raises:
            ValueError: as :meth:`from_frame`; also shapes that do not agree, a mask that is
                neither boolean nor 0/1, and NaN where the mask says observed.
        """
        array = array_values(values)
        check_not_empty(array.shape)
        names = names_for(array.shape[1], columns, like)
        labels = labels_for(array.shape[0], index)
        observed = ~np.isnan(array) if mask is None else boolean_mask(mask, array.shape)
        if like is not None:
            check_same_columns(names, like.columns)
            order = [names.index(c) for c in like.columns]
            array, observed, names = array[:, order], observed[:, order], tuple(like.columns)
        return cls._checked(array, observed, names, labels, standardise, like, dtype)

    @classmethod
    def from_torch(
        cls, values: torch.Tensor, mask: torch.Tensor | None = None, **options: Any
    ) -> IncompleteData:
        """Read a tensor (n, p) and stay on its device; otherwise as :meth:`from_numpy`."""
        data = cls.from_numpy(values, mask, **options)  # type: ignore[arg-type]
        return data.to(device=values.device)

    @property
    def schema(self) -> Schema:
        """What each column is."""
        return Schema(tuple(Column(name, "continuous") for name in self.columns))

    @property
    def covariate_schema(self) -> Schema | None:
        """What each covariate is; there are none yet."""
        return None

    def extras(self) -> dict[str, torch.Tensor]:
        """What a model is given beside x and s, by name."""
        return {}

    @property
    def num_rows(self) -> int:
        """The number of rows n."""
        return self.values.shape[0]

    @property
    def num_columns(self) -> int:
        """The number of columns p."""
        return self.values.shape[1]

    @property
    def missing_rate(self) -> float:
        """The share of the n * p entries that is missing."""
        return float(np.isnan(self.values).mean())

    def __len__(self) -> int:
        """The number of rows n."""
        return self.num_rows

    def __repr__(self) -> str:
        """Size and missing rate; the values are not shown."""
        rate = f"{100 * self.missing_rate:.1f}%"
        return f"IncompleteData({self.num_rows} rows, {self.num_columns} columns, {rate} missing)"

    def rows(self, index: Any) -> IncompleteData:
        """The rows at these positions (integers, a slice or n booleans), in the same scale.

        Raises:
            ValueError: no row is left.
        """
        if isinstance(index, torch.Tensor):
            index = index.detach().cpu().numpy()
        chosen = np.atleast_1d(np.arange(self.num_rows)[index])
        if chosen.size == 0:
            raise ValueError("the selection holds no row; give at least one.")
        values, labels = self.values[chosen], self.index[chosen]
        return self._built(values, self.columns, self.scaler, labels, self.x.dtype, self.x.device)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> IncompleteData:
        """The same data with ``x`` and ``s`` on this device and ``x`` in this dtype."""
        where = self.x.device if device is None else torch.device(device)
        kind = dtype or self.x.dtype
        return self._built(self.values, self.columns, self.scaler, self.index, kind, where)

    def rescaled(self, scaler: Standardiser) -> IncompleteData:
        """The same data, standardised by another scaler."""
        kind, where = self.x.dtype, self.x.device
        return self._built(self.values, self.columns, scaler, self.index, kind, where)

    def fill(self, values: np.ndarray | torch.Tensor) -> np.ndarray:
        """The table (n, p) in float64 with its missing entries taken from ``values``.

        Observed entries are the numbers that were given, unchanged to the last bit.

        Args:
            values: (n, p) in original units; only entries at missing places are read.

        Raises:
            ValueError: another shape, or a value at a missing place that is not finite.
        """
        array = array_values(values)
        if array.shape != self.values.shape:
            raise ValueError(f"values have shape {array.shape}; the data {self.values.shape}.")
        missing = np.isnan(self.values)
        check_observed(array, missing, self.columns, self.index, "an imputed value must be finite")
        return np.where(missing, array, self.values)

    def to_frame(self, values: np.ndarray | torch.Tensor | None = None) -> pd.DataFrame:
        """A float table with the original row labels, filled from ``values`` where given.

        Without ``values`` the missing entries stay NaN.
        """
        table = self.values.copy() if values is None else self.fill(values)
        return pd.DataFrame(table, index=self.index, columns=list(self.columns))

    @classmethod
    def _checked(
        cls,
        values: np.ndarray,
        mask: np.ndarray,
        columns: tuple[str, ...],
        index: pd.Index,
        standardise: bool,
        like: Layout | None,
        dtype: torch.dtype,
    ) -> IncompleteData:
        rule = "an observed value must be finite: correct it, or mark it missing"
        check_observed(values, mask, columns, index, rule)
        if like is not None:
            scaler = like.scaler
        else:
            check_columns_seen(mask, columns)
            scaler = Standardiser.identity(len(columns))
            if standardise:
                scaler = Standardiser.from_observed(values, mask)
        values = np.where(mask, values, np.nan)
        return cls._built(values, columns, scaler, index, dtype, torch.device("cpu"))

    @classmethod
    def _built(
        cls,
        values: np.ndarray,
        columns: tuple[str, ...],
        scaler: Standardiser,
        index: pd.Index,
        dtype: torch.dtype,
        device: torch.device,
    ) -> IncompleteData:
        mask = ~np.isnan(values)
        x = torch.tensor(np.where(mask, scaler.apply(values), 0.0), dtype=dtype, device=device)
        check_fits(x, columns)
        return cls(x, torch.tensor(mask, device=device), columns, scaler, index, values)
