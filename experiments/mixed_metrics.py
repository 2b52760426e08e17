"""Scores of an imputed column by its kind, over the cells that were hidden."""

from __future__ import annotations

import numpy as np

from ..data import Column


def column_scores(
    column: Column,
    truth: np.ndarray,
    values: np.ndarray,
    chances: np.ndarray | None,
    missing: np.ndarray,
) -> dict[str, float]:
    """Score numbers by "rmse" and "bias"; levels by "brier" and "accuracy", ordered ones by "rps".

    RMSE and bias are in standard deviations of the column. The Brier score is the sum over levels
    of (probability - indicator)^2, from 0 to 2 (Brier, 1950). The ranked probability score is the
    mean, over the steps between levels, of the squared difference of the distribution functions
    (Epstein, 1969).

    >>> number = Column("a", "continuous")
    >>> truth = np.array([0.0, 2.0])
    >>> column_scores(number, truth, truth + 1, None, np.array([True, True]))
    {'rmse': 1.0, 'bias': 1.0}

    Args:
        column: the column, which says what kind its values are.
        truth: (n,) true numbers or codes.
        values: (n,) completed numbers or codes.
        chances: (n, V) probabilities of levels; None for numbers.
        missing: (n,) missing mask.
    """
    if not column.levels:
        error = (values - truth)[missing] / truth.std()
        return {"rmse": float(np.sqrt(np.mean(error**2))), "bias": float(error.mean())}
    assert chances is not None
    hot = np.eye(column.num_values)[truth[missing].astype(int)]
    share = chances[missing]
    scores = {
        "brier": float(((share - hot) ** 2).sum(1).mean()),
        "accuracy": float((values[missing] == truth[missing]).mean()),
    }
    if column.kind == "ordinal":
        steps = (share.cumsum(1) - hot.cumsum(1))[:, :-1]
        scores["rps"] = float((steps**2).mean(1).mean())
    return scores
