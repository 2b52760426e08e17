"""Posterior predictive checks, which compare replicated tables with the observed one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ...data import IncompleteData
from ...data.errors import InputError
from ...models.programs.base import RowModel
from ..imputing.tables import impute
from ..prepare import Fitted, coefficient_medians, prepared
from ..replicate import replicates

#: into how many equally frequent parts values are cut
_DECILES = 10
#: the most columns of a table that is checked, since all pairs of columns are compared
MOST_COLUMNS = 200


@dataclass(frozen=True)
class MaskCheck:
    """The observed mask beside the masks of replicated tables.

    Every table but the last has ``observed``, the replicates' ``mean``, ``lower`` and ``upper``
    (which contain 90 % of them), and ``p_value``, twice the share of replicates beyond the observed
    value on the nearer side.

    Attributes:
        rates: one row per column, the share of its values that are missing.
        pairs: one row per pair of columns, the share of rows in which both are missing.
        deciles: the share of ``missing`` in tenths of the observed values of another column ``by``.
        calibration: one row per group of cells with similar probabilities of being missing, as the
            fitted mechanism gives them in tables that the model completed: the mean probability
            ``predicted``, the share that was ``missing``, and the number of ``cells``.
    """

    rates: pd.DataFrame
    pairs: pd.DataFrame
    deciles: pd.DataFrame
    calibration: pd.DataFrame

    @property
    def worst(self) -> float:
        """The smallest p-value times the number of comparisons (Bonferroni), at most 1."""
        p = pd.concat([self.rates["p_value"], self.pairs["p_value"], self.deciles["p_value"]])
        return float(min(p.min() * len(p), 1.0)) if len(p) else 1.0


def check_mask(
    fitted: Fitted,
    data: IncompleteData,
    *,
    replications: int = 200,
    particles: int = 200,
    seed: int = 0,
) -> MaskCheck:
    """Check rates, co-missingness, dependence on observed values, and calibration of the mask.

    Replicates are whole tables: z, x and s are sampled from the fitted model. Where the observed
    mask lies outside the range of the replicates, the mechanism contradicts the data. An
    ignorable mechanism says nothing about the mask, and there is nothing to check; columns without
    a formula are left out for the same reason.

    Args:
        fitted: a fit, or a model.
        data: the table that it was fitted to.
        replications: the number of replicated tables; p-values are multiples of
            2 / (replications + 1).
        particles: importance samples per row, for the calibration.
        seed: the seed of the random numbers.

    Raises:
        ValueError: the mechanism is ignorable, or the data have other columns than the model.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(200, 2))
    >>> rows[rng.random(200) < 1 / (1 + np.exp(-2 * rows[:, 1])), 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, "a ~ b"), data, steps=300, progress=False)
    >>> bool(ab.check.check_mask(fitted, data, replications=50).rates.loc["a", "p_value"] > 0.05)
    True
    """
    if len(data.columns) > MOST_COLUMNS:
        raise InputError(
            f"the table has {len(data.columns)} columns, more than {MOST_COLUMNS}, which have too "
            f"many pairs to check; check a part of the table"
        )
    model, data = prepared(fitted, data)
    if model.missingness.ignorable:
        raise InputError(
            "the mechanism is ignorable, so that the model has no distribution of the mask to "
            "check; use check_values, which checks the observed values"
        )
    names = list(data.columns)
    ignored = model.missingness.dependence(len(names)).ignorable
    incomplete = [j for j in range(len(names)) if bool((~data.s[:, j]).any()) and not ignored[j]]
    seen = data.s.cpu().numpy()
    tables = list(_replicated(model, data, replications, seed))

    def missing_rates(x: np.ndarray, s: np.ndarray) -> np.ndarray:
        return (~s)[:, incomplete].mean(0)

    pairs = [(j, k) for a, j in enumerate(incomplete) for k in incomplete[a + 1 :]]

    def both_missing(x: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.array([(~s[:, j] & ~s[:, k]).mean() for j, k in pairs])

    cuts = {k: _cuts(data.values[seen[:, k], k]) for k in range(len(names))}
    split = [(j, k) for j in incomplete for k in range(len(names)) if k != j and len(cuts[k])]

    def rates_by_tenth(x: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [_rates_within(x[:, k], s[:, k], ~s[:, j], cuts[k]) for j, k in split] or [np.empty(0)]
        )

    observed = data.values, seen
    labels = [(names[j], names[k], q + 1) for j, k in split for q in range(len(cuts[k]) + 1)]
    deciles = _compared(rates_by_tenth, observed, tables)
    return MaskCheck(
        _compared(missing_rates, observed, tables).set_axis(
            pd.Index([names[j] for j in incomplete])
        ),
        _compared(both_missing, observed, tables).set_axis(
            pd.MultiIndex.from_tuples([(names[j], names[k]) for j, k in pairs], names=["a", "b"])
        ),
        deciles.set_axis(pd.MultiIndex.from_tuples(labels, names=["missing", "by", "tenth"])),
        _calibrated(fitted, data, model, incomplete, particles, seed),
    )


def check_values(
    fitted: Fitted, data: IncompleteData, *, replications: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Check mean, sd, skewness and quantiles of observed values against replicated tables.

    Of each replicate, only the values count that its own mask leaves observed. (An ignorable
    mechanism has no mask to sample; there the table's own mask is used, so that the check is rough
    where absence depends on other columns.) Skewness and tails show whether the decoder's
    distributions have the wrong shape, on which the level of missing values rests under MNAR.

    Returns:
        One row per column and statistic, with the columns of :class:`MaskCheck`'s tables:
        ``observed``, ``mean``, ``lower``, ``upper`` and ``p_value``.

    Raises:
        ValueError: the data have other columns than the model.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).exponential(size=(300, 2))
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=200, progress=False)
    >>> found = ab.check.check_values(fitted, data, replications=50)
    >>> bool(found.loc[("a", "skewness"), "p_value"] < 0.05)  # a Gaussian has none
    True
    """
    model, data = prepared(fitted, data)
    seen = data.s.cpu().numpy()
    tables: list[tuple[np.ndarray, np.ndarray]] = []
    # in a pattern mixture observed and missing values differ, though its mask is ignorable
    own_mask = not model.missingness.ignorable or model.delta is not None
    for x, s in _replicated(model, data, replications, seed):
        tables.append((x, s if own_mask else seen))
    names = [j for j in range(len(data.columns)) if seen[:, j].sum() > 2]

    def statistics(x: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.concatenate([_statistics(x[s[:, j], j]) for j in names])

    found = _compared(statistics, (data.values, seen), tables)
    labels = [(data.columns[j], name) for j in names for name in _STATISTICS]
    return found.set_axis(pd.MultiIndex.from_tuples(labels, names=["column", "statistic"]))


def _replicated(
    model: RowModel, data: IncompleteData, count: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for k in range(count):
        yield replicates(model, data, seed=seed + k)


def _compared(
    of: Callable[[np.ndarray, np.ndarray], np.ndarray],
    observed: tuple[np.ndarray, np.ndarray],
    tables: list[tuple[np.ndarray, np.ndarray]],
) -> pd.DataFrame:
    """Compare statistics of the data, which ``of`` computes, with those of replicates.

    A statistic may have no value (NaN) in some replicates, which then do not count.
    """
    here = of(*observed)
    several = np.stack([of(*table) for table in tables])
    with np.errstate(invalid="ignore"):
        above = (several >= here).sum(0) + 1
        below = (several <= here).sum(0) + 1
    defined = (~np.isnan(several)).sum(0)
    p_value = np.minimum(2 * np.minimum(above, below) / (defined + 1), 1.0)
    mean, low, high = np.full((3, *here.shape), np.nan)
    known = defined > 0
    if known.any():
        mean[known] = np.nanmean(several[:, known], 0)
        low[known], high[known] = np.nanquantile(several[:, known], [0.05, 0.95], axis=0)
    return pd.DataFrame(
        {
            "observed": here,
            "mean": mean,
            "lower": low,
            "upper": high,
            "p_value": np.where(np.isnan(here), 1.0, p_value),
        }
    )


def _cuts(values: np.ndarray) -> np.ndarray:
    """Return the inner borders of the tenths of some values, at most nine."""
    if not len(values):
        return np.empty(0)
    return np.unique(np.quantile(values, np.arange(1, _DECILES) / _DECILES))


def _rates_within(
    by: np.ndarray, seen: np.ndarray, missing: np.ndarray, cuts: np.ndarray
) -> np.ndarray:
    """Return the missing rate in each part of another column's observed values."""
    part = np.searchsorted(cuts, by[seen], side="right")
    count = np.bincount(part, minlength=len(cuts) + 1)
    hits = np.bincount(part, weights=missing[seen], minlength=len(cuts) + 1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, hits / count, np.nan)


@torch.no_grad()
def _calibrated(
    fitted: Fitted,
    data: IncompleteData,
    model: RowModel,
    incomplete: list[int],
    particles: int,
    seed: int,
) -> pd.DataFrame:
    """Bin cells by their probability of being missing, and return the share missing in each bin."""
    mechanism = model.missingness
    if set(mechanism.asks) & {"z", "z_mask"} or not incomplete:
        return pd.DataFrame(columns=["predicted", "missing", "cells"])
    filled = impute(
        fitted, data, particles, refine=False, draws=5, seed=seed, check=False, unfitted=True
    )
    context = {name: data.extras()[name] for name in mechanism.asks if name != "s"}
    if "s" in mechanism.asks:
        context["s"] = data.s
    held = coefficient_medians(model)
    predicted = []
    for table in filled.draws(5):
        x = torch.as_tensor(data.scaler.apply(table)).to(data.x)
        chance = mechanism(x, **context, **held).log_prob(torch.zeros_like(x)).exp()
        predicted.append(chance[:, incomplete].double().cpu().numpy().ravel())
    p = np.concatenate(predicted)
    missing = np.tile((~data.s.cpu().numpy())[:, incomplete].ravel(), len(predicted))
    part = np.minimum((p * _DECILES).astype(int), _DECILES - 1)
    frame = pd.DataFrame({"part": part, "predicted": p, "missing": missing})
    grouped = frame.groupby("part")
    result = grouped.mean()
    result["cells"] = grouped.size() // len(predicted)
    return result.reset_index(drop=True)


_STATISTICS = ("mean", "sd", "skewness", "q10", "q50", "q90")


def _statistics(values: np.ndarray) -> np.ndarray:
    """Return the statistics of a column's observed values; NaN for fewer than three values."""
    from scipy.stats import skew  # takes half a second to import

    if len(values) < 3 or values.min() == values.max():
        return np.full(len(_STATISTICS), np.nan)
    quantiles = np.quantile(values, [0.1, 0.5, 0.9])
    return np.array([values.mean(), values.std(), float(skew(values)), *quantiles])
