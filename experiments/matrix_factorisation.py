"""Matrix factorisation, plain and weighted by inverse propensities, as baselines for ratings.

MF-IPS is the method of Schnabel et al. (ICML 2016). Squared errors are divided by the propensity,
the probability that a rating is given, which naive Bayes estimates as
P(given | r) = P(r | given) P(given) / P(r), with P(r) from a few ratings of randomly drawn items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

_STEPS, _RATE = 400, 0.05


@dataclass(frozen=True, eq=False)
class Factorisation:
    """r_ui = m + a_u + b_i + p_u' q_i, fitted by weighted least squares with an L2 penalty."""

    mean: float
    user: np.ndarray
    item: np.ndarray
    user_factors: np.ndarray
    item_factors: np.ndarray

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Predict the ratings of pairs (m,)."""
        product = (self.user_factors[users] * self.item_factors[items]).sum(1)
        found: np.ndarray = self.mean + self.user[users] + self.item[items] + product
        return found


def factorise(
    ratings: pd.DataFrame,
    num_users: int,
    num_items: int,
    rank: int,
    penalty: float,
    weights: np.ndarray | None = None,
    seed: int = 0,
) -> Factorisation:
    """Fit the factorisation by Adam on all ratings at once.

    Args:
        ratings: columns ``user``, ``item`` and ``rating``.
        num_users: number of users.
        num_items: number of items.
        rank: number of factors.
        penalty: coefficient of the squared norms of factors and offsets, per rating.
        weights: (ratings,) inverse propensities; all one when left out.
        seed: seed of the starting values.

    >>> table = pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 0], "rating": [5.0, 1.0, 4.0]})
    >>> factorise(table, 2, 2, rank=1, penalty=1e-3)(np.array([1]), np.array([0])).round()
    array([4.])
    """
    generator = torch.Generator().manual_seed(seed)
    user, item = (torch.tensor(ratings[name].to_numpy()) for name in ("user", "item"))
    value = torch.tensor(ratings["rating"].to_numpy(), dtype=torch.float64)
    weight = torch.ones_like(value) if weights is None else torch.tensor(weights)
    weight = weight / weight.mean()
    mean = float((weight * value).mean())
    parts = [torch.zeros(n, dtype=torch.float64) for n in (num_users, num_items)]
    parts += [
        0.1 * torch.randn(n, rank, generator=generator, dtype=torch.float64)
        for n in (num_users, num_items)
    ]
    for part in parts:
        part.requires_grad_()
    a, b, p, q = parts
    optimiser = torch.optim.Adam(parts, lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        error = value - mean - a[user] - b[item] - (p[user] * q[item]).sum(1)
        size = sum(part.square().sum() for part in parts) / len(value)
        loss = (weight * error.square()).mean() + penalty * size
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return Factorisation(mean, *(part.detach().numpy() for part in parts))


def inverse_propensities(
    ratings: pd.DataFrame, drawn: pd.DataFrame, num_users: int, num_items: int
) -> np.ndarray:
    """Estimate 1 / P(given | rating) of each rating, by naive Bayes.

    Args:
        ratings: columns ``user``, ``item`` and ``rating``.
        drawn: a few ratings of randomly drawn items, for the true distribution of ratings.
        num_users: number of users.
        num_items: number of items.
    """
    levels = np.union1d(ratings["rating"], drawn["rating"])
    # one more of each level, so that no level has probability zero
    given = np.array([(ratings["rating"] == r).sum() + 1.0 for r in levels])
    true = np.array([(drawn["rating"] == r).sum() + 1.0 for r in levels])
    share = len(ratings) / (num_users * num_items)
    propensity = given / given.sum() * share / (true / true.sum())
    found: np.ndarray = 1 / propensity[np.searchsorted(levels, ratings["rating"])]
    return found


def chosen_factorisation(
    ratings: pd.DataFrame,
    num_users: int,
    num_items: int,
    ranks: Sequence[int],
    penalties: Sequence[float],
    weights: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[Factorisation, dict[str, float]]:
    """Choose rank and penalty by the error on a tenth of the ratings, then fit all ratings."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    held, kept = order[: len(order) // 10], order[len(order) // 10 :]
    weight = np.ones(len(ratings)) if weights is None else weights
    errors: dict[tuple[int, float], float] = {}
    for rank in ranks:
        for penalty in penalties:
            model = factorise(
                ratings.iloc[kept], num_users, num_items, rank, penalty, weight[kept], seed
            )
            part = ratings.iloc[held]
            error = part["rating"] - model(part["user"].to_numpy(), part["item"].to_numpy())
            errors[rank, penalty] = float(np.average(error**2, weights=weight[held]))
    rank, penalty = min(errors, key=lambda pair: errors[pair])
    chosen = {"rank": float(rank), "penalty": penalty}
    return factorise(ratings, num_users, num_items, rank, penalty, weight, seed), chosen
