"""Covariates as the numbers that a linear score reads: in standard deviations, and indicators."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ...data import IncompleteData

#: centre and unit of a number, or the number of levels of a column that has levels
Unit = tuple[float, float] | int


class CovariateDesign(nn.Module):
    """The r numbers that stand for q covariates: (v - centre) / unit, or an indicator per level.

    Args:
        units: for each covariate its centre and unit, or the number of its levels.

    >>> import torch
    >>> from absentia.models.missingness.covariate_design import CovariateDesign
    >>> CovariateDesign([(10.0, 2.0), 3])(torch.tensor([[14.0, 2.0]])).tolist()
    [[2.0, 0.0, 0.0, 1.0]]
    """

    def __init__(self, units: Sequence[Unit | Sequence[float]]) -> None:
        super().__init__()
        self.units: tuple[Unit, ...] = tuple(
            unit if isinstance(unit, int) else (float(unit[0]), float(unit[1])) for unit in units
        )
        #: the number r of columns of the design
        self.size = sum(unit if isinstance(unit, int) else 1 for unit in self.units)

    def forward(self, covariates: Tensor) -> Tensor:
        """Return the design (n, r) of covariates (n, q), whose levels are codes 0, 1, ..."""
        parts = []
        for values, unit in zip(covariates.unbind(-1), self.units, strict=True):
            if isinstance(unit, int):
                parts.append(one_hot(values.long(), unit).to(values))
            else:
                parts.append(((values - unit[0]) / unit[1]).unsqueeze(-1))
        return torch.cat(parts, -1)


def units_of_covariates(data: IncompleteData) -> list[Unit]:
    """Return the units of a table's covariates; those that do not vary have a unit of 1."""
    schema, values = data.covariate_schema, data.covariates
    if schema is None or values is None:
        return []
    units: list[Unit] = []
    for column, given in zip(schema, values.double().unbind(-1), strict=True):
        if column.kind == "categorical" and column.num_values > 2:
            units.append(int(column.num_values))
        else:
            units.append((float(given.mean()), float(given.std(correction=0)) or 1.0))
    return units
