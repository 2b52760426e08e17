"""Prediction of ratings for chosen pairs, without a table of all users and items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...data import Ratings
from ...data.errors import InputError, KindError
from ...data.system.memory import asked_for
from ..evaluating import evaluating
from ..prepare import Fitted, check_was_fitted, fit_of, placed, programs_of
from .particles import Rule, Sampler

_USERS_AT_ONCE = 64


@torch.no_grad()
def predict_ratings(
    fitted: Fitted,
    data: Ratings,
    users: Sequence[int] | Sequence[str] | np.ndarray,
    items: Sequence[int] | Sequence[str] | np.ndarray,
    particles: int = 1000,
    *,
    rule: Rule = "posterior",
    seed: int = 0,
    unfitted: bool = False,
) -> np.ndarray:
    """Return E[x_ij | the user's ratings and mask] of pairs (user, item), in the ratings' units.

    A pair that was rated keeps its rating. No more than 64 users' rows are held in memory at once.

    Args:
        fitted: a fit of :func:`absentia.models.RatingsNotMIWAE`, or the model.
        data: the users' ratings.
        users: (m,) the user of each pair: positions, or identifiers where the ratings have them.
        items: (m,) the item of each pair, likewise.
        particles: importance samples per user.
        rule: as for :func:`absentia.impute`.
        seed: the seed of the random numbers.
        unfitted: as for :func:`absentia.impute`.

    Raises:
        ValueError: the model was never fitted, the ratings have other items than the model, or
            there is no such user or item.

    >>> import absentia as ab
    >>> data = ab.data.Ratings.from_triples([0, 0, 1], [0, 1, 1], [5.0, 4.0, 1.0])
    >>> model = ab.models.RatingsNotMIWAE(data, latent_dim=1)
    >>> fitted = ab.fit(model, data, steps=20, validation=0.0, progress=False)
    >>> ab.inference.predict_ratings(fitted, data, [0, 1], [1, 0], particles=20)[0]
    np.float64(4.0)
    """
    if not isinstance(data, Ratings):
        raise KindError(f"data is a {type(data).__name__}, not Ratings; use impute for tables")
    if rule not in ("posterior", "decoder-mean"):
        raise InputError(f"rule is {rule!r}; give posterior or decoder-mean")
    if particles < 1:
        raise InputError(f"particles is {particles}; give at least 1")
    if not unfitted:
        check_was_fitted(fitted)
    fit = fit_of(fitted)
    schema = None if fit is None else fit.schema
    if schema is not None and schema[schema.names[0]].levels != data.levels:
        raise InputError(
            f"the model was fitted to ratings with levels "
            f"{list(schema[schema.names[0]].levels)} and these have {list(data.levels)}; read "
            f"these with the same levels"
        )
    model, data = placed(fitted, data)
    user, item = data.positions("user", users), data.positions("item", items)
    if len(user) != len(item):
        raise InputError(
            f"there are {len(user)} users and {len(item)} items; give one item for each user"
        )
    programs = programs_of(model)
    levels = torch.full((len(data.columns),), len(data.levels))
    sampler = Sampler(programs.model, programs.guide, "auto", rule, num_values=levels)
    result = np.empty(len(user))
    if not len(user):
        return result
    asked = asked_for("predict_ratings", particles=particles)
    with asked, evaluating(model, seed, data.x.device):
        wanted = torch.from_numpy(np.unique(user)).to(data.x.device)
        for rows in wanted.split(_USERS_AT_ONCE):
            table = _of_users(sampler, data, rows, particles)
            known = rows.cpu().numpy()
            here = np.isin(user, known)
            result[here] = table[np.searchsorted(known, user[here]), item[here]]
    return result


def _of_users(sampler: Sampler, data: Ratings, rows: torch.Tensor, particles: int) -> np.ndarray:
    """Return the ratings (k, p) of these users: as given, else the posterior mean."""
    x, s = data.x[rows], data.s[rows]
    found = sampler.estimate(x, s, particles, 0)
    if data.levels:
        scale = torch.tensor(data.levels, dtype=torch.float64, device=x.device)
        means = (found.probabilities * scale.unsqueeze(-1)).sum(0)
    else:
        center, unit = float(data.scaler.center[0]), float(data.scaler.scale[0])
        means = center + unit * found.mean
    table = data.given[rows]
    table[~s] = means.to(table.dtype)
    filled: np.ndarray = table.cpu().numpy()
    return filled
