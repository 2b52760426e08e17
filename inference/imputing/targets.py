"""Prediction of a target from incomplete rows, averaged over their missing values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ..importance import Weighted
from ..prepare import Fitted, check_was_fitted, prepared, programs_of
from .completed import average


@dataclass(frozen=True, eq=False)
class Prediction:
    """The distribution p(y | x_o, s) of every row.

    Attributes:
        mean: (n,) E[y] in the target's units; the expected code for two levels, NaN for more.
        sd: (n,) standard deviation of y, from its noise and the missing values together.
        probabilities: (n, C) probabilities of the levels, empty for a continuous target.
        ess: (n,) effective sample size of the weights.
    """

    mean: np.ndarray
    sd: np.ndarray
    probabilities: pd.DataFrame
    ess: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """The most probable level (n,), or the mean of a continuous target."""
        if self.probabilities.shape[1] == 0:
            return self.mean
        columns = self.probabilities.columns.to_numpy()
        chosen: np.ndarray = columns[self.probabilities.to_numpy().argmax(1)]
        return chosen


def predict(
    fitted: Fitted,
    data: IncompleteData,
    particles: int = 1000,
    *,
    seed: int = 0,
    unfitted: bool = False,
) -> Prediction:
    """Return p(y | x_o, s) = sum_k w_k p(y | x_o, x^m_k), weighted with the mask's density.

    Where the missing values can be integrated out of p(s | x), the weights are those of the
    integrated model and x^m_k is sampled from p(x^m | z_k, s = 0), which varies less than sampling
    it from the decoder. If the data have a target, it is not used.

    Args:
        fitted: a fit of a :class:`~absentia.models.SupervisedModel`, or the model.
        data: rows of the columns that it was fitted to.
        particles: importance samples per row.
        seed: the seed of the random numbers.
        unfitted: as for :func:`absentia.impute`.

    Raises:
        ValueError: the model predicts nothing or was never fitted, or the data have other columns.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> data = data.with_target([0.5, 1.0, 0.2])
    >>> model = ab.models.SupervisedNotMIWAE(data, latent_dim=1, hidden=[8])
    >>> fitted = ab.fit(model, data, steps=20, progress=False)
    >>> ab.inference.predict(fitted, data, particles=100).mean.shape
    (3,)
    """
    model, data = prepared(fitted, data)
    predictor = model.predictor
    if predictor is None:
        raise InputError(
            f"a {type(model).__name__} predicts no target; fit a SupervisedNotMIWAE, or use impute"
        )
    if not unfitted:
        check_was_fitted(fitted)
    data = data.without_target()

    def of(whole: Tensor, run: Weighted) -> Tensor:
        return torch.cat(_moments(predictor(whole)), -1)

    both, ess, _ = average(model, programs_of(model), data, particles, of, seed)
    found, square = (half.double().cpu().numpy() for half in both.chunk(2, -1))
    return _prediction(predictor, found, square, ess.double().cpu().numpy(), data.index)


def _moments(given: Any) -> tuple[Tensor, Tensor]:
    """Return probabilities of the levels (twice), or mean and second moment; (K, n, C) each."""
    if given.has_enumerate_support:
        probs = given.probs
        if probs.dim() > 3:  # categorical
            return probs.squeeze(-2), probs.squeeze(-2)
        both = torch.cat([1 - probs, probs], -1)
        return both, both
    return given.mean, given.variance + given.mean.square()


def _prediction(
    predictor: Any, found: np.ndarray, square: np.ndarray, ess: np.ndarray, index: pd.Index
) -> Prediction:
    if predictor.kind == "continuous":
        variance = np.clip(square - found**2, 0, None)[:, 0]
        mean = predictor.center + predictor.unit * found[:, 0]
        sd = predictor.unit * np.sqrt(variance)
        return Prediction(mean, sd, pd.DataFrame(index=index), ess)
    table = pd.DataFrame(found, index=index, columns=predictor.levels)
    mean = found[:, 1] if found.shape[1] == 2 else np.full(len(found), np.nan)
    return Prediction(mean, np.sqrt(np.clip(mean * (1 - mean), 0, None)), table, ess)
