"""Ratings of items by users, held sparsely, since each user rates few of many items."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .checks import check_real
from .columns.column import Column
from .errors import InputError
from .ids import are_text, coded, known_ids
from .schema import Schema
from .standardiser import Standardiser


class DenseRows:
    """A table (n, p) that is held sparsely and made dense a few rows at a time.

    ``table[rows]`` is a tensor (k, p) of the rows at these positions, a slice or integers.
    """

    def __init__(self, starts: Tensor, items: Tensor, values: Tensor, num_columns: int) -> None:
        self.starts, self.items, self.values = starts, items, values
        self.shape = (len(starts) - 1, num_columns)

    @property
    def device(self) -> torch.device:
        """The device that holds the numbers."""
        return self.values.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the numbers."""
        return self.values.dtype

    def __len__(self) -> int:
        """The number of rows n."""
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Tensor:
        """Return the rows as a tensor (k, p), zero where there is no entry."""
        if not isinstance(rows, slice):
            rows = torch.as_tensor(rows, device=self.device)
        rows = torch.atleast_1d(torch.arange(len(self), device=self.device)[rows])
        dense = torch.zeros(len(rows), self.shape[1], dtype=self.dtype, device=self.device)
        row, entry = entries_of(self.starts, rows)
        dense[row, self.items[entry]] = self.values[entry]
        return dense


def entries_of(starts: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Find, for each entry of the chosen rows, its row among them and its position."""
    counts = starts[rows + 1] - starts[rows]
    which = torch.arange(len(rows), device=rows.device).repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    within = torch.arange(len(which), device=rows.device) - before[which]
    return which, starts[rows][which] + within


def whole_positions(what: str, given: Any) -> np.ndarray:
    """Return positions as integers, and refuse numbers that are not whole.

    Raises:
        ValueError: one that is not whole.
    """
    found = np.asarray(given)
    if found.size and not np.issubdtype(found.dtype, np.integer):
        odd = found[found != np.floor(found)]
        if len(odd):
            raise InputError(f"{what} {odd[0]} is no position; give whole numbers from 0.")
    return found.astype(np.int64)


def _positions(
    what: str, given: Any, ids: Sequence[str] | None, count: int | None
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return positions, and the identifiers that they stand for if these are text."""
    if ids is None and not are_text(given):
        return whole_positions(what, given), None
    if count is not None:
        raise InputError(
            f"num_{what}s={count} is for {what}s counted from 0, these have names; give "
            f"{what}_ids=, or leave it out."
        )
    known = known_ids(what, given if ids is None else ids)
    if ids is not None:
        if len(known) < len(list(ids)):
            raise InputError(f"{what}_ids has an identifier twice; give each once.")
        known = tuple(ids)
    return coded(what, given, known), known


def _shown(position: Any, ids: tuple[str, ...] | None) -> str:
    return str(position) if ids is None else repr(ids[int(position)])


def _named(positions: np.ndarray, ids: tuple[str, ...] | None) -> Any:
    return positions if ids is None else np.array(ids, dtype=object)[positions]


@dataclass(frozen=True, eq=False, repr=False)
class Ratings:
    """Ratings of items (columns) by users (rows), most of which are missing.

    It stands where :class:`IncompleteData` does in ``fit`` and ``predict_ratings``; ``x`` and ``s``
    are made dense for a minibatch at a time.

    >>> users, items, values = [0, 0, 1], [0, 2, 1], [5.0, 1.0, 3.0]
    >>> ratings = Ratings.from_triples(users, items, values)
    >>> ratings
    Ratings(2 users, 3 items, 3 ratings)
    >>> ratings.s[[0]]
    tensor([[ True, False,  True]])

    Attributes:
        x: (n, p) rows on demand: ratings standardised by all that are there, or codes 0, 1, ... of
            levels; 0 where missing.
        s: (n, p) rows on demand, True where there is a rating.
        columns: names of the p items.
        scaler: between original and standardised units, the same for all items.
        schema: what each item's ratings are.
        starts: (n + 1,), where each user's entries begin.
        items: (entries,), the item of each rating.
        values: (entries,), the ratings in original units.
        user_ids: the users' identifiers, None where they are counted from 0.
        item_ids: the items' identifiers, None where they are counted from 0.
    """

    columns: tuple[str, ...]
    scaler: Standardiser
    schema: Schema
    starts: Tensor
    items: Tensor
    values: Tensor
    dtype: torch.dtype = torch.float32
    user_ids: tuple[str, ...] | None = None
    item_ids: tuple[str, ...] | None = None

    covariate_schema = None
    target = None

    @classmethod
    def from_triples(
        cls,
        users: Sequence[int] | Sequence[str] | np.ndarray,
        items: Sequence[int] | Sequence[str] | np.ndarray,
        values: Sequence[float] | np.ndarray,
        *,
        num_users: int | None = None,
        num_items: int | None = None,
        user_ids: Sequence[str] | None = None,
        item_ids: Sequence[str] | None = None,
        levels: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Ratings:
        """Make ratings from triples (user, item, value); users and items are positions or names.

        Args:
            users, items: (entries,) integers, or identifiers that are text.
            values: (entries,) numbers.
            num_users, num_items: one more than the largest when left out.
            user_ids, item_ids: all identifiers, in order; those that occur, sorted, when left out.
            levels: the possible ratings in order, which makes them categorical.
            dtype: of ``x``.

        Raises:
            ValueError: a pair that occurs twice, a position out of range, an unknown identifier, a
                rating that is not finite or not one of the levels, an item that nobody rated.
        """
        check_real(dtype)
        user, user_ids = _positions("user", users, user_ids, num_users)
        item, item_ids = _positions("item", items, item_ids, num_items)
        value = np.asarray(values, dtype=np.float64)
        if not len(user) == len(item) == len(value) or not len(user):
            raise InputError(f"{len(user)} users, {len(item)} items and {len(value)} ratings.")
        num_users = num_users if user_ids is None else len(user_ids)
        num_items = num_items if item_ids is None else len(item_ids)
        n = int(user.max()) + 1 if num_users is None else num_users
        p = int(item.max()) + 1 if num_items is None else num_items
        for what, found, count in (("user", user, n), ("item", item, p)):
            if found.min() < 0 or found.max() >= count:
                bad = int(found[(found < 0) | (found >= count)][0])
                raise InputError(f"{what} {bad} is not one of 0 to {count - 1}.")
        order = np.lexsort((item, user))
        user, item, value = user[order], item[order], value[order]
        twice = (np.diff(user) == 0) & (np.diff(item) == 0)
        if twice.any():
            k = int(np.flatnonzero(twice)[0])
            who, which = _shown(user[k], user_ids), _shown(item[k], item_ids)
            raise InputError(f"user {who} rated item {which} twice; keep one rating.")
        if not np.isfinite(value).all():
            raise InputError(f"a rating is {value[~np.isfinite(value)][0]}; correct or drop it.")
        never = np.setdiff1d(np.arange(p), item)
        if len(never):
            raise InputError(
                f"nobody rated item {_shown(never[0], item_ids)}, so there is nothing to learn of "
                f"it; drop the item"
                + (" and number the others anew." if item_ids is None else " from item_ids.")
            )
        names = tuple(str(j) for j in range(p)) if item_ids is None else item_ids
        centre, scale = float(value.mean()), float(value.std()) or 1.0
        columns: list[Column] = [Column(name, "continuous", why="ratings") for name in names]
        if levels is not None:
            known = tuple(levels)
            if any(b <= a for a, b in itertools.pairwise(known)):
                raise InputError(f"levels are {list(known)}; give them once each, lowest first.")
            odd = value[~np.isin(value, known)]
            if len(odd):
                raise InputError(f"a rating is {odd[0]}, none of the levels {list(known)}.")
            columns = [Column(name, "ordinal", levels=known, why="ratings") for name in names]
            centre, scale = 0.0, 1.0
        starts = np.concatenate([[0], np.bincount(user, minlength=n).cumsum()])
        return cls(
            names,
            Standardiser(np.full(p, centre), np.full(p, scale)),
            Schema(tuple(columns)),
            torch.from_numpy(starts),
            torch.from_numpy(item),
            torch.from_numpy(value),
            dtype,
            user_ids,
            item_ids,
        )

    def positions(self, what: str, given: Any) -> np.ndarray:
        """Return the positions of users or items that are named as in the triples.

        Args:
            what: "user" or "item".
            given: identifiers where the triples had them, else positions.

        Raises:
            ValueError: none of these users or items.
        """
        ids, count = (
            (self.user_ids, len(self)) if what == "user" else (self.item_ids, len(self.columns))
        )
        if ids is not None:
            return coded(what, given, ids)
        if are_text(given):
            raise InputError(f"{what}s are counted from 0 in these ratings; give positions.")
        found = whole_positions(what, given)
        if len(found) and (found.min() < 0 or found.max() >= count):
            bad = int(found[(found < 0) | (found >= count)][0])
            raise InputError(f"{what} {bad} is not one of 0 to {count - 1}")
        return found

    @property
    def levels(self) -> tuple[Any, ...]:
        """The possible ratings, or none where ratings are continuous numbers."""
        return self.schema[self.columns[0]].levels

    @property
    def x(self) -> DenseRows:
        """The rows of standardised ratings, or of codes."""
        if self.levels:
            known = torch.tensor(self.levels, dtype=self.values.dtype, device=self.values.device)
            numbers = torch.searchsorted(known, self.values)
        else:
            numbers = (self.values - float(self.scaler.center[0])) / float(self.scaler.scale[0])
        return DenseRows(self.starts, self.items, numbers.to(self.dtype), len(self.columns))

    @property
    def given(self) -> DenseRows:
        """The rows of ratings in original units, float64."""
        return DenseRows(self.starts, self.items, self.values, len(self.columns))

    @property
    def s(self) -> DenseRows:
        """The rows of booleans, True where there is a rating."""
        there = torch.ones_like(self.items, dtype=torch.bool)
        return DenseRows(self.starts, self.items, there, len(self.columns))

    def observed_rate(self) -> Tensor:
        """The share of users (p,) who rated each item."""
        return self.items.bincount(minlength=len(self.columns)).double() / len(self)

    def __len__(self) -> int:
        """The number of users n."""
        return len(self.starts) - 1

    def __repr__(self) -> str:
        """Show the numbers of users, items and ratings."""
        return f"Ratings({len(self)} users, {len(self.columns)} items, {len(self.items)} ratings)"

    def extras(self, rows: Any = slice(None)) -> dict[str, Tensor]:
        """Return no further inputs, since ratings have none besides x and s."""
        return {}

    def rows(self, index: Any) -> Ratings:
        """Select the users at these positions (integers, a slice or booleans)."""
        if isinstance(index, Tensor):
            index = index.detach().cpu().numpy()
        chosen = torch.from_numpy(np.atleast_1d(np.arange(len(self))[index]))
        if not len(chosen):
            raise InputError("the selection holds no row; give at least one.")
        counts = (self.starts[1:] - self.starts[:-1])[chosen.to(self.starts.device)]
        _, entry = entries_of(self.starts, chosen.to(self.starts.device))
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        ids = None if self.user_ids is None else tuple(self.user_ids[i] for i in chosen.tolist())
        return replace(
            self, starts=starts, items=self.items[entry], values=self.values[entry], user_ids=ids
        )

    def rescaled(self, scaler: Standardiser) -> Ratings:
        """Return the same ratings, standardised by another scaler."""
        return replace(self, scaler=scaler)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Ratings:
        """Return the same ratings on this device, with ``x`` in this dtype."""
        check_real(dtype or self.dtype)
        where = self.values.device if device is None else torch.device(device)
        moved = {name: getattr(self, name).to(where) for name in ("starts", "items", "values")}
        return replace(self, **moved, dtype=dtype or self.dtype)

    def fingerprint(self) -> bytes:
        """Return a hash of users, items and ratings."""
        found = hashlib.sha256()
        for part in (self.starts, self.items, self.values):
            found.update(part.cpu().numpy().tobytes())
        if self.user_ids is not None or self.item_ids is not None:
            found.update(repr((self.user_ids, self.item_ids)).encode())
        return found.digest()

    def to_frame(self) -> pd.DataFrame:
        """Return triples (user, item, rating), with users and items as they were given."""
        counts = self.starts[1:] - self.starts[:-1]
        user = torch.arange(len(self), device=counts.device).repeat_interleave(counts)
        return pd.DataFrame(
            {
                "user": _named(user.cpu().numpy(), self.user_ids),
                "item": _named(self.items.cpu().numpy(), self.item_ids),
                "rating": self.values.cpu().numpy(),
            }
        )
