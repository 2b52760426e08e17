"""The analysis of one completed table: estimates, covariance, degrees of freedom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...data.errors import InputError, KindError

_WHAT = (
    "return the results of a model of statsmodels, or a pair of estimates and variances (numbers, "
    "Series, or a Series and a covariance matrix)"
)
#: how far a covariance may be from symmetric, as a share of the largest variance: more than the
#: rounding error of an inverse
_ASYMMETRY = 1e-6


class Analysis(NamedTuple):
    """The result for one completed table: estimates (q,), covariance (q, q), complete-data df."""

    estimate: pd.Series
    covariance: np.ndarray
    df: float


def read_analysis(result: Any) -> Analysis:
    """Read a result as estimates, covariance and degrees of freedom, in the estimates' order.

    Labels decide which variance belongs to which estimate; without labels their positions do.

    Args:
        result: results with ``params`` and ``cov_params()`` (statsmodels), ``params`` and ``cov``
            (linearmodels) or ``params_`` and ``variance_matrix_`` (lifelines), or a pair of
            estimates and variances.

    Raises:
        TypeError: the result is none of these, or its estimates are no numbers.
        ValueError: labels occur twice or those of estimates and variances differ, the covariance is
            not symmetric, or variances are negative or not finite.
    """
    if isinstance(result, tuple) and not hasattr(result, "params") and len(result) == 2:
        return _checked(*_labelled(*result), np.inf)
    if not is_fitted(result):
        raise KindError(f"an analysis returned a {type(result).__name__}; {_WHAT}")
    estimate, covariance = _parameters(result)
    # statsmodels and linearmodels declare whether t or Normal intervals belong to the estimates
    exact = getattr(result, "use_t", getattr(result, "debiased", True))
    df = getattr(result, "df_resid", None) if exact else None
    return _checked(*_labelled(estimate, covariance), np.inf if df is None else float(df))


def is_fitted(result: Any) -> bool:
    """Whether these are results of a fitted model with a covariance of its parameters."""
    return any(
        hasattr(result, name) and hasattr(result, of)
        for name, of in (("params", "cov_params"), ("params", "cov"), ("params_", _LIFELINES))
    )


_LIFELINES = "variance_matrix_"


def _parameters(result: Any) -> tuple[Any, Any]:
    """Return estimates and covariance of a fitted model, under the model's own names."""
    if hasattr(result, _LIFELINES):
        return result.params_, result.variance_matrix_
    estimate = result.params
    covariance = result.cov_params() if hasattr(result, "cov_params") else result.cov
    if np.ndim(estimate) == 2:
        return _equations(estimate, covariance, result)
    if not isinstance(estimate, pd.Series):
        names = _names(result, np.size(estimate))
        estimate = pd.Series(np.ravel(estimate), index=names)
    return estimate, covariance


def _names(result: Any, count: int) -> list[str]:
    """Return a model's parameter names where parameters are an array, as in a Cox model."""
    model = getattr(result, "model", None)
    for owner in (getattr(model, "data", None), model):
        for where in ("param_names", "exog_names"):
            names = getattr(owner, where, None)
            if names is not None and len(names) == count:
                return [str(name) for name in names]
    return _numbered(count)


def _equations(estimate: Any, covariance: Any, result: Any) -> tuple[pd.Series, Any]:
    """Stack parameters of several equations, a table of term by equation, into one Series.

    The covariance of some models is sorted by equation (multinomial logit), that of others by term
    (vector autoregression). Its labels show which, or the standard errors where it has no labels.

    Raises:
        ValueError: neither labels nor standard errors show it.
    """
    if not isinstance(estimate, pd.DataFrame):
        values = np.asarray(estimate, dtype=float)
        terms = _names(result, len(values))
        estimate = pd.DataFrame(values, index=terms, columns=range(1, values.shape[1] + 1))
    terms, equations = list(estimate.index), list(estimate.columns)
    by_equation = _flat(estimate.T)
    if isinstance(covariance, pd.DataFrame):
        labels = list(covariance.index)
        if set(labels) == {(term, equation) for term in terms for equation in equations}:
            return _flat(estimate), covariance
        if set(labels) == {(equation, term) for term in terms for equation in equations}:
            return by_equation, covariance
        # statsmodels numbers the equations in one table and names them in the other
        inner = [label[-1] for label in labels if isinstance(label, tuple)]
        if inner == terms * len(equations):
            return by_equation.set_axis(covariance.index), covariance
    elif hasattr(result, "bse"):
        spread, errors = np.sqrt(np.diag(covariance)), np.asarray(result.bse)
        if spread.size == errors.size and np.allclose(spread, errors.ravel("F")):
            return by_equation, covariance
        if spread.size == errors.size and np.allclose(spread, errors.ravel()):
            return _flat(estimate), covariance
    raise InputError(
        f"the labels of the covariance do not name the {len(terms)} terms and {len(equations)} "
        f"equations of the estimates; return a Series of estimates and a covariance matrix with "
        f"the same labels"
    )


def _labelled(estimate: Any, variance: Any) -> tuple[pd.Series, np.ndarray]:
    """Return estimates with names, and their covariance (q, q) in the same order."""
    if isinstance(estimate, Mapping):
        estimate = pd.Series(dict(estimate))
    if isinstance(variance, Mapping):
        variance = pd.Series(dict(variance))
    if isinstance(estimate, pd.DataFrame):
        if isinstance(variance, pd.DataFrame) and variance.shape == estimate.shape != (1, 1):
            variance = _aligned(variance, estimate.index, "rows of the variances")
            variance = _aligned(variance.T, estimate.columns, "columns of the variances").T
            variance = _flat(variance)
        estimate = _flat(estimate)
    values = _numbers(estimate, "estimates")
    if values.ndim > 1 and values.size != len(values):
        raise InputError(
            f"estimates of shape {values.shape} have no names; return a Series of them and a "
            f"covariance matrix with the same labels"
        )
    values = values.ravel()
    labels = variance.index if isinstance(variance, pd.Series | pd.DataFrame) else None
    if isinstance(estimate, pd.Series):
        found = pd.Series(values, index=estimate.index)
    elif labels is not None and len(labels) == len(values) and not _by_number(labels):
        found = pd.Series(values, index=labels)
    else:
        found = pd.Series(values, index=_numbered(len(values)))
    _refuse_twice(found.index, "estimates")
    if labels is not None and not _by_number(labels):
        variance = _aligned(variance, found.index, "variances")
    if isinstance(variance, pd.DataFrame) and not _by_number(variance.columns):
        variance = _aligned(variance.T, found.index, "columns of the covariance").T
    spread = np.atleast_1d(_numbers(variance, "variances"))
    return found, np.diag(spread) if spread.ndim == 1 else spread


def _flat(table: pd.DataFrame) -> pd.Series:
    """Flatten a table row by row, named by row and column."""
    labels = pd.MultiIndex.from_product([table.index, table.columns])
    return pd.Series(table.to_numpy().ravel(), index=labels)


def _by_number(labels: pd.Index) -> bool:
    """Whether these are the default labels that pandas gives to unlabelled data."""
    return isinstance(labels, pd.RangeIndex) and labels.equals(pd.RangeIndex(len(labels)))


def _aligned(table: Any, labels: pd.Index, what: str) -> Any:
    _refuse_twice(table.index, what)
    if len(table.index) != len(labels) or not labels.isin(table.index).all():
        raise InputError(
            f"the {what} have the labels {_shown(table.index)} and the estimates "
            f"{_shown(labels)}; give both the same labels"
        )
    return table.loc[labels]


def _refuse_twice(labels: pd.Index, what: str) -> None:
    if not labels.is_unique:
        twice = labels[labels.duplicated()][0]
        raise InputError(
            f"the {what} have the label {twice!r} twice; give each of them a name of its own"
        )


def _numbers(values: Any, what: str) -> np.ndarray:
    try:
        found: np.ndarray = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise KindError(
            f"the {what} that an analysis returned are no numbers ({error}); {_WHAT}"
        ) from error
    return found


def _numbered(count: int) -> list[str]:
    return ["estimate"] if count == 1 else [f"estimate {k}" for k in range(count)]


def _shown(labels: pd.Index) -> str:
    more = ", ..." if len(labels) > 8 else ""
    return "[" + ", ".join(repr(label) for label in labels[:8]) + more + "]"


def _checked(estimate: pd.Series, covariance: np.ndarray, df: float) -> Analysis:
    q = len(estimate)
    if not q:
        raise InputError("an analysis returned no estimate; return at least one")
    if covariance.shape != (q, q):
        raise InputError(
            f"estimates of shape {(q,)} came with variances of shape {covariance.shape}; return "
            f"one variance for each estimate, or a covariance matrix of shape {(q, q)}"
        )
    bad = ~np.isfinite(estimate.to_numpy(float)) | ~(np.diag(covariance) >= 0)
    bad |= ~np.isfinite(covariance).all(axis=0)
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"estimate '{estimate.index[k]}' is {estimate.iloc[k]:g} with variance "
            f"{covariance[k, k]:g}; both must be finite, and the variance at least 0"
        )
    if np.abs(covariance - covariance.T).max() > _ASYMMETRY * np.abs(covariance).max():
        raise InputError(
            "the covariance of the estimates is not symmetric; return a symmetric matrix"
        )
    if not df > 0:
        raise InputError(
            f"the analysis has {df:g} degrees of freedom left; estimate fewer parameters, or give "
            f"complete_df="
        )
    return Analysis(estimate, covariance, df)
