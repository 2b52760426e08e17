"""Conversion of the imputer's input to a table in which pandas marks the missing values."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from ...data import Schema
from ...data.columns.levels import distinct
from ...data.columns.types import column_names
from ...data.errors import InputError, KindError
from ...data.foreign import EXACT, as_frame, is_table
from ...data.scan import Scan
from .markers import has_inexact, with_gaps

if TYPE_CHECKING:
    from .imputer import MNARImputer


class Given(NamedTuple):
    """The imputer's input as a table, and whether it was an array; markers have become missing."""

    frame: pd.DataFrame
    array: bool


def given_table(imputer: MNARImputer, X: Any, reset: bool) -> Given:
    """Convert any input to a table whose missing values are those of pandas.

    Tables of other libraries are converted; masked entries, None, NaN and pd.NA of arrays are
    missing, and whole numbers keep their digits.

    Args:
        imputer: the imputer, whose ``missing_values`` are markers of a missing value.
        X: the table or array.
        reset: whether ``fit`` calls, so that the columns are learnt and not compared.

    Raises:
        TypeError: the table is a scan.
        ValueError: there is no row or no column, the columns are not those of ``fit``, or a value
            is infinite.
    """
    if isinstance(X, Scan):
        raise KindError(
            "X is a Scan, and an imputer holds its table in memory; use absentia.fit(model, scan) "
            "and absentia.impute(fit, scan, out='folder')"
        )
    array = not is_table(X)
    frame = _of_array(imputer, X, reset) if array else _of_table(imputer, as_frame(X), reset)
    marked = with_gaps(frame, imputer.missing_values, column_names(frame.columns))
    if array:
        marked = _widened(marked)
    return Given(marked, array)


def given_names(imputer: MNARImputer, input_features: Any = None) -> list[str]:
    """Return the feature names that ``fit`` was given, or the default names of an array."""
    known = getattr(imputer, "feature_names_in_", None)
    if input_features is None:
        count = imputer.n_features_in_
        return list(known) if known is not None else [f"x{j}" for j in range(count)]
    names = list(input_features)
    if len(names) != imputer.n_features_in_:
        raise InputError(
            f"input_features should have length equal to number of features "
            f"({imputer.n_features_in_}), got {len(names)}"
        )
    if known is not None and names != list(known):
        raise InputError("input_features is not equal to feature_names_in_")
    return names


def seen_by_model(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with whole numbers beyond 2**53 rounded to floats, for the model."""
    large = [j for j in range(frame.shape[1]) if has_inexact(frame.iloc[:, j])]
    if not large:
        return frame
    result = frame.copy()
    for j in large:
        series = frame.iloc[:, j]
        values = series.to_numpy(dtype=object, na_value=np.nan).astype(np.float64)
        result.isetitem(j, values)
    return result


def without_unseen_levels(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the table in which a value that is not a level of its column is missing."""
    result = frame.copy()
    names = column_names(frame.columns)
    for column in schema:
        if column.levels:
            j = names.index(column.name)
            positions, values = distinct(frame.iloc[:, j])
            known = np.array([*(value in column.levels for value in values), True])
            if not known.all():
                seen: Any = frame.iloc[:, j].astype(object).where(known[positions], None)
                result.isetitem(j, seen)
    return result


def _of_table(imputer: MNARImputer, frame: pd.DataFrame, reset: bool) -> pd.DataFrame:
    """Check a table as scikit-learn does; one for a fit to an array gets the array's names."""
    column_names(frame.columns)
    validate_data(imputer, frame, reset=reset, skip_check_array=True)
    _check_size(frame.shape)
    unnamed = not reset and not hasattr(imputer, "feature_names_in_")
    return frame.set_axis(list(imputer._names), axis=1) if unnamed else frame


def _of_array(imputer: MNARImputer, X: Any, reset: bool) -> pd.DataFrame:
    """Check an array as scikit-learn does, and make a table of its columns."""
    X = _plain_array(X)
    if X is None or not _readable_objects(X):
        # infinity may be a marker of missing values; if it is not, a later error names its cell
        X = validate_data(imputer, X, reset=reset, dtype="numeric", ensure_all_finite=False)
    else:
        validate_data(imputer, X, reset=reset, skip_check_array=True)
        _check_size(X.shape)
    names = [f"x{j}" for j in range(X.shape[1])] if reset else list(imputer._names)
    return pd.concat([_column(X[:, j], name) for j, name in enumerate(names)], axis=1)


def _plain_array(X: Any) -> Any:
    """Convert masked arrays and lists to arrays, of objects if floats would change the values."""
    if isinstance(X, np.ma.MaskedArray):
        gaps, values = np.ma.getmaskarray(X), np.asarray(X.data)
        exact = values.dtype.kind in "biuf" and (
            values.dtype.kind in "bf" or not (np.abs(values[~gaps].astype(object)) > EXACT).any()
        )
        if exact:
            return np.where(gaps, np.nan, values.astype(np.float64))
        values = values.astype(object)
        values[gaps] = None
        return values
    if isinstance(X, list | tuple):
        try:
            found = np.asarray(X)
        except ValueError:  # the rows differ in length: scikit-learn raises the error
            return X
        # numpy has turned numbers beside text into text; objects keep them as they are
        return np.array(X, dtype=object) if found.dtype.kind in "US" else found
    return X


def _readable_objects(X: Any) -> bool:
    """Whether the input is a two-dimensional array of objects that are all single values."""
    if not isinstance(X, np.ndarray) or X.dtype != object or X.ndim != 2:
        return False
    return all(isinstance(v, Real | str) or pd.api.types.is_scalar(v) for v in X.flat)


def _column(values: np.ndarray, name: str) -> pd.Series[Any]:
    """Make a column of an array's values: of floats if all are numbers that floats can hold."""
    if values.dtype != object:
        return pd.Series(values, name=name)
    missing = pd.isna(values)
    present = values[~missing]
    if all(isinstance(v, Real) and not isinstance(v, bool | np.bool_) for v in present):
        if not any(isinstance(v, int | np.integer) and abs(int(v)) > EXACT for v in present):
            numbers = np.full(len(values), np.nan)
            numbers[~missing] = present.astype(np.float64)
            return pd.Series(numbers, name=name)
        return _objects(values, missing, name)
    return _objects(values, missing, name).infer_objects()


def _objects(values: np.ndarray, missing: np.ndarray, name: str) -> pd.Series[Any]:
    """Make a column of objects, with None where a value is missing."""
    held = values.copy()
    held[missing] = None
    return pd.Series(list(held), name=name, dtype="object")


def _widened(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert an array's columns to float64, except whole numbers that this would change."""
    kinds = "bf" if any(has_inexact(series) for _, series in frame.items()) else "biuf"
    result = frame.copy()
    for j in range(frame.shape[1]):
        series = frame.iloc[:, j]
        plain = isinstance(series.dtype, np.dtype) and series.dtype.kind in kinds
        if plain or isinstance(series.dtype, pd.BooleanDtype):
            result.isetitem(j, series.to_numpy(np.float64, na_value=np.nan))
    return result


def _check_size(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise InputError(
            f"Found array with {shape[0]} sample(s) and {shape[1]} feature(s) "
            f"while a minimum of 1 is required."
        )
