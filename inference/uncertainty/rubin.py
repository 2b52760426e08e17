"""Rubin's rules: one answer from the analyses of several completed tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.typing import DataFrameGroupBy

from ...data.errors import AbsentiaError, AnalysisError, InputError, KindError
from .analysis import Analysis, read_analysis
from .regression import Regression

_STACKED = "imputation"  # the index level that numbers the tables where they are stacked


@dataclass(frozen=True)
class Pooled:
    """Estimates of one analysis, pooled over m completed tables.

    Attributes:
        table: one row per estimate, with the columns ``estimate``, ``se`` (its standard error),
            ``lower`` and ``upper`` (the ends of its interval), ``df`` (degrees of freedom),
            ``p_value`` (of the hypothesis that it is 0), ``within`` (the mean variance within a
            table), ``between`` (the variance between tables), ``fmi`` (the fraction of missing
            information) and ``riv`` (the relative increase in variance that missing values cause).
        covariance: (q, q) the total covariance of the q estimates.
        m: the number of tables.
        level: the coverage of the intervals, a probability.
    """

    table: pd.DataFrame
    covariance: pd.DataFrame
    m: int
    level: float

    def __repr__(self) -> str:
        """Show the summary, below a line with the number of tables and the level."""
        return f"Pooled over {self.m} tables, {100 * self.level:g} % intervals\n{self.summary()}"

    def summary(self) -> pd.DataFrame:
        """Return the table that is reported: estimates, errors, tests and missing information."""
        return self.table[["estimate", "se", "df", "p_value", "lower", "upper", "fmi"]]

    def to_frame(self) -> pd.DataFrame:
        """Return all that is known of each estimate, as a table of one's own to change."""
        return self.table.copy()


def pool(
    tables: Iterable[Any],
    analysis: Callable[[pd.DataFrame], Any] | str | None = None,
    *,
    level: float = 0.95,
    complete_df: float | None = None,
) -> Pooled:
    """Pool an analysis over completed tables by Rubin's rules.

    Let Q_i be the estimate in table i of m, U_i its variance, and B the variance of the Q_i between
    the tables. The pooled estimate Q and its total variance T are

        Q = mean Q_i,   T = mean U_i + (1 + 1/m) B

    (Rubin, *Multiple Imputation for Nonresponse in Surveys*, 1987). The degrees of freedom of T are
    adjusted for small samples as in Barnard & Rubin (Biometrika 1999).

    The intervals have the coverage that they state if the tables are *proper* draws, which carry
    the uncertainty about the model's parameters: those of :func:`absentia.multiple_imputation`, and
    not those of ``impute(...).frames()``.

    Args:
        tables: the completed tables: a list of them, a mapping from names to them, one table in
            which they are stacked under an index level "imputation" (as from
            ``MNARImputer.multiple_impute``), or such a table grouped by the level. Without
            ``analysis``, give the results of the analyses instead of the tables.
        analysis: the analysis of one table. It returns an object with ``params`` and
            ``cov_params()`` (statsmodels; parameters of several equations are named by equation and
            term), or a pair of estimates and variances: numbers, Series, or a Series and a
            covariance matrix. Labels decide which variance belongs to which estimate, whatever
            their order. A formula, such as ``"y ~ x + z"``, stands for a linear regression;
            ``absentia.inference.Regression`` has other families, and weights.
        level: the coverage of the intervals, a probability.
        complete_df: the degrees of freedom of the analysis of a complete table; when left out,
            those of the results (``df_resid``), or infinitely many.

    Raises:
        ValueError: there are fewer than two tables, results do not name the same estimates, labels
            occur twice or differ, or variances are negative or not finite; the message names the
            table.
        TypeError: the tables or a result are of none of these types.
        RuntimeError: an analysis failed; the message names the table.

    >>> import numpy as np
    >>> import absentia as ab
    >>> pooled = ab.pool([(1.0, 0.5), (2.0, 0.5), (3.0, 0.5)])
    >>> pooled.table.loc["estimate", ["estimate", "within", "between"]].tolist()
    [2.0, 0.5, 1.0]
    >>> bool(np.isclose(pooled.table.loc["estimate", "se"] ** 2, 0.5 + (1 + 1 / 3) * 1.0))
    True
    """
    if isinstance(analysis, str):
        analysis = Regression(analysis)
    if not 0 < level < 1:
        raise InputError(f"level is {level}; give a probability such as 0.95")
    if complete_df is not None and not complete_df > 0:
        raise InputError(f"complete_df is {complete_df}; give a positive number, or leave it out")
    analysed = [_analysed(label, table, analysis) for label, table in _one_by_one(tables, analysis)]
    m = len(analysed)
    if m < 2:
        raise InputError(f"{m} table(s) to pool; the variance between tables needs at least 2")
    (first, one), *others = analysed
    names = one.estimate.index
    for label, other in others:
        if set(other.estimate.index) != set(names):
            raise InputError(
                f"table {label} has the estimates {list(other.estimate.index)} and table {first} "
                f"{list(names)}; return the same estimates from every table"
            )
    found = [_in_order(one, names) for _, one in analysed]
    estimates = np.stack([one.estimate.to_numpy(float) for one in found])
    within = np.mean([one.covariance for one in found], axis=0)
    centred = estimates - estimates.mean(0)
    between = centred.T @ centred / (m - 1)
    total = within + (1 + 1 / m) * between
    df_complete = min(one.df for one in found) if complete_df is None else float(complete_df)
    table = _table(estimates.mean(0), within, between, total, m, df_complete, level)
    covariance = pd.DataFrame(total, index=names, columns=names)
    return Pooled(table.set_axis(names), covariance, m, level)


def _one_by_one(tables: Any, analysis: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each table with its name, which is its own or its number from 0.

    Raises:
        TypeError: the argument is not several tables.
    """
    if isinstance(tables, pd.DataFrame):
        if _STACKED not in tables.index.names:
            raise KindError(
                f"tables is one table of {len(tables)} rows; give a list of completed tables, a "
                f"table with the index level '{_STACKED}', or tables.groupby(...) by the column "
                f"that numbers the tables"
            )
        tables = tables.groupby(level=_STACKED, sort=False)
    if isinstance(tables, DataFrameGroupBy):
        for label, table in tables:
            name = label[0] if isinstance(label, tuple) and len(label) == 1 else label
            yield name, _unstacked(table)
    elif isinstance(tables, Mapping):
        yield from tables.items()
    elif isinstance(tables, str) or not isinstance(tables, Iterable):
        raise KindError(f"tables is a {type(tables).__name__}; give a list of completed tables")
    else:
        for number, table in enumerate(tables):
            pair = analysis is not None and isinstance(table, tuple) and len(table) == 2
            if pair and isinstance(
                table[1], pd.DataFrame
            ):  # an element of list(frame.groupby(...))
                yield table[0], _unstacked(table[1])
            else:
                yield number, table


def _unstacked(table: pd.DataFrame) -> pd.DataFrame:
    """Return one of the stacked tables, with its own index."""
    if table.index.nlevels > 1 and _STACKED in table.index.names:
        return table.droplevel(_STACKED)
    return table


def _analysed(
    label: Any, table: Any, analysis: Callable[[pd.DataFrame], Any] | None
) -> tuple[Any, Analysis]:
    """Run the analysis on one table; an error names the table."""
    try:
        result = table if analysis is None else analysis(table)
    except Exception as error:
        raise _failed(label, error) from error
    try:
        return label, read_analysis(result)
    except (TypeError, ValueError) as error:
        raise type(error)(f"table {label}: {error}") from error
    except Exception as error:  # results compute their covariance only when it is read
        raise _failed(label, error) from error


def _failed(label: Any, error: Exception) -> AnalysisError:
    if isinstance(error, AbsentiaError):  # says in full what is wrong
        return AnalysisError(f"table {label}: {error}")
    return AnalysisError(f"the analysis of table {label} failed: {type(error).__name__}: {error}")


def _in_order(one: Analysis, names: pd.Index) -> Analysis:
    """Return the same analysis with its estimates in the order of these names."""
    at = one.estimate.index.get_indexer(names)
    return one._replace(estimate=one.estimate.iloc[at], covariance=one.covariance[np.ix_(at, at)])


def _table(
    estimate: np.ndarray,
    within: np.ndarray,
    between: np.ndarray,
    total: np.ndarray,
    m: int,
    complete_df: float,
    level: float,
) -> pd.DataFrame:
    """Tabulate all that is reported of each estimate."""
    from scipy.stats import t as student_t  # takes half a second to import

    u, b, t = np.diag(within), np.diag(between), np.diag(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        # the share of the total variance that missing values cause, lambda in the literature
        share = np.where(t > 0, (1 + 1 / m) * b / t, 0.0)
        riv = np.where(b > 0, (1 + 1 / m) * b / u, 0.0)
        df = barnard_rubin(share, m, complete_df)
        fmi = np.where(np.isinf(riv), 1.0, (riv + 2 / (df + 3)) / (1 + riv))
        se = np.sqrt(t)
        p_value = 2 * student_t.sf(np.abs(estimate) / se, df)
    half_width = student_t.ppf((1 + level) / 2, df) * se
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "lower": estimate - half_width,
            "upper": estimate + half_width,
            "df": df,
            "p_value": p_value,
            "within": u,
            "between": b,
            "fmi": np.where(b > 0, fmi, 0.0),
            "riv": riv,
        }
    )


def barnard_rubin(share: np.ndarray, m: int, complete_df: float) -> np.ndarray:
    """Return degrees of freedom, given lambda = (1 + 1/m) B / T and those of a complete table.

    >>> import numpy as np
    >>> barnard_rubin(np.array([0.5]), 5, np.inf)
    array([16.])
    """
    with np.errstate(divide="ignore"):
        rubin = (m - 1) / np.square(share)  # for a large sample
        if np.isinf(complete_df):
            return rubin
        observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
        return np.asarray(1 / (1 / rubin + 1 / observed))
