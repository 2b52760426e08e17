"""Storage of a fitted imputer: one folder with its fitted model, replaced in one move."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ...data.system.files import reason
from ..fitting.result import FitResult, FormatError, read, write
from ..mask_at_random import MaskAtRandom
from ..storage.typed_json import from_json, to_json

if TYPE_CHECKING:
    from .imputer import MNARImputer


def save_imputer(imputer: MNARImputer, path: str | Path) -> None:
    """Write a fitted imputer to a folder; see :meth:`MNARImputer.save`."""
    check_is_fitted(imputer, "result_")
    settings = imputer.get_params(deep=False)
    learnt = {k: v for k, v in vars(imputer).items() if k not in settings and k != "result_"}
    document = {
        "settings": {k: to_json(v, f"setting {k}", state=True) for k, v in settings.items()},
        "learnt": {k: to_json(v, k.strip("_")) for k, v in learnt.items()},
    }
    write(imputer.result_, path, imputer=document)


def load_imputer(kind: type[MNARImputer], path: str | Path) -> MNARImputer:
    """Read what :func:`save_imputer` wrote, as an imputer of this class."""
    result, document = read(path)
    try:
        if "old_imputer" in document:
            return _of_version_2(kind, document["old_imputer"], result)
        if "imputer" in document:
            held = document["imputer"]
            loaded = kind(**{k: from_json(v) for k, v in held["settings"].items()})
            learnt = {k: from_json(v) for k, v in held["learnt"].items()}
            loaded.__dict__.update(learnt, result_=result)
            return loaded
    except Exception as error:  # anything that goes wrong here is a fault of the file
        why = f"{type(error).__name__}: {reason(error)}"
        raise FormatError(f"the imputer in '{path}' cannot be read: {why}") from error
    raise FormatError(
        f"'{path}' holds a fitted model and no MNARImputer (absentia.save wrote it); read it with "
        f"absentia.load('{path}')"
    )


def _of_version_2(kind: type[MNARImputer], held: dict[str, Any], result: FitResult) -> MNARImputer:
    """Read an imputer saved before types were kept; settings that were not plain are defaults."""
    params = {k: v for k, v in held["params"].items() if v is not None}
    loaded = kind(**params)
    loaded.result_ = result
    if "missingness" not in params and loaded.model.startswith("not-"):
        loaded.missingness = result.model.missingness
    loaded._seed, loaded._names = held["seed"], tuple(held["names"])
    loaded._empty, loaded._gaps = np.array(held["empty"]), np.array(held["gaps"])
    # earlier versions had no such density, and their bounds left out the ignored masks
    loaded._mask = MaskAtRandom.from_dict(held.get("mask", {"factors": []}))
    columns: Any = {}
    for label, dtype in zip(held["labels"], held["dtypes"], strict=True):
        try:
            columns[label] = pd.Series([], dtype=dtype)
        except (TypeError, NotImplementedError):  # an Arrow type with parameters
            columns[label] = pd.Series([], dtype=object)
    loaded._template = pd.DataFrame(columns)
    loaded.n_features_in_ = len(loaded._names)
    if held["feature_names_in"] is not None:
        loaded.feature_names_in_ = np.asarray(held["feature_names_in"], dtype=object)
    loaded.n_iter_ = int(result.history["step"].iloc[-1])
    return loaded
