"""What the names in a formula stand for: values of columns, covariates, latents and absences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....data.columns.warps import Warp


class Names(nn.Module):
    """The columns of a table with their units, and its covariates, by name.

    Args:
        columns: the names of the columns, in order.
        units: of every column: ``center``, ``scale`` and ``warp`` of the standardisation.
        covariates: the names of the covariates, in order.
    """

    def __init__(
        self, columns: Sequence[str], units: Sequence[Mapping[str, Any]], covariates: Sequence[str]
    ) -> None:
        super().__init__()
        self.columns, self.covariates = tuple(columns), tuple(covariates)
        self.warps = [None if u["warp"] is None else Warp.from_dict(u["warp"]) for u in units]
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.tensor([float(u["center"]) for u in units]), False)
        self.register_buffer("scale", torch.tensor([float(u["scale"]) for u in units]), False)

    def in_data_units(self, value: Tensor, column: int) -> Tensor:
        """Convert values of a column from the model's units to the data's."""
        warp = self.warps[column]
        own = self.center[column] + self.scale[column] * value
        return own if warp is None else warp.invert(own)


class RowValues:
    """The values behind the names, in the data's own units; each is computed once.

    Args:
        names: the columns and covariates by name.
        x: the table (..., n, p), in the model's units.
        context: the inputs of the mechanism besides x.
        rows: the rows (M,) of single cells to evaluate a formula at; by default all rows.
        replaced: by column name, values in the model's units that stand in for those of x.
    """

    def __init__(
        self,
        names: Names,
        x: Tensor,
        context: Mapping[str, Any],
        rows: Tensor | None = None,
        replaced: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.names, self.x, self.context = names, x, context
        self.rows, self.replaced = rows, replaced or {}
        self._known: dict[str, Tensor] = {}

    def __call__(self, name: str) -> Tensor:
        """Return the values of a name: (..., n), or (..., M) at single cells."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Tensor:
        columns = self.names.columns
        if name in ("latent", "mask_latent"):
            latent: Tensor = self.context["z" if name == "latent" else "z_mask"]
            return latent if self.rows is None else latent[..., self.rows, :]
        if name.startswith("is_missing("):
            inside = columns.index(name[len("is_missing(") : -1])
            return 1.0 - self._column(self.context["s"], inside).to(self.x.dtype)
        if name in columns:
            j = columns.index(name)
            value = self.replaced[name] if name in self.replaced else self._column(self.x, j)
            return self.names.in_data_units(value, j)
        return self._column(self.context["covariates"], self.names.covariates.index(name))

    def _column(self, table: Tensor, column: int) -> Tensor:
        return table[..., column] if self.rows is None else table[..., self.rows, column]
