"""The values of a table as tensors, and the selection and scaling of its rows and columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from .checks import check_fits, check_observed, check_real
from .columns.types import array_values
from .describe import described
from .errors import InputError
from .schema import Schema
from .standardiser import Standardiser


@dataclass(frozen=True, eq=False, repr=False)
class TableTensors:
    """A table with missing values as tensors, however it was read.

    :class:`absentia.IncompleteData`, which describes the fields, reads it from tables and arrays
    and writes it back.
    """

    x: torch.Tensor
    s: torch.Tensor
    columns: tuple[str, ...]
    scaler: Standardiser
    index: pd.Index
    values: np.ndarray
    schema: Schema
    source: pd.DataFrame | None = None
    covariates: torch.Tensor | None = None
    covariate_schema: Schema | None = None
    target: Self | None = None
    whole: Self | None = None

    def extras(self, rows: Any = slice(None)) -> dict[str, torch.Tensor]:
        """Return what a model takes besides x and s, by name, for these rows."""
        found = {} if self.covariates is None else {"covariates": self.covariates[rows]}
        if self.target is not None:
            found |= {"y": self.target.x[rows], "labelled": self.target.s[rows]}
        return found

    def gaps(self, columns: Sequence[str] | None = None) -> list[str]:
        """List the columns that have missing values.

        Args:
            columns: check that each of these has missing values, and return just them.

        Raises:
            ValueError: one of ``columns`` has no missing value.

        >>> from absentia import IncompleteData
        >>> IncompleteData.from_numpy(np.array([[1.0, np.nan], [2.0, 3.0]])).gaps()
        ['x1']
        """
        found = [name for name, gap in zip(self.columns, ~self.s.all(0), strict=True) if gap]
        for name in columns or ():
            if name not in found:
                raise InputError(f"column {name!r} has no missing values; choose from {found}.")
        return found if columns is None else list(columns)

    def without_target(self) -> Self:
        """Return the same data without the target."""
        return self if self.target is None else replace(self, target=None)

    def fingerprint(self) -> bytes:
        """Return a hash of the values, which tells one data set from another."""
        return hashlib.sha256(self.values.tobytes()).digest()

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return self.num_rows, self.num_columns

    def describe(self) -> pd.DataFrame:
        """Tabulate kind, missing values, mean, sd and range of each column, in its own units.

        The mean of a binary column is the share of its second level; others of levels have none.
        """
        return described(self)

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
        """The share of the n * p entries that are missing."""
        return float(np.isnan(self.values).mean())

    def __len__(self) -> int:
        """The number of rows n."""
        return self.num_rows

    def __repr__(self) -> str:
        """Show the size and the missing rate, but not the values."""
        rate = f"{100 * self.missing_rate:.1f}%"
        return f"IncompleteData({self.num_rows} rows, {self.num_columns} columns, {rate} missing)"

    def rows(self, index: Any) -> Self:
        """Select the rows at these positions (integers, a slice or n booleans), in the same scale.

        Raises:
            ValueError: no row is selected.
        """
        if isinstance(index, torch.Tensor):
            index = index.detach().cpu().numpy()
        chosen = np.atleast_1d(np.arange(self.num_rows)[index])
        if chosen.size == 0:
            raise InputError("the selection contains no row; select at least one.")
        return self._built(
            values=self.values[chosen],
            index=self.index[chosen],
            whole=None if self.whole is None else self.whole.rows(chosen),
            source=None if self.source is None else self.source.iloc[chosen],
            covariates=None if self.covariates is None else self.covariates[chosen],
            target=None if self.target is None else self.target.rows(chosen),
        )

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the same data with its tensors on this device and in this dtype."""
        where = self.x.device if device is None else torch.device(device)
        return self._built(dtype=dtype or self.x.dtype, device=where)

    def rescaled(self, scaler: Standardiser) -> Self:
        """Return the same data, standardised by another scaler."""
        return self._built(scaler=scaler)

    def part(self, names: Sequence[str]) -> Self:
        """Select the columns that a model has; all other columns are constant.

        ``to_frame`` of the result still returns all columns, and fills missing values of a
        constant column with its one value.

        >>> from absentia import IncompleteData
        >>> table = pd.DataFrame({"site": ["A", None, "A"], "v": [1.0, 2.0, None]})
        >>> part = IncompleteData.from_frame(table).part(["v"])
        >>> part.x.shape, part.to_frame(np.array([[0.0], [0.0], [9.0]]))["site"].tolist()
        (torch.Size([3, 1]), ['A', 'A', 'A'])
        """
        if tuple(names) == self.columns:
            return self
        places = [self.columns.index(name) for name in names]
        return replace(
            self,
            x=self.x[:, places],
            s=self.s[:, places],
            columns=tuple(names),
            scaler=self.scaler.select(places),
            values=self.values[:, places],
            schema=self.schema.select(names),
            whole=self,
        )

    def with_values(self, values: np.ndarray) -> Self:
        """Replace the values (n, p), NaN where missing, and keep the scale and the covariates.

        >>> from absentia import IncompleteData
        >>> data = IncompleteData.from_numpy(np.array([[1.0], [3.0], [np.nan]]))
        >>> data.with_values(np.array([[np.nan], [1.0], [5.0]])).s[:, 0].tolist()
        [False, True, True]

        Raises:
            ValueError: another shape.
        """
        if values.shape != self.values.shape:
            raise InputError(
                f"values have shape {values.shape}; give {self.values.shape}, as the data have."
            )
        index = pd.RangeIndex(len(values))
        table = np.asarray(values, dtype=np.float64)
        return self._built(values=table, index=index, source=None, whole=None)

    def log_slope(self) -> np.ndarray:
        """Return log |d x_o / d values| per row (n,).

        Adding it to a log-density of the standardised observed values x_o gives the log-density
        in the units of the data.

        >>> from absentia import IncompleteData
        >>> data = IncompleteData.from_numpy(np.array([[0.0, 5.0], [20.0, np.nan]]))
        >>> data.log_slope().round(3)                           # the first column's sd is 14.14
        array([-2.649, -2.649])
        """
        slopes = self.scaler.log_slope(self.values)
        return np.where(np.isnan(self.values), 0.0, slopes).sum(-1)

    def fill(self, values: np.ndarray | torch.Tensor) -> np.ndarray:
        """Return the table (n, p) in float64, with missing entries taken from ``values``.

        Observed entries are the numbers that were given, unchanged to the last bit.

        Args:
            values: (n, p) in original units; only the entries that are missing here are read.

        Raises:
            ValueError: another shape, or a value for a missing entry that is not finite.
        """
        array = array_values(values)
        if array.shape != self.values.shape:
            raise InputError(
                f"values have shape {array.shape}; give {self.values.shape}, as the data have."
            )
        missing = np.isnan(self.values)
        rule = "an imputed value must be finite"
        check_observed(array, missing, self.columns, self.index, rule)
        return np.where(missing, array, self.values)

    def _built(
        self,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
        **changes: Any,
    ) -> Self:
        """Return the same data with these fields changed, and tensors that match them."""
        dtype, device = dtype or self.x.dtype, device or self.x.device
        data = replace(self, **changes)
        x, s = tensors_of(data.values, data.scaler, data.columns, dtype, device)
        given = data.covariates
        given = None if given is None else given.to(device=device, dtype=dtype)
        target = data.target
        target = None if target is None else target.to(device=device, dtype=dtype)
        return replace(data, x=x, s=s, covariates=given, target=target)


def tensors_of(
    values: np.ndarray,
    scaler: Standardiser,
    columns: tuple[str, ...],
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x, standardised and 0 where missing, and s, True where observed, both (n, p)."""
    check_real(dtype)
    mask = ~np.isnan(values)
    x = torch.tensor(np.where(mask, scaler.apply(values), 0.0), dtype=dtype, device=device)
    check_fits(x, columns)
    return x, torch.tensor(mask, device=device)
