"""The families of the columns, with what decoders and encoders must know about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...data import IncompleteData, Ratings

#: plain data, one entry per column: {"family": ..., "values": V, "center": c, "scale": s}
Families = Sequence[Mapping[str, Any]]

REAL = "real"  # a number on the whole line, standardised
NOMINAL = "nominal"  # one of V levels without order
GRADED = "graded"  # one of V ordered levels
COUNT = "count"  # an integer from 0 to V - 1

_FAMILY_OF = {"binary": NOMINAL, "categorical": NOMINAL, "ordinal": GRADED, "count": COUNT}


def families_of(data: IncompleteData | Ratings) -> list[dict[str, Any]]:
    """Return the family of every column, for counts with the center and scale of network inputs.

    >>> import pandas as pd
    >>> import absentia as ab
    >>> from absentia.models.networks.families import families_of
    >>> data = ab.IncompleteData.from_frame(pd.DataFrame({"a": [1.5, 2.5], "b": [True, False]}))
    >>> families_of(data)
    [{'family': 'real'}, {'family': 'nominal', 'values': 2}]
    """
    found: list[dict[str, Any]] = []
    for j, column in enumerate(data.schema):
        family = _FAMILY_OF.get(column.kind, REAL)
        entry: dict[str, Any] = {"family": family}
        if family != REAL:
            entry["values"] = column.num_values
        if family == COUNT:
            assert isinstance(data, IncompleteData)  # ratings are numbers or ordered levels
            observed = data.x[:, j][data.s[:, j]].double()
            entry["center"] = float(observed.mean()) if len(observed) else 0.0
            entry["scale"] = max(float(observed.std(correction=0)), 1.0) if len(observed) else 1.0
        found.append(entry)
    return found


def all_real(families: Families) -> bool:
    """Whether every column holds real numbers."""
    return all(entry["family"] == REAL for entry in families)


class Expansion(nn.Module):
    """The expansion of columns into the inputs of a network: (n, p) -> (n, F), by family.

    Levels become indicators (one for each level, or a single one for two levels), counts are
    centred and scaled, and real numbers are unchanged.
    """

    def __init__(self, families: Families) -> None:
        super().__init__()
        entries: list[tuple[int, float, float, float]] = []  # column, level or -1, center, scale
        for j, entry in enumerate(families):
            if entry["family"] in (NOMINAL, GRADED):
                levels = [1] if entry["values"] == 2 else range(entry["values"])
                entries += [(j, float(v), 0.0, 1.0) for v in levels]
            else:
                entries.append((j, -1.0, entry.get("center", 0.0), entry.get("scale", 1.0)))
        column, level, center, scale = zip(*entries, strict=True)
        self.num_features = len(entries)
        self.column: Tensor
        self.level: Tensor
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("column", torch.tensor(column), persistent=False)
        self.register_buffer("level", torch.tensor(level), persistent=False)
        self.register_buffer("center", torch.tensor(center), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of x, and the mask s of each feature."""
        wide = x[..., self.column]
        hot = (wide == self.level).to(x.dtype)
        number = (wide - self.center) / self.scale
        return torch.where(self.level >= 0, hot, number), s[..., self.column]
