"""Regressions by formula as analyses of completed tables: linear, logistic and Poisson."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from ...data.errors import AnalysisError, InputError, NotInstalledError

Family = Literal["gaussian", "binomial", "poisson"]
_NEEDED = "regressions need the package statsmodels; install it (pip install 'absentia[analysis]')"


@dataclass(frozen=True)
class Regression:
    """A regression by formula, as an analysis for :func:`absentia.pool`.

    Rows with a missing value in one of its columns are left out, so that the same regression of an
    incomplete table is that of its complete cases. Columns of text are categories.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"y": [1.0, 2.0, 3.5, 4.0], "x": [0.0, 1.0, 2.0, 3.0]})
    >>> Regression("y ~ x")(table).params.round(2).to_dict()
    {'Intercept': 1.05, 'x': 1.05}

    Args:
        formula: a formula in Wilkinson notation, such as ``"y ~ x + z"``; ``"y ~ 1"`` is the mean.
        family: "gaussian" for a linear regression, "binomial" for a logistic one of a column of two
            values, "poisson" for one of counts.
        weights: a column of sampling weights; they are scaled to the mean 1, and standard errors
            are robust.
        robust: whether standard errors allow for unequal variances (HC1).

    Raises:
        InputError: the formula cannot be read or has no left side, or the family is unknown.
        NotInstalledError: at the first call, where statsmodels is not installed.
    """

    formula: str
    family: Family = "gaussian"
    weights: str | None = None
    robust: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no regression."""
        if self.family not in get_args(Family):
            raise InputError(f"family {self.family!r} is not one of {', '.join(get_args(Family))}")
        parsed = _parsed(self.formula)
        if not hasattr(parsed, "lhs") or len(parsed.lhs) != 1:
            raise InputError(
                f"the formula {self.formula!r} needs one column on its left side; write it as in "
                f"'y ~ x + z', and a mean as 'y ~ 1'"
            )

    @property
    def columns(self) -> list[str]:
        """The columns that the regression reads, weights included."""
        found = sorted(map(str, _parsed(self.formula).required_variables))
        return found + ([] if self.weights is None else [self.weights])

    def check(self, table: pd.DataFrame) -> None:
        """Refuse a table that lacks a column.

        Raises:
            InputError: names the column and those that there are.
        """
        for name in self.columns:
            if name not in table.columns:
                known = ", ".join(map(str, table.columns[:12]))
                raise InputError(
                    f"'{self.formula}' reads column '{name}', and the table has {known}; write "
                    f"names with blanks between backticks"
                )

    def __call__(self, table: pd.DataFrame) -> Any:
        """Return the results of statsmodels for one table.

        Raises:
            InputError: a column is missing or cannot be used so.
            AnalysisError: the regression has no unique solution.
        """
        import formulaic

        try:
            from statsmodels.genmod import families
            from statsmodels.genmod.generalized_linear_model import GLM
            from statsmodels.regression.linear_model import WLS
        except ImportError as error:
            raise NotInstalledError(_NEEDED) from error
        self.check(table)
        table = table.reset_index(drop=True)
        if self.family == "binomial":
            table = _with_binary_response(table, str(_parsed(self.formula).lhs[0]))
        if self.weights is not None:
            table = table[table[self.weights].notna()]
        with np.errstate(all="ignore"):  # what is no number is refused below, by its name
            matrices = formulaic.model_matrix(self.formula, table, na_action="drop")
        y, x = pd.DataFrame(matrices.lhs), pd.DataFrame(matrices.rhs).astype(float)
        if y.shape[1] != 1:
            raise InputError(
                f"the left side of '{self.formula}' is no number; give a column of numbers, or "
                f"family binomial for a column of two values"
            )
        response = y.iloc[:, 0].astype(float)
        self._check_numbers(table, response.to_frame(), x)
        self._check_design(x)
        if self.family == "poisson" and not (response >= 0).all():
            raise InputError(
                f"family poisson needs counts, and the response of '{self.formula}' is negative in "
                f"{int((response < 0).sum())} of {len(response)} rows"
            )
        weights = None
        if self.weights is not None:
            weights = table.loc[y.index, self.weights].to_numpy(float)
            if not (weights >= 0).all() or not weights.sum() > 0:
                raise InputError(
                    f"weights '{self.weights}' must be 0 or positive, and some positive"
                )
            weights = weights / weights.mean()
        robust = {"cov_type": "HC1"} if self.robust or weights is not None else {}
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            if self.family == "gaussian":
                model = WLS(response, x, weights=1.0 if weights is None else weights)
                return model.fit(**robust, use_t=True)
            family = families.Binomial() if self.family == "binomial" else families.Poisson()
            found = GLM(response, x, family=family, var_weights=weights).fit(**robust)
        said = [one.category.__name__ for one in heard]
        if "PerfectSeparationWarning" in said or not found.converged:
            why = "its terms tell the two values apart without error (perfect separation)"
            raise AnalysisError(
                f"'{self.formula}' has no finite estimate: "
                f"{why if self.family == 'binomial' else 'the fit does not converge'}; drop a term"
            )
        return found

    def _check_numbers(self, table: pd.DataFrame, *sides: pd.DataFrame) -> None:
        """Refuse terms without a finite number where the columns that they read have values.

        Rows in which a term is no number would be left out without a word.
        """
        for side in sides:
            bad = ~np.isfinite(side)
            for name in (n for n in side.columns if bad[n].any()):
                raise InputError(
                    f"'{name}' in '{self.formula}' is infinite in {int(bad[name].sum())} of "
                    f"{len(side)} rows; write it so that it has a value for each"
                )
        lost = int(table[self.columns].notna().all(axis=1).sum()) - len(sides[0])
        if lost > 0:
            raise InputError(
                f"a term of '{self.formula}' is no number in {lost} rows in which its columns have "
                f"values, as the logarithm of a negative number is; write it so that it has a "
                f"value for each"
            )

    def _check_design(self, x: pd.DataFrame) -> None:
        n, q = x.shape
        if n <= q:
            raise AnalysisError(
                f"'{self.formula}' has {q} coefficients and {n} rows without a missing value"
            )
        spread = x / np.maximum(np.abs(x).max(), 1e-300)
        if np.linalg.matrix_rank(spread.to_numpy()) < q:
            raise AnalysisError(
                f"the terms of '{self.formula}' are linearly dependent in this table; drop one"
            )


def _parsed(formula: str) -> Any:
    import formulaic

    try:
        return formulaic.Formula(formula)
    except Exception as error:  # its parser raises errors of several kinds
        # what follows a blank line is the place, in colours
        why = " ".join(str(error).partition("\n\n")[0].split()).rstrip(".")
        raise InputError(
            f"the formula {formula!r} cannot be read ({why}); write it as in 'y ~ x + z'"
        ) from error


def _with_binary_response(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the table with a response of two values as 0 and 1, of which 1 is the last in order.

    Raises:
        InputError: the response is a column of more values.
    """
    if name not in table.columns:  # an expression, which the formula computes
        return table
    column = table[name]
    levels = two_levels(column)
    if levels is None:
        raise InputError(
            f"family binomial needs a response of two values, and '{name}' has {column.nunique()}"
        )
    numbers = (column == levels[1]).astype(float).where(column.notna())
    return table.assign(**{name: numbers})


def two_levels(column: pd.Series[Any]) -> tuple[Any, Any] | None:
    """Return the two values of a column in their order; None where it does not have two."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = list(column.cat.categories)
    else:
        levels = sorted(column.dropna().unique(), key=lambda v: (str(type(v)), v))
    return (levels[0], levels[1]) if len(levels) == 2 else None


def with_common_levels(tables: Mapping[Any, pd.DataFrame]) -> dict[Any, pd.DataFrame]:
    """Return tables whose columns of text are categories of the levels of all tables.

    A level that happens not to occur in one of several completed tables keeps its coefficient.
    """
    if not tables:
        return {}
    whole = pd.concat(list(tables.values()), ignore_index=True)
    levels = {
        name: sorted(column.dropna().unique(), key=str)
        for name, column in whole.items()
        if not pd.api.types.is_numeric_dtype(column) and column.dtype.kind not in "Mm"
    }
    return {
        label: table.assign(
            **{
                str(name): pd.Categorical(table[name], categories=of, ordered=False)
                for name, of in levels.items()
            }
        )
        for label, table in tables.items()
    }
