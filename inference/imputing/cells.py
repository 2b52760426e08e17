"""Estimates of a table's missing cells, as NumPy arrays in the model's units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData, Schema
from .stream import Estimates

#: draws whose quantiles are computed together, since sorting takes copies
_SORTED_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class MissingCells:
    """Posterior estimates of M missing cells, which come row by row.

    Attributes:
        rows: (M,) the row of each cell.
        columns: (M,) the column of each cell.
        mean: (M,) posterior means.
        variance: (M,) posterior variances.
        mcse: (M,) Monte-Carlo standard errors of the means.
        draws: (D, M) posterior draws, in the model's dtype.
        probabilities: (V, M) probabilities of the values 0, 1, ... of discrete columns.
    """

    rows: np.ndarray
    columns: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    mcse: np.ndarray
    draws: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, estimates: Estimates, s: Tensor) -> MissingCells:
        """Take the estimates of the cells where the mask s (n, p) is False."""
        rows, columns = np.nonzero(~s.cpu().numpy())
        return cls(
            rows=rows,
            columns=columns,
            mean=as_numpy(estimates.mean),
            variance=as_numpy(estimates.variance),
            mcse=as_numpy(estimates.mcse),
            draws=estimates.draws.cpu().numpy(),
            probabilities=as_numpy(estimates.probabilities),
        )

    def __len__(self) -> int:
        """Return M, the number of missing cells."""
        return len(self.rows)

    def at(self, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return a table of this shape with the values (M,) in the missing cells, 0 elsewhere."""
        table = np.zeros(shape)
        table[self.rows, self.columns] = values
        return table

    def points(self, schema: Schema) -> np.ndarray:
        """Return one value per cell (M,): its mean, or the median or most probable one of codes."""
        points = self.mean.copy()
        for j, column in enumerate(schema):
            if not column.levels:
                continue
            mine = self.columns == j
            chances = self.probabilities[: column.num_values, mine]
            if column.kind == "ordinal":
                points[mine] = (chances.cumsum(0) >= 0.5).argmax(0)
            else:
                points[mine] = chances.argmax(0)
        return points

    def quantiles(self, schema: Schema, q: float) -> np.ndarray:
        """Return the q-quantiles (M,) of the draws; those of counts and codes are possible values.

        A categorical column of three levels or more has no order; its most probable code is
        returned instead.
        """
        found = np.empty(len(self))
        step = max(1, _SORTED_AT_ONCE // max(len(self.draws), 1))
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            found[part] = np.quantile(self.draws[:, part].astype(np.float64), q, axis=0)
        for j, column in enumerate(schema):
            mine = self.columns == j
            if column.kind == "categorical" and column.num_values > 2:
                found[mine] = self.probabilities[: column.num_values, mine].argmax(0)
            elif column.kind == "count" or column.levels:
                found[mine] = np.quantile(self.draws[:, mine], q, axis=0, method="inverted_cdf")
        return found

    def with_constants(self, own: tuple[str, ...], whole: IncompleteData) -> MissingCells:
        """Return the missing cells of the whole table, where those of constant columns are certain.

        Args:
            own: the columns of these cells, in their order.
            whole: the table with its constant columns.
        """
        rows, columns = np.nonzero(np.isnan(whole.values))
        inside = np.isin(columns, [whole.columns.index(name) for name in own])
        value = np.array([0.0 if c.constant is None else c.constant for c in whole.schema])
        value, standard = value[columns], np.zeros(len(columns))  # of each cell
        outside = np.flatnonzero(~inside)
        standard[outside] = whole.scaler.standardise_cells(value[outside], columns[outside])
        moment = np.where(whole.scaler.linear[columns], standard, value)
        most = max([len(self.probabilities), *(c.num_values for c in whole.schema if c.levels)])
        certain = (np.arange(most)[:, None] == value).astype(np.float64)
        padded = np.zeros((most, self.probabilities.shape[-1]))
        padded[: len(self.probabilities)] = self.probabilities

        def spread(cells: np.ndarray, elsewhere: np.ndarray | float) -> np.ndarray:
            shape = (*cells.shape[:-1], len(columns))
            found = np.array(np.broadcast_to(elsewhere, shape), dtype=cells.dtype)
            found[..., inside] = cells
            return found

        return MissingCells(
            rows=rows,
            columns=columns,
            mean=spread(self.mean, moment),
            variance=spread(self.variance, 0.0),
            mcse=spread(self.mcse, 0.0),
            draws=spread(self.draws, standard),
            probabilities=spread(padded, certain),
        )


def as_numpy(tensor: Tensor) -> np.ndarray:
    """Return a tensor's numbers as a float64 array, without gradients."""
    return tensor.detach().to(torch.float64).cpu().numpy()
