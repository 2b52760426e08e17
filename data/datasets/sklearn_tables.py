"""Real, complete tables of numbers that come with scikit-learn."""

from __future__ import annotations

import re

import pandas as pd

from ..errors import InputError

_COMPONENTS = 10


def names() -> tuple[str, ...]:
    """List the names that :func:`load` can load.

    >>> names()
    ('diabetes', 'digits', 'iris', 'wine')
    """
    return ("diabetes", "digits", "iris", "wine")


def load(name: str) -> pd.DataFrame:
    """Load the features of a table.

    >>> load("wine").shape, load("digits").shape
    ((178, 13), (1797, 10))

    Args:
        name: diabetes (442 x 9, without the two-valued sex), digits (1797 x 10: the first principal
            components of the pixels of handwritten digits), iris (150 x 4) or wine (178 x 13).

    Raises:
        ValueError: the name is unknown.
    """
    from sklearn import datasets
    from sklearn.decomposition import PCA

    if name not in names():
        raise InputError(f"{name!r} is not a known table; choose from {', '.join(names())}.")
    table = getattr(datasets, f"load_{name}")(as_frame=True).data
    if name == "digits":
        scores = PCA(_COMPONENTS, svd_solver="full").fit_transform(table.to_numpy(float))
        return pd.DataFrame(scores, columns=[f"pc{k}" for k in range(_COMPONENTS)])
    found: pd.DataFrame = table.drop(columns="sex") if name == "diabetes" else table
    return found.rename(columns=lambda c: re.sub(r"\W+", "_", str(c)).strip("_"))
