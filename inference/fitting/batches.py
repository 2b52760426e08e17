"""Minibatches from memory: one permutation per epoch, which is then sliced."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...data.dense_rows import DenseRows

Rows = Tensor | DenseRows


class Batches:
    """An endless stream of (x, s) minibatches of the same size.

    Tables are permuted once per epoch and sliced, which takes microseconds per batch; a
    ``DataLoader`` takes up to a millisecond. Rows that are left over at the end of an epoch, fewer
    than a batch, are left out of it and take part in the next permutation. Further tensors with
    one entry per row are permuted and sliced alike, as ``extras``. Rows that are made on demand
    (:class:`~absentia.data.dense_rows.DenseRows`) are made for one batch at a time.

    >>> import torch
    >>> from absentia.inference.fitting.batches import Batches
    >>> batches = Batches(torch.zeros(10, 3), torch.ones(10, 3, dtype=torch.bool), 4, seed=0)
    >>> batches.next()[0].shape
    torch.Size([4, 3])
    """

    def __init__(self, x: Rows, s: Rows, size: int, seed: int, **extras: Tensor) -> None:
        self.x, self.s = x, s
        self._all_extras = extras
        #: the further tensors of the last minibatch, by name
        self.extras: dict[str, Tensor] = {}
        self.size = min(size, len(x))
        self.generator = torch.Generator().manual_seed(seed)
        self._permute()

    def _permute(self) -> None:
        self.order = torch.randperm(len(self.x), generator=self.generator)
        self._lay_out()
        self.position = 0

    def _lay_out(self) -> None:
        order = self.order.to(self.x.device)
        if isinstance(self.x, Tensor):
            self._x, self._s = self.x[order], self.s[order]
        self._extras = {name: value[order] for name, value in self._all_extras.items()}

    def next(self) -> tuple[Tensor, Tensor]:
        """Return the next minibatch of the stream."""
        if self.position + self.size > len(self.x):
            self._permute()
        part = slice(self.position, self.position + self.size)
        self.position += self.size
        self.extras = {name: value[part] for name, value in self._extras.items()}
        if isinstance(self.x, Tensor):
            return self._x[part], self._s[part]
        rows = self.order[part].to(self.x.device)
        return self.x[rows], self.s[rows]

    def state(self) -> dict[str, Any]:
        """Return the position in the stream, for a checkpoint."""
        return {
            "generator": self.generator.get_state(),
            "order": self.order,
            "position": self.position,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the position that :meth:`state` returned."""
        self.generator.set_state(state["generator"])
        self.order, self.position = state["order"], state["position"]
        self._lay_out()
