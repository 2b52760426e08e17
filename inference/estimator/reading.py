"""From what a caller of the imputer gives to a table whose missing values pandas knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

if TYPE_CHECKING:
    from .imputer import MNARImputer


def table_of(imputer: MNARImputer, X: Any, reset: bool) -> tuple[pd.DataFrame, bool]:
    """Any input as a table whose missing values are what pandas calls missing."""
    if isinstance(X, pd.DataFrame):
        validate_data(imputer, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            raise ValueError(
                f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) "
                f"while a minimum of 1 is required."
            )
        unnamed = not reset and not hasattr(imputer, "feature_names_in_")
        frame = X.set_axis(list(imputer._names), axis=1) if unnamed else X
    else:
        array = validate_data(
            imputer, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        names = [f"x{j}" for j in range(array.shape[1])] if reset else list(imputer._names)
        frame = pd.DataFrame(array, columns=names)
    marker = imputer.missing_values
    if marker is not None and not pd.isna(marker):
        frame = frame.mask(frame == marker)
    return frame, not isinstance(X, pd.DataFrame)
