"""A density of the mask given the observed values alone, which an ignorable mechanism leaves out.

Columns are ordered from the one with the fewest missing values to the one with the most. The mask
of each column follows a logistic regression on the masks and observed values of those before it,

    p(s | x) = prod_j p(s_j | s_k, s_k x_k, k before j).

Each factor reads values only where they were observed, so that the mask is missing at random
whatever the coefficients are. The product sums to one over all masks: it is a proper density, which
can be added to log p(x_o).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import IncompleteData

#: prior variances of the slopes, among which Akaike's criterion chooses on the training rows
_VARIANCES = (0.01, 0.1, 1.0)
#: if there are more features, so many are read: those that the mask is most correlated with. Each
#: slope chosen among m features costs log(m) instead of 1 (the risk inflation criterion of Foster &
#: George, 1994)
_READ = (2, 20)


@dataclass(frozen=True)
class _Factor:
    """One column's log-odds of being observed, from values and masks of other columns."""

    column: int
    reads: list[int]
    offset: float
    slopes: list[float]
    center: list[float]
    scale: list[float]


@dataclass(frozen=True)
class MaskAtRandom:
    """The density p(s | x_o) of some columns, fitted to training rows.

    >>> import numpy as np
    >>> rows = np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0], [2.0, np.nan]])
    >>> data = IncompleteData.from_numpy(rows)
    >>> MaskAtRandom.fitted(data, np.array([True, True])).log_prob(data).shape
    torch.Size([4])
    """

    factors: tuple[_Factor, ...]

    @classmethod
    def fitted(cls, data: IncompleteData, columns: np.ndarray) -> MaskAtRandom:
        """Fit the density of the masks of these columns, booleans (p,), which alone are read."""
        x, s = _arrays(data)
        chosen = np.flatnonzero(columns)
        order = chosen[np.argsort(-s[:, chosen].mean(0), kind="stable")]
        return cls(tuple(_factor(x, s, int(j), order[:k]) for k, j in enumerate(order)))

    def log_prob(self, data: IncompleteData) -> Tensor:
        """Return the log-density per row's mask (n,), for data standardised as in the fit."""
        from scipy.special import log_expit  # a tenth of a second, which every first fit would take

        x, s = _arrays(data)
        total = np.zeros(len(s))
        for factor in self.factors:
            seen = s[:, factor.column]
            total += log_expit(np.where(seen, 1.0, -1.0) * _logits(factor, x, s))
        return torch.from_numpy(total)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, which JSON stores and restores exactly."""
        return {"factors": [asdict(factor) for factor in self.factors]}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> MaskAtRandom:
        """Rebuild the density from the result of :meth:`to_dict`."""
        return cls(tuple(_Factor(**factor) for factor in state["factors"]))


def _arrays(data: IncompleteData) -> tuple[np.ndarray, np.ndarray]:
    """Return values (n, p), zero where missing, and the mask."""
    return data.x.detach().cpu().double().numpy(), data.s.cpu().numpy()


def _features(x: np.ndarray, s: np.ndarray, reads: Any) -> np.ndarray:
    return np.concatenate([x[:, reads], s[:, reads].astype(float)], 1)


def _logits(factor: _Factor, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    features = (_features(x, s, factor.reads) - factor.center) / factor.scale
    logits: np.ndarray = factor.offset + features @ np.asarray(factor.slopes)
    return logits


def _factor(x: np.ndarray, s: np.ndarray, column: int, before: np.ndarray) -> _Factor:
    """Fit the column's rate, or a logistic regression if its slopes improve the fit enough."""
    seen = s[:, column]
    rate = (seen.sum() + 0.5) / (len(seen) + 1)  # also where no training row had a missing value
    best = _Factor(column, [], float(np.log(rate / (1 - rate))), [], [], [])
    features = _features(x, s, before)
    scale = features.std(0)
    read = np.flatnonzero(scale > 0)
    if seen.all() or not seen.any() or not len(read):
        return best
    # imported here, since it takes long and uses Python's random numbers
    from sklearn.linear_model import LogisticRegression

    center, scale = features.mean(0), np.where(scale > 0, scale, 1.0)
    standard, several, price = (features - center) / scale, [read], 1.0
    if len(read) > max(_READ):
        strength = np.abs((seen - seen.mean()) @ standard[:, read])
        strongest = read[np.argsort(-strength, kind="stable")]
        several, price = [strongest[:count] for count in _READ], float(np.log(len(read)))
    lowest = _cost(np.full(len(seen), best.offset), seen) + 1
    for read, variance in itertools.product(several, _VARIANCES):
        found = LogisticRegression(C=variance, max_iter=1000).fit(standard[:, read], seen)
        logits = found.decision_function(standard[:, read])
        cost = _cost(logits, seen) + 1 + price * _slopes(standard[:, read], logits, variance)
        if cost < lowest:
            lowest, slopes = cost, np.zeros(features.shape[1])
            slopes[read] = found.coef_[0]
            best = _Factor(
                column,
                before.tolist(),
                float(found.intercept_[0]),
                slopes.tolist(),
                center.tolist(),
                scale.tolist(),
            )
    return best


def _cost(logits: np.ndarray, seen: np.ndarray) -> float:
    from scipy.special import log_expit

    return -float(log_expit(np.where(seen, 1.0, -1.0) * logits).sum())


def _slopes(features: np.ndarray, logits: np.ndarray, variance: float) -> float:
    """Return the number of free slopes that a penalised regression is equivalent to."""
    from scipy.special import expit

    weight = expit(logits) * expit(-logits)
    centred = features - weight @ features / weight.sum()
    information = np.linalg.eigvalsh((centred * weight[:, None]).T @ centred).clip(0)
    return float((information / (information + 1 / variance)).sum())
