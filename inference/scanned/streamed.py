"""Rows of a table larger than memory as a fit sees them: minibatches, and rows held out."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ...data.scan import Scan
from ...data.scan.keys import hashes
from ..prepare import of_model
from .ranks import ALONE, Ranks

#: parts whose rows are shuffled together; with 65,536 rows a part, 262,144 rows are in memory
PARTS_AT_ONCE = 4
#: more held-out rows than these are not needed, and each evaluation reads all of them
MOST_HELD_OUT = 10_000
_HELD_OUT = "held out"


class StreamedRows:
    """The rows of a scan that a model is fitted to, without those that are held out.

    Args:
        scan: the table.
        model: the model, which has the columns that vary.
        held_out: the largest hash of a row that is held out; None if there are none.
        num_held_out: the number of rows held out.
        seed: the seed by which rows are held out.
        like: some rows in memory, on the device and in the precision of the fit.
        ranks: the processes among which the parts are divided.

    Raises:
        ValueError: there are fewer parts than processes.
    """

    def __init__(
        self,
        scan: Scan,
        model: Any,
        held_out: int | None,
        num_held_out: int,
        seed: int,
        like: IncompleteData,
        ranks: Ranks = ALONE,
    ) -> None:
        if len(scan.parts) < ranks.world:
            raise InputError(
                f"the table has {len(scan.parts)} parts for {ranks.world} processes; write it in "
                "smaller row groups, or start fewer processes"
            )
        self.scan, self.model, self.seed, self.ranks = scan, model, seed, ranks
        self.held_out, self.num_held_out = held_out, num_held_out
        #: no row, on the device and in the precision of all of them
        self.x = like.x[:0]
        self.columns, self.scaler = like.columns, like.scaler

    def __len__(self) -> int:
        """The number of rows that are fitted."""
        return len(self.scan) - self.num_held_out

    def extras(self) -> dict[str, Tensor]:
        """Return nothing: what a model takes besides x and s comes with each minibatch."""
        return {}

    def fingerprint(self) -> bytes:
        """Return a hash of the files, of their scale and of what is missing together."""
        found = hashlib.sha256(repr([*map(str, self.scan.files.paths), self.held_out]).encode())
        found.update(repr((len(self.scan), self.scan.scaler.to_dict())).encode())
        if self.scan.together is not None:
            found.update(self.scan.together.tobytes())
        return found.digest()

    def part(self, i: int) -> IncompleteData | None:
        """Read a part's rows that are fitted; None where all of them are held out."""
        part = self.scan.parts[i]
        data: IncompleteData = of_model(self.model, self.scan.part(i))
        if self.held_out is not None:
            own = hashes(self.scan.keys(part), _HELD_OUT, self.seed)
            kept = np.flatnonzero(own > np.uint64(self.held_out))
            if not len(kept):
                return None
            data = data.rows(kept)
        return data.to(device=self.x.device, dtype=self.x.dtype)

    def batches(self, size: int, seed: int) -> StreamBatches:
        """Return an endless stream of minibatches."""
        return StreamBatches(self, size, seed)


class StreamBatches:
    """An endless stream of (x, s) minibatches of one size, from parts that are read in turn.

    Every epoch has an order of parts of its own. A few parts are read at once and their rows
    shuffled; rows that are left over, fewer than a batch, are left out until the next epoch. Which
    rows come follows from the seed, the epoch and the position alone, so that a fit can go on from
    three numbers.

    Args:
        rows: the rows.
        size: the size of a minibatch.
        seed: determines the order.
    """

    def __init__(self, rows: StreamedRows, size: int, seed: int) -> None:
        self.rows, self.seed = rows, seed
        self.size = min(size, len(rows))
        #: the further tensors of the last minibatch, by name
        self.extras: dict[str, Tensor] = {}
        self.epoch = self.turn = self.position = 0
        self._at: tuple[int, int] | None = None
        self._x = self._s = rows.x
        self._extras: dict[str, Tensor] = {}

    @property
    def turns(self) -> int:
        """The number of times that this process reads parts in an epoch."""
        ranks = self.rows.ranks
        own = len(range(ranks.rank, len(self.rows.scan.parts), ranks.world))
        return -(-own // PARTS_AT_ONCE)

    def next(self) -> tuple[Tensor, Tensor]:
        """Return the next minibatch of the stream."""
        self._read()
        tries = 0
        while self.position + self.size > len(self._x):
            if tries > self.turns:  # no few parts hold a whole batch
                self.size = max(1, len(self._x))
                self.position = 0
                continue
            self._advance()
            self._read()
            tries += 1
        part = slice(self.position, self.position + self.size)
        self.position += self.size
        self.extras = {name: value[part] for name, value in self._extras.items()}
        return self._x[part], self._s[part]

    def state(self) -> dict[str, Any]:
        """Return the position in the stream, for a checkpoint."""
        return {"epoch": self.epoch, "turn": self.turn, "position": self.position}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the position that :meth:`state` returned."""
        # another number of processes has other turns
        self.epoch, self.turn = int(state["epoch"]), min(int(state["turn"]), self.turns - 1)
        self.position = int(state["position"])

    def _advance(self) -> None:
        self.turn, self.position = self.turn + 1, 0
        if self.turn == self.turns:
            self.epoch, self.turn = self.epoch + 1, 0

    def _read(self) -> None:
        """Read and shuffle the parts of the present turn, unless they are there already."""
        if self._at == (self.epoch, self.turn):
            return
        self._x = self._s = self.rows.x  # the rows before are given up first
        ranks = self.rows.ranks
        order = _order(len(self.rows.scan.parts), self.seed, self.epoch)[ranks.rank :: ranks.world]
        chosen = order[self.turn * PARTS_AT_ONCE :][:PARTS_AT_ONCE].tolist()
        found = [part for part in map(self.rows.part, chosen) if part is not None]
        if not found:
            self._at = (self.epoch, self.turn)
            return
        count = sum(map(len, found))
        shuffled = _order(count, self.seed, self.epoch, self.turn, ranks.rank)
        self._x = torch.cat([part.x for part in found])[shuffled]
        self._s = torch.cat([part.s for part in found])[shuffled]
        names = found[0].extras()
        extras = [part.extras() for part in found]
        self._extras = {name: torch.cat([one[name] for one in extras])[shuffled] for name in names}
        self._at = (self.epoch, self.turn)


def split_scan(
    scan: Scan,
    model: Any,
    like: IncompleteData,
    share: float,
    most: int,
    seed: int,
    ranks: Ranks = ALONE,
) -> tuple[StreamedRows, IncompleteData | None]:
    """Split a scan's rows into those to fit, which are streamed, and those held out, in memory.

    A row is held out if the hash of its key is among the smallest, so that the choice does not
    depend on the files.

    Args:
        scan: the table.
        model: the model, which has the columns that vary.
        like: some rows in memory, on the device and in the precision of the fit.
        share: the share of rows to hold out.
        most: the most rows to hold out.
        seed: the seed of the choice.
        ranks: the processes of the fit, all of which hold the same rows out.
    """
    held = min(round(share * len(scan)), most, len(scan) - 1)
    if held < 1:
        return StreamedRows(scan, model, None, 0, seed, like, ranks), None
    chosen = scan.chosen(held, _HELD_OUT, seed)
    rows: IncompleteData = of_model(model, scan.at(chosen.places))
    rows = rows.to(device=like.x.device, dtype=like.x.dtype)
    return StreamedRows(scan, model, chosen.last, held, seed, like, ranks), rows


def _order(count: int, *numbers: int) -> Tensor:
    """Return a random order that follows from these numbers alone."""
    order = np.random.default_rng(np.array(numbers, dtype=np.uint64)).permutation(count)
    return torch.from_numpy(order)
