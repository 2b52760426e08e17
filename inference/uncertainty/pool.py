"""Rubin's rules: one answer from the analyses of several completed tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student_t


class Analysis(NamedTuple):
    """What one completed table says: estimates (q,), their covariance (q, q), complete-data df."""

    estimate: pd.Series
    covariance: np.ndarray
    df: float


@dataclass(frozen=True)
class Pooled:
    """Estimates pooled over m completed tables.

    ``table`` has a row an estimate: ``estimate``, ``se``, ``lower``, ``upper``, ``df``,
    ``p_value`` (of being 0), ``within`` and ``between`` variance, ``fmi`` (the fraction of missing
    information) and ``riv`` (the relative increase of the variance by missingness).
    ``covariance`` (q, q) is their total covariance.
    """

    table: pd.DataFrame
    covariance: pd.DataFrame
    m: int
    level: float

    def __repr__(self) -> str:
        """The table, under what it was pooled from."""
        shown = self.table[["estimate", "se", "lower", "upper", "df", "fmi"]]
        return f"Pooled over {self.m} tables, {100 * self.level:g} % intervals\n{shown}"


def pool(
    tables: Iterable[Any],
    analysis: Callable[[pd.DataFrame], Any] | None = None,
    *,
    level: float = 0.95,
    complete_df: float | None = None,
) -> Pooled:
    """Pool an analysis over completed tables by Rubin's rules.

    With Q_i and U_i the estimate and its variance in table i, and B the variance of the Q_i,

        Q = mean Q_i,   T = mean U_i + (1 + 1/m) B,

    (Rubin, *Multiple Imputation for Nonresponse in Surveys*, 1987), and T's degrees of freedom as
    Barnard & Rubin (Biometrika 1999) adjust them for small samples.

    The intervals hold what they promise where the tables are *proper* draws, which carry the
    uncertainty about the model's parameters: :func:`absentia.multiple_imputation`, not
    ``impute(...).frames()``.

    :param tables: completed tables, or with ``analysis`` left out the results of their analyses.
    :param analysis: of one table: anything with ``params`` and ``cov_params()`` (statsmodels), or a
        pair of estimates and variances: numbers, Series, or a Series and a covariance matrix.
    :param level: of the intervals.
    :param complete_df: degrees of freedom that the analysis of a complete table has; those of the
        results (``df_resid``), or infinitely many, when left out.
    :raises ValueError: fewer than two tables, results that do not name the same estimates, or
        variances that are negative or not finite.
    :raises TypeError: a result that is none of these.

    >>> import numpy as np
    >>> import absentia as ab
    >>> pooled = ab.pool([(1.0, 0.5), (2.0, 0.5), (3.0, 0.5)])
    >>> pooled.table.loc["estimate", ["estimate", "within", "between"]].tolist()
    [2.0, 0.5, 1.0]
    >>> bool(np.isclose(pooled.table.loc["estimate", "se"] ** 2, 0.5 + (1 + 1 / 3) * 1.0))
    True
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a probability such as 0.95")
    found = [_read(table if analysis is None else analysis(table)) for table in tables]
    m = len(found)
    if m < 2:
        raise ValueError(f"{m} table(s) to pool; the variance between tables needs at least 2")
    names = found[0].estimate.index
    for number, one in enumerate(found):
        if not one.estimate.index.equals(names):
            raise ValueError(
                f"table {number} has estimates {list(one.estimate.index)}, table 0 {list(names)}; "
                f"an analysis must name the same ones in every table"
            )
    estimates = np.stack([one.estimate.to_numpy(float) for one in found])
    within = np.mean([one.covariance for one in found], axis=0)
    centred = estimates - estimates.mean(0)
    between = centred.T @ centred / (m - 1)
    total = within + (1 + 1 / m) * between
    df_complete = min(one.df for one in found) if complete_df is None else float(complete_df)
    table = _table(estimates.mean(0), within, between, total, m, df_complete, level)
    covariance = pd.DataFrame(total, index=names, columns=names)
    return Pooled(table.set_axis(names), covariance, m, level)


def _table(
    estimate: np.ndarray,
    within: np.ndarray,
    between: np.ndarray,
    total: np.ndarray,
    m: int,
    complete_df: float,
    level: float,
) -> pd.DataFrame:
    u, b, t = np.diag(within), np.diag(between), np.diag(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(t > 0, (1 + 1 / m) * b / t, 0.0)  # lambda, of the variance
        riv = np.where(b > 0, (1 + 1 / m) * b / u, 0.0)
        df = barnard_rubin(share, m, complete_df)
        fmi = np.where(np.isinf(riv), 1.0, (riv + 2 / (df + 3)) / (1 + riv))
        se = np.sqrt(t)
        p_value = 2 * student_t.sf(np.abs(estimate) / se, df)
    half = student_t.ppf((1 + level) / 2, df) * se
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "lower": estimate - half,
            "upper": estimate + half,
            "df": df,
            "p_value": p_value,
            "within": u,
            "between": b,
            "fmi": np.where(b > 0, fmi, 0.0),
            "riv": riv,
        }
    )


def barnard_rubin(share: np.ndarray, m: int, complete_df: float) -> np.ndarray:
    """Degrees of freedom, given lambda = (1 + 1/m) B / T and those of a complete table.

    >>> import numpy as np
    >>> barnard_rubin(np.array([0.5]), 5, np.inf)
    array([16.])
    """
    with np.errstate(divide="ignore"):
        old = (m - 1) / np.square(share)
        if np.isinf(complete_df):
            return old
        observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
        return np.asarray(1 / (1 / old + 1 / observed))


def _read(result: Any) -> Analysis:
    """A result as estimates, covariance and degrees of freedom.

    Raises:
        TypeError, ValueError: see :func:`pool`.
    """
    if hasattr(result, "params") and hasattr(result, "cov_params"):
        estimate = pd.Series(result.params)
        covariance = np.asarray(result.cov_params(), dtype=float)
        # a likelihood's estimates are as good as Normal: statsmodels says so by use_t
        exact = getattr(result, "use_t", True)
        df = float(getattr(result, "df_resid", np.inf)) if exact else np.inf
        return _checked(estimate, covariance, df)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"an analysis returned a {type(result).__name__}; return results of statsmodels, or "
            f"estimates and variances: return mean, variance"
        )
    estimate, variance = result
    if isinstance(estimate, pd.Series):
        names: Any = estimate.index
    else:
        size = np.atleast_1d(np.asarray(estimate, dtype=float)).size
        names = ["estimate"] if size == 1 else [f"estimate {k}" for k in range(size)]
    values = pd.Series(np.atleast_1d(np.asarray(estimate, dtype=float)), index=names)
    if isinstance(variance, pd.Series):
        variance = variance.reindex(names)
    spread = np.atleast_1d(np.asarray(variance, dtype=float))
    return _checked(values, np.diag(spread) if spread.ndim == 1 else spread, np.inf)


def _checked(estimate: pd.Series, covariance: np.ndarray, df: float) -> Analysis:
    q = len(estimate)
    if covariance.shape != (q, q):
        raise ValueError(f"{q} estimates came with variances of shape {covariance.shape}")
    bad = ~np.isfinite(estimate.to_numpy(float)) | ~(np.diag(covariance) >= 0)
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"'{estimate.index[k]}' is {estimate.iloc[k]:g} with variance {covariance[k, k]:g}; "
            f"both must be finite, the variance at least 0"
        )
    return Analysis(estimate, covariance, df)
