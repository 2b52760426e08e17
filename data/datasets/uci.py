"""The real tables of the experiments, complete and in original units, checked on reading.

The variable ``ABSENTIA_DATA_DIR`` may name a folder with the tidy CSVs; without it the originals
are fetched once from OpenML and UCI through scikit-learn's cache. Only ``breast`` needs neither.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pandas as pd

from ..errors import FileError, InputError
from ..table_reading import typed_table
from .uci_sources import SOURCES, Source, content_sha256

FOLDER_VARIABLE = "ABSENTIA_DATA_DIR"


def names() -> tuple[str, ...]:
    """List the names that :func:`load` can load.

    >>> names()
    ('banknote', 'breast', 'concrete', 'wine-red', 'wine-white', 'yeast')
    """
    return tuple(sorted([*SOURCES, "breast"]))


def load(name: str, *, folder: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Load the features of a real table; for the target, see :func:`target`.

    >>> load("breast").shape
    (569, 30)

    Args:
        name: one of :func:`names`. Sizes: banknote 1372 x 4, breast 569 x 30, concrete
            1030 x 8, wine-red 1599 x 11, wine-white 4898 x 11, yeast 1484 x 8.
        folder: the folder that holds ``<name>.csv``; by default the one that the variable
            ABSENTIA_DATA_DIR names, and if it is not set the table is downloaded.

    Raises:
        ValueError: the name is unknown, or the table is not the one that this package knows.
        OSError: the download failed.
    """
    return _table(name, folder).iloc[:, :-1]


def target(name: str, *, folder: str | os.PathLike[str] | None = None) -> pd.Series:
    """Load the target of a real table; arguments and errors are those of :func:`load`."""
    return _table(name, folder).iloc[:, -1]


def _table(name: str, folder: str | os.PathLike[str] | None) -> pd.DataFrame:
    if name == "breast":
        return _breast()
    if name not in SOURCES:
        raise InputError(f"{name!r} is not a known table; choose from {', '.join(names())}.")
    source = SOURCES[name]
    place = folder if folder is not None else os.environ.get(FOLDER_VARIABLE)
    if place:
        return _from_folder(name, source, Path(place))
    return _from_network(name, source)


def _breast() -> pd.DataFrame:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    return bunch.frame.rename(columns=lambda c: str(c).replace(" ", "_"))


def _from_folder(name: str, source: Source, folder: Path) -> pd.DataFrame:
    path = folder / f"{name}.csv"
    table = typed_table(path).frame
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != source.file_sha256:
        raise InputError(
            f"{path} is not the expected file: SHA-256 {found}, expected {source.file_sha256}; "
            "replace it, or give another folder."
        )
    return table


def _from_network(name: str, source: Source) -> pd.DataFrame:
    remedy = f"set {FOLDER_VARIABLE} to a folder with {name}.csv"
    try:
        table = source.fetch()
    except OSError as error:  # urllib raises it as well
        raise FileError(f"{name!r} could not be fetched ({error}); {remedy}.") from error
    expected = (source.rows, len(source.features) + 1)
    if table.shape != expected:
        raise InputError(
            f"the fetched table {name!r} has shape {table.shape}, expected {expected}; {remedy}."
        )
    table = table.set_axis([*source.features, source.target], axis=1).reset_index(drop=True)
    try:
        features = table[list(source.features)].astype(float)
    except ValueError as error:
        raise InputError(f"the fetched table {name!r} holds text ({error}); {remedy}.") from error
    found = content_sha256(features.to_numpy(), source.decimals)
    if found != source.content_sha256:
        raise InputError(
            f"the fetched table {name!r} has other numbers than expected: content hash {found}, "
            "not "
            f"{source.content_sha256}; {remedy}."
        )
    return features.assign(**{source.target: table[source.target]})
