"""Ratings of items by users, held sparsely, because each user rates few of many items."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .checks import check_real
from .columns.column import Column, Level
from .dense_rows import DenseRows, Positions, entries_of
from .errors import InputError
from .ids import (
    Ids,
    are_text,
    check_positions,
    coded,
    named,
    positions_and_ids,
    shown,
    whole_positions,
)
from .schema import Schema
from .standardiser import Standardiser


@dataclass(frozen=True, eq=False, repr=False)
class Ratings:
    """Ratings of items (columns) by users (rows), most of which are missing.

    ``fit`` and ``predict_ratings`` take it in place of :class:`IncompleteData`; ``x`` and ``s`` are
    made dense for one minibatch at a time.

    >>> users, items, values = [0, 0, 1], [0, 2, 1], [5.0, 1.0, 3.0]
    >>> ratings = Ratings.from_triples(users, items, values)
    >>> ratings
    Ratings(2 users, 3 items, 3 ratings)
    >>> ratings.s[[0]]
    tensor([[ True, False,  True]])

    Attributes:
        x: (n, p) rows on demand: ratings, standardised by the mean and sd of all ratings, or codes
            0, 1, ... of levels; 0 where missing.
        s: (n, p) rows on demand, True where there is a rating.
        columns: the names of the p items.
        scaler: the map from original to standardised units and back, the same for all items.
        schema: the kind of each item's ratings.
        starts: (n + 1,) where each user's entries begin.
        items: (entries,) the item of each rating.
        values: (entries,) the ratings in original units.
        user_ids: the identifiers of the users; None if they are counted from 0.
        item_ids: the identifiers of the items; None if they are counted from 0.
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

    # ratings have neither covariates nor a target
    covariate_schema = None
    target = None

    @classmethod
    def from_triples(
        cls,
        users: Ids,
        items: Ids,
        values: Sequence[float] | np.ndarray,
        *,
        num_users: int | None = None,
        num_items: int | None = None,
        user_ids: Sequence[str] | None = None,
        item_ids: Sequence[str] | None = None,
        levels: Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Ratings:
        """Make ratings from triples (user, item, value).

        Args:
            users: (entries,) positions of the users, or their identifiers as text.
            items: (entries,) positions of the items, or their identifiers as text.
            values: (entries,) numbers.
            num_users: the number of users, if they are counted; by default the largest plus one.
            num_items: the number of items, if they are counted; by default the largest plus one.
            user_ids: all identifiers of users, in order; by default those that occur, sorted.
            item_ids: all identifiers of items, in order; by default those that occur, sorted.
            levels: the possible ratings in order, which makes the ratings ordinal.
            dtype: the dtype of ``x``.

        Raises:
            ValueError: a user rated an item twice, a position is out of range, an identifier is
                unknown, a rating is not finite or not one of the levels, or nobody rated an item.
        """
        check_real(dtype)
        user, user_ids = positions_and_ids("user", users, user_ids, num_users)
        item, item_ids = positions_and_ids("item", items, item_ids, num_items)
        value = np.asarray(values, dtype=np.float64)
        if not len(user) == len(item) == len(value) or not len(user):
            raise InputError(
                f"there are {len(user)} users, {len(item)} items and {len(value)} ratings; give "
                "one user and one item for each rating, and at least one rating."
            )
        num_users = num_users if user_ids is None else len(user_ids)
        num_items = num_items if item_ids is None else len(item_ids)
        n = int(user.max()) + 1 if num_users is None else num_users
        p = int(item.max()) + 1 if num_items is None else num_items
        check_positions("user", user, n)
        check_positions("item", item, p)
        order = np.lexsort((item, user))
        user, item, value = user[order], item[order], value[order]
        twice = (np.diff(user) == 0) & (np.diff(item) == 0)
        if twice.any():
            k = int(np.flatnonzero(twice)[0])
            who, which = shown(user[k], user_ids), shown(item[k], item_ids)
            raise InputError(f"user {who} rated item {which} twice; keep one of the two ratings.")
        if not np.isfinite(value).all():
            bad = value[~np.isfinite(value)][0]
            raise InputError(f"a rating is {bad}; correct it, or leave the triple out.")
        unrated = np.setdiff1d(np.arange(p), item)
        if len(unrated):
            remedy = " and renumber the others" if item_ids is None else " from item_ids"
            raise InputError(
                f"nobody rated item {shown(unrated[0], item_ids)}, so that nothing can be learnt "
                f"about it; drop the item{remedy}."
            )
        names = tuple(str(j) for j in range(p)) if item_ids is None else item_ids
        if levels is None:
            columns = [Column(name, "continuous", why="ratings") for name in names]
            centre, scale = float(value.mean()), float(value.std()) or 1.0
        else:
            known = _checked_levels(levels, value)
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

    def positions(self, what: Literal["user", "item"], given: Ids) -> np.ndarray:
        """Return the positions of users or items that are named as in the triples.

        Args:
            what: "user" or "item".
            given: identifiers if the triples had identifiers, else positions.

        Raises:
            ValueError: a user or an item that does not exist.
        """
        ids, count = (
            (self.user_ids, len(self)) if what == "user" else (self.item_ids, len(self.columns))
        )
        if ids is not None:
            return coded(what, given, ids)
        if are_text(given):
            raise InputError(f"{what}s are counted from 0 in these ratings; give positions.")
        found = whole_positions(what, given)
        check_positions(what, found, count)
        return found

    @property
    def levels(self) -> tuple[Level, ...]:
        """The possible ratings; empty if ratings are continuous."""
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

    def extras(self, rows: Positions = slice(None)) -> dict[str, Tensor]:
        """Return what a model takes besides x and s, which is nothing for ratings."""
        return {}

    def rows(self, index: Any) -> Ratings:
        """Select the users at these positions (integers, a slice or booleans)."""
        if isinstance(index, Tensor):
            index = index.detach().cpu().numpy()
        chosen = torch.from_numpy(np.atleast_1d(np.arange(len(self))[index]))
        if not len(chosen):
            raise InputError("the selection contains no row; select at least one.")
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
        starts, items, values = (t.to(where) for t in (self.starts, self.items, self.values))
        return replace(self, starts=starts, items=items, values=values, dtype=dtype or self.dtype)

    def fingerprint(self) -> bytes:
        """Return a hash of users, items and ratings, which tells one data set from another."""
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
                "user": named(user.cpu().numpy(), self.user_ids),
                "item": named(self.items.cpu().numpy(), self.item_ids),
                "rating": self.values.cpu().numpy(),
            }
        )


def _checked_levels(levels: Sequence[float], values: np.ndarray) -> tuple[float, ...]:
    """Return the levels, which must increase and contain every rating."""
    known = tuple(levels)
    if any(b <= a for a, b in itertools.pairwise(known)):
        raise InputError(f"levels are {list(known)}; give each of them once, lowest first.")
    odd = values[~np.isin(values, known)]
    if len(odd):
        raise InputError(
            f"a rating is {odd[0]}, which is not one of the levels {list(known)}; correct the "
            "rating, or add the level."
        )
    return known
