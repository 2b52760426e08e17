"""Self-selected ratings, with test ratings of items that were assigned at random."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import FileError, InputError
from .images import fetched
from .uci import FOLDER_VARIABLE

_COAT = "https://www.cs.cornell.edu/~schnabts/mnar"
_FIELDS = ["user", "item", "rating"]
_COAT_FILES = {
    "train.ascii": "a87bd9e7eaf3b89f976df3f25d4aa5d5d871be8a00b58947df9e6e015559bd37",
    "test.ascii": "de6714ab105a5e0be8166be7fd313901b29f9a09c3bea307901457d1d71847e6",
}


def load_coat(folder: str | os.PathLike[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load Coat (Schnabel et al., ICML 2016): 290 users, 300 coats, ratings 1 to 5.

    Args:
        folder: the folder that holds ``coat-train.ascii`` and ``coat-test.ascii``, or the archive's
            ``train.ascii`` and ``test.ascii``; by default the one that the variable
            ABSENTIA_DATA_DIR names, and if it is not set the archive is downloaded.

    Returns:
        Two tables of user, item and rating: 6,960 ratings of coats that the users chose, and 4,640
        of coats that were assigned to them at random. The 366 pairs that are in both are left out
        of the first table.

    Raises:
        ValueError: a file is not the one that this package knows.
        OSError: the folder lacks a file, or the download failed.
    """
    place = folder if folder is not None else os.environ.get(FOLDER_VARIABLE)
    tables = []
    for name, expected in _COAT_FILES.items():
        content = _coat_file(name, Path(place) if place else None)
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise InputError(
                f"{name} of Coat has SHA-256 {found}, expected {expected}; give the original file."
            )
        whole = np.array([line.split() for line in content.decode().splitlines()], dtype=int)
        user, item = whole.nonzero()
        tables.append(pd.DataFrame({"user": user, "item": item, "rating": whole[user, item]}))
    chosen, assigned = tables
    both = chosen.merge(assigned[["user", "item"]], how="left", indicator=True)["_merge"] == "both"
    return chosen[~both.to_numpy()].reset_index(drop=True), assigned


def _coat_file(name: str, folder: Path | None) -> bytes:
    if folder is None:
        import zipfile

        with zipfile.ZipFile(fetched("coat.zip", f"{_COAT}/coat.zip")) as archive:
            return archive.read(f"coat/{name}")
    for path in (folder / f"coat-{name}", folder / name):
        if path.is_file():
            return path.read_bytes()
    raise FileError(f"{folder} has no coat-{name}; put it there, or unset {FOLDER_VARIABLE}.")


def load_yahoo_r3(folder: str | os.PathLike[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load Yahoo! R3: songs that users chose to rate, and others assigned at random to some users.

    The data are licensed for research through Yahoo's Webscope and cannot be fetched.

    Args:
        folder: your folder with text files whose names contain ``train`` and ``test``; each line
            holds a user, a song and a rating, with users and songs counted from 1.

    Returns:
        Two tables of user, item and rating, with users and items counted from 0.

    Raises:
        OSError: there is no such file.
        ValueError: a line is not a rating.
    """
    tables = []
    for part in ("train", "test"):
        paths = sorted(p for p in Path(folder).iterdir() if part in p.name and p.is_file())
        if not paths:
            raise FileError(f"{folder} holds no file with '{part}' in its name; put it there.")
        lines = pd.Series(paths[0].read_text(encoding="utf-8").splitlines())
        table = lines.str.split(expand=True)
        if table.shape[1] != len(_FIELDS):
            odd = int(np.flatnonzero(lines.str.split().map(len) != len(_FIELDS))[0])
            raise InputError(
                f"{paths[0]}, line {odd + 1}: give a user, a song and a rating, separated by "
                "blanks."
            )
        table.columns = pd.Index(_FIELDS)
        numbers = table.apply(pd.to_numeric, errors="coerce")
        bad = np.flatnonzero(numbers.isna().any(axis=1).to_numpy())
        if len(bad):
            raise InputError(
                f"{paths[0]}, line {bad[0] + 1}: give a user, a song and a rating, separated by "
                "blanks."
            )
        numbers = numbers.astype(int)
        tables.append(numbers.assign(user=numbers["user"] - 1, item=numbers["item"] - 1))
    return tables[0], tables[1]
