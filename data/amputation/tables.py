"""Amputation of tables: hiding entries of complete data by a known mechanism.

Every function returns an :class:`Amputation`: the mask, and the probabilities of its entries.

>>> x = np.array([[1.0, 5.0], [3.0, 6.0]])
>>> above_mean(x).apply(x)
array([[ 1.,  5.],
       [nan,  6.]])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, ndtr

from ..errors import InputError
from ..schema import infer_schema
from .rates import check_rate, check_slope, missing_at_rate, standardised
from .result import (
    Amputation,
    certain,
    check_share,
    column_positions,
    complete_values,
    one_each,
    sampled,
)


def above_mean(
    x: ArrayLike, columns: Sequence[int] | None = None, offset: float = 0.0
) -> Amputation:
    """Hide entries where x_ij > mean_j + offset * sd_j of the complete column.

    The deterministic self-masking of Ipsen, Mattei & Frellsen (ICLR 2021), section 4.

    Args:
        x: (n, p) complete data.
        columns: positions of the columns to amputate; by default the first floor(p / 2).
        offset: the distance of the threshold from the mean, in standard deviations (ddof 0) of the
            column.

    Raises:
        ValueError: ``x`` is not complete, or a position is not one of its columns.
    """
    x = complete_values(x)
    chosen = column_positions(columns, x.shape[1], default=x.shape[1] // 2)
    probability = np.ones(x.shape)
    part = x[:, chosen]
    probability[:, chosen] = part <= part.mean(axis=0) + offset * part.std(axis=0)
    return certain(probability)


def logistic_self_masking(
    x: ArrayLike,
    slopes: ArrayLike,
    offsets: ArrayLike,
    columns: Sequence[int] | None = None,
    seed: int = 0,
) -> Amputation:
    """Hide by P(s_ij = 1 | x) = sigmoid(slope_j x_ij + offset_j); negative slopes hide high values.

    Args:
        x: (n, p) complete data.
        slopes: one number, or one for each amputated column, per unit of the column.
        offsets: one number, or one for each amputated column.
        columns: positions of the columns to amputate; by default all.
        seed: the seed of the sampled mask.

    Raises:
        ValueError: as :func:`above_mean`, or the number of slopes or offsets is wrong.
    """
    return _self_masking(x, slopes, offsets, columns, seed, expit)


def probit_self_masking(
    x: ArrayLike,
    slopes: ArrayLike,
    offsets: ArrayLike,
    columns: Sequence[int] | None = None,
    seed: int = 0,
) -> Amputation:
    """Hide by P(s_ij = 1 | x) = Phi(slope_j x_ij + offset_j), as :func:`logistic_self_masking`."""
    return _self_masking(x, slopes, offsets, columns, seed, ndtr)


def level_self_masking(
    frame: pd.DataFrame,
    columns: Sequence[str],
    slope: float = 2.0,
    rate: float = 0.3,
    seed: int = 0,
) -> Amputation:
    """Hide by P(s_ij = 0) = sigmoid(slope * score_ij + b_j), for any kind of column.

    The score is the number, the code of an ordered level or 0/1, standardised. Each level without
    an order has a score that is sampled from a standard Normal. Positive slopes hide high values.

    Args:
        frame: a complete table of n rows and p columns.
        columns: the names of the columns to amputate.
        slope: the slope per standard deviation of the score.
        rate: the expected share of missing values in each of these columns.
        seed: the seed of the scores of levels and of the mask.

    Raises:
        ValueError: a value is missing already, a column is unknown, or the rate is outside (0, 1).

    >>> table = pd.DataFrame({"a": pd.Categorical(list("xyz") * 40), "b": range(120)})
    >>> mask = level_self_masking(table, ["a", "b"], seed=1).mask
    >>> bool(table["b"][~mask[:, 1]].mean() > table["b"].mean())
    True
    """
    check_rate(rate)
    names = [str(name) for name in frame.columns]
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise InputError(f"there is no column {unknown[0]!r}; the columns are {', '.join(names)}.")
    if frame.isna().any(axis=None):
        raise InputError("the table has missing values already; give a complete table to amputate.")
    kinds = infer_schema(frame, by="dtype")
    codes = kinds.encode(frame)
    generator = np.random.default_rng(seed)
    probability = np.ones(codes.shape)
    for name in columns:
        j = names.index(name)
        score = codes[:, j]
        if kinds[j].kind == "categorical" and kinds[j].num_values > 2:
            score = generator.normal(size=kinds[j].num_values)[score.astype(int)]
        probability[:, j] = 1 - missing_at_rate(slope * standardised(score), rate)
    return sampled(probability, seed)


def extremes(
    x: ArrayLike, fraction: float = 0.25, columns: Sequence[int] | None = None
) -> Amputation:
    """Hide the lowest and the highest ``fraction`` of each column, by rank.

    Args:
        x: (n, p) complete data.
        fraction: the share to hide at each end, in [0, 0.5]; floor(fraction * n) entries.
        columns: positions of the columns to amputate; by default the first floor(p / 2).

    Raises:
        ValueError: as :func:`above_mean`, or the fraction is outside [0, 0.5].
    """
    x = complete_values(x)
    check_share("fraction", fraction, 0.5)
    chosen = column_positions(columns, x.shape[1], default=x.shape[1] // 2)
    k = int(fraction * len(x))
    probability = np.ones(x.shape)
    for j in chosen:
        order = np.argsort(
            x[:, j], kind="stable"
        )  # ties are broken by row, so that the count is exact
        probability[order[:k], j] = 0
        probability[order[len(x) - k :], j] = 0
    return certain(probability)


def centre(x: ArrayLike, fraction: float = 0.3, columns: Sequence[int] | None = None) -> Amputation:
    """Hide the ``fraction`` of each column around its mean, by rank.

    The floor(fraction * n) entries are a block of neighbouring ranks, half of it below the
    rank at which the mean would stand and half above.

    Args:
        x: (n, p) complete data.
        fraction: the share to hide, in [0, 1].
        columns: positions of the columns to amputate; by default the first floor(p / 2).

    Raises:
        ValueError: as :func:`above_mean`, or the fraction is outside [0, 1].
    """
    x = complete_values(x)
    check_share("fraction", fraction, 1.0)
    chosen = column_positions(columns, x.shape[1], default=x.shape[1] // 2)
    k = int(fraction * len(x))
    probability = np.ones(x.shape)
    for j in chosen:
        order = np.argsort(x[:, j], kind="stable")
        rank = int(np.searchsorted(x[order, j], x[:, j].mean()))
        first = min(max(rank - k // 2, 0), len(x) - k)
        probability[order[first : first + k], j] = 0
    return certain(probability)


def angular_sector(x: ArrayLike, low: float, high: float) -> Amputation:
    """Hide the first of two columns where the angle atan2(x_1, x_0) lies in [low, high).

    Args:
        x: (n, 2) complete data.
        low: the angle in radians where the sector begins; it runs counter-clockwise.
        high: the angle in radians where it ends, at most 2 pi above ``low``.

    Raises:
        ValueError: ``x`` is not complete or not (n, 2), or the sector is empty or too wide.
    """
    x = complete_values(x)
    if x.shape[1] != 2:
        raise InputError(f"x has shape {x.shape}; give two columns, from which an angle follows.")
    if not 0 < high - low <= 2 * np.pi:
        raise InputError(f"the sector is [{low}, {high}); give ends between 0 and 2 pi apart.")
    probability = np.ones(x.shape)
    angle = np.arctan2(x[:, 1], x[:, 0])
    probability[:, 0] = np.mod(angle - low, 2 * np.pi) >= high - low
    return certain(probability)


def mcar(x: ArrayLike, rate: float, seed: int, columns: Sequence[int] | None = None) -> Amputation:
    """Hide entries of ``columns`` (by default all) completely at random, with probability ``rate``.

    Raises:
        ValueError: as :func:`above_mean`, or the rate is outside [0, 1].
    """
    x = complete_values(x)
    check_share("rate", rate, 1.0)
    probability = np.ones(x.shape)
    probability[:, column_positions(columns, x.shape[1], default=x.shape[1])] = 1 - rate
    return sampled(probability, seed)


def mar(
    x: ArrayLike,
    rate: float,
    drivers: Sequence[int],
    targets: Sequence[int],
    slope: float,
    seed: int,
) -> Amputation:
    """Hide entries at random given columns that are always observed.

    P(s_ij = 0 | x) = sigmoid(slope * d_i + b) for each target j, where d_i is the sum of the
    standardised drivers and b makes the mean of these probabilities equal to ``rate``.

    Args:
        x: (n, p) complete data.
        rate: the expected share of missing entries in each target, in (0, 1).
        drivers: positions of columns that stay observed and on which the mask depends.
        targets: positions of the columns to amputate, other than the drivers.
        slope: the slope per standard deviation; with 0 the targets are MCAR.
        seed: the seed of the sampled mask.

    Raises:
        ValueError: as :func:`above_mean`, the rate is outside (0, 1), or a column is both a driver
            and a target.
    """
    x = complete_values(x)
    check_rate(rate)
    check_slope(slope)
    driving = column_positions(drivers, x.shape[1], default=0)
    amputated = column_positions(targets, x.shape[1], default=0)
    both = sorted(set(driving) & set(amputated))
    if both:
        raise InputError(f"column {both[0]} is both driver and target; give it as one of the two.")
    drive = slope * standardised(x[:, driving]).sum(axis=1)
    probability = np.ones(x.shape)
    probability[:, amputated] = 1 - missing_at_rate(drive, rate)[:, None]
    return sampled(probability, seed)


def _self_masking(
    x: ArrayLike,
    slopes: ArrayLike,
    offsets: ArrayLike,
    columns: Sequence[int] | None,
    seed: int,
    link: np.ufunc,
) -> Amputation:
    x = complete_values(x)
    chosen = column_positions(columns, x.shape[1], default=x.shape[1])
    a = one_each("slopes", slopes, len(chosen))
    b = one_each("offsets", offsets, len(chosen))
    probability = np.ones(x.shape)
    probability[:, chosen] = link(a * x[:, chosen] + b)
    return sampled(probability, seed)
