"""Which values and which absences the formulas of a mechanism read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ....data.errors import InputError
from .design import Design


class Reads(NamedTuple):
    """What the formulas read.

    Attributes:
        values: (p, p) booleans, ``values[j, k]`` where the formula of column j reads the value of
            column k.
        masks: (p, p) booleans, ``masks[j, k]`` where it reads whether column k is missing.
        asks: the inputs besides x that the model must supply, see
            :attr:`absentia.models.Missingness.asks`.
        order: the columns, each after those whose absence its formula reads.
    """

    values: Tensor
    masks: Tensor
    asks: tuple[str, ...]
    order: list[int]

    @classmethod
    def of(cls, designs: Mapping[int, Design], columns: Sequence[str]) -> Reads:
        """Find what the designs read, by the position of the column that each explains.

        Raises:
            ValueError: if the absence of a column depends on itself, directly or through others.
        """
        values = torch.zeros(len(columns), len(columns), dtype=torch.bool)
        masks = torch.zeros_like(values)
        asks = []
        for j, design in designs.items():
            for name in design.reads:
                if name in columns:
                    values[j, columns.index(name)] = True
                else:
                    asks.append("covariates")
            for name in design.reads_missing:
                masks[j, columns.index(name)] = True
                asks.append("s")
            asks += ["z"] * design.reads_latent
            asks += ["z_mask"] * design.reads_mask_latent
        return cls(values, masks, tuple(dict.fromkeys(asks)), _topological(masks, columns))

    def integration(self, column: int, columns: Sequence[str], affine: bool) -> str:
        """Say how missing values of a column are integrated out, or why they are sampled."""
        readers = self.values[:, column].nonzero().flatten().tolist()
        others = [columns[k] for k in readers if k != column]
        if others:
            return f"sampled, since the absence of {', '.join(others)} depends on them"
        how = "in closed form" if affine else "by quadrature"
        return f"integrated out ({how} under a Gaussian decoder, exactly where finitely many)"


def _topological(masks: Tensor, columns: Sequence[str]) -> list[int]:
    """Sort the columns so that each comes after those whose absence it reads."""
    order: list[int] = []
    left = list(range(len(columns)))
    while left:
        ready = [j for j in left if not bool(masks[j, left].any())]
        if not ready:
            names = ", ".join(columns[j] for j in left)
            raise InputError(
                f"is_missing() makes a circle of the columns {names}: the absence of a column "
                f"cannot depend on itself; leave one of the is_missing() terms out"
            )
        order += ready
        left = [j for j in left if j not in ready]
    return order
