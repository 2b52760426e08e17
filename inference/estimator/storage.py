"""A fitted imputer on disk: the fitted model's folder, and what the imputer knows beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ...data.files import write_text_atomic
from ..mask_at_random import MaskAtRandom
from ..storage import load, save

if TYPE_CHECKING:
    from .imputer import MNARImputer

#: what is stored of an imputer beside its fitted model
_FILE = "imputer.json"


def save_imputer(imputer: MNARImputer, path: str | Path) -> None:
    """Write a fitted imputer to a folder; see :meth:`MNARImputer.save`."""
    check_is_fitted(imputer, "result_")
    params = {}
    for name, value in imputer.get_params(deep=False).items():
        try:
            params[name] = json.loads(json.dumps(value))
        except TypeError:
            params[name] = None  # what cannot be written lives on in the fitted model
    document = {
        "params": params,
        "seed": imputer._seed,
        "names": list(imputer._names),
        "labels": [c if isinstance(c, str | int) else str(c) for c in imputer._template.columns],
        "dtypes": [str(dtype) for dtype in imputer._template.dtypes],
        "feature_names_in": (
            list(imputer.feature_names_in_) if hasattr(imputer, "feature_names_in_") else None
        ),
        "empty": imputer._empty.tolist(),
        "gaps": imputer._gaps.tolist(),
        "plain_array": imputer._plain_array,
        "mask": imputer._mask.to_dict(),
    }
    save(imputer.result_, path)
    write_text_atomic(Path(path) / _FILE, json.dumps(document, indent=1))


def load_imputer(kind: type[MNARImputer], path: str | Path) -> MNARImputer:
    """Read what :func:`save_imputer` wrote, as an imputer of this class."""
    result = load(path)
    document = json.loads((Path(path) / _FILE).read_text(encoding="utf-8"))
    params = {k: v for k, v in document["params"].items() if v is not None}
    loaded = kind(**params)
    loaded.result_ = result
    if "missingness" not in params and loaded.model.startswith("not-"):
        loaded.missingness = result.model.missingness
    loaded._seed, loaded._names = document["seed"], tuple(document["names"])
    loaded._empty, loaded._gaps = np.array(document["empty"]), np.array(document["gaps"])
    loaded._plain_array = document["plain_array"]
    # before there was one, bounds left out the masks that the mechanism leaves out
    loaded._mask = MaskAtRandom.from_dict(document.get("mask", {"factors": []}))
    columns: dict[Any, Any] = {}
    for label, dtype in zip(document["labels"], document["dtypes"], strict=True):
        try:
            columns[label] = pd.Series([], dtype=dtype)
        except TypeError:  # an Arrow type with parameters: its values come as objects
            columns[label] = pd.Series([], dtype=object)
    loaded._template = pd.DataFrame(columns)
    loaded.n_features_in_ = len(loaded._names)
    if document["feature_names_in"] is not None:
        loaded.feature_names_in_ = np.asarray(document["feature_names_in"], dtype=object)
    loaded.n_iter_ = loaded.steps
    return loaded
