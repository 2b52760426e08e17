"""The sources of the real tables, the names of their columns, and their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import FileError

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
WINE_COLUMNS = (
    "fixed_acidity",
    "volatile_acidity",
    "citric_acid",
    "residual_sugar",
    "chlorides",
    "free_sulfur_dioxide",
    "total_sulfur_dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)


@dataclass(frozen=True)
class Source:
    """The source of one table, whose features come first and whose target comes last.

    Attributes:
        features: tidy names of the features, in the order of the original.
        target: the name of the last column.
        rows: the number of rows.
        file_sha256: the hash of the tidy CSV that a folder may hold.
        content_sha256: the hash of the features, as :func:`content_sha256` computes it.
        decimals: the number of decimals to which all distributions of the original agree.
        fetch: a function that downloads the original through a cache, with the target last.
    """

    features: tuple[str, ...]
    target: str
    rows: int
    file_sha256: str
    content_sha256: str
    decimals: int
    fetch: Callable[[], pd.DataFrame]


def content_sha256(features: np.ndarray, decimals: int) -> str:
    """Hash the numbers, so that files that print them differently have the same hash.

    Numbers are rounded to four decimals and then to ``decimals``, since some distributions print
    thirds with four digits and others with fourteen.
    """
    whole = np.rint(np.round(features, 4) * 10**decimals).astype("<i8")
    return hashlib.sha256(whole.tobytes()).hexdigest()


def openml(data_id: int, skip: tuple[str, ...] = ()) -> pd.DataFrame:
    """Fetch the OpenML table with this number, or take it from scikit-learn's cache."""
    from sklearn.datasets import fetch_openml

    table = fetch_openml(
        data_id=data_id, as_frame=True, parser="auto", target_column=None, cache=True
    )
    return table.frame.drop(columns=[c for c in skip if c in table.frame])


def banknote() -> pd.DataFrame:
    """Recode the classes, which OpenML counts 1 and 2, to the original's 0 and 1."""
    df = openml(1462)
    last = df.columns[-1]
    return df.assign(**{last: df[last].astype(int) - 1})


def concrete() -> pd.DataFrame:
    """Read OpenML 4353, which keeps the long original headers, in the original order."""
    return openml(4353)


def yeast() -> pd.DataFrame:
    """Read OpenML 181, which leaves out the protein's name, since it is not a feature."""
    return openml(181, skip=("name", "Sequence_Name"))


def wine(colour: str) -> pd.DataFrame:
    """Read the original CSV of the UCI repository, which is separated by semicolons."""
    try:
        from sklearn.datasets import fetch_file
    except ImportError as error:
        raise FileError(
            "scikit-learn 1.6 or later is needed to fetch the wine tables; upgrade it"
        ) from error
    return pd.read_csv(fetch_file(f"{UCI}/wine-quality/winequality-{colour}.csv"), sep=";")


SOURCES = {
    "banknote": Source(
        features=("variance", "skewness", "curtosis", "entropy"),
        target="class",
        rows=1372,
        file_sha256="6da87da586c6089307c59824a5127df375fe14301ac628acc5d7b3b4a32db9a5",
        content_sha256="9242cfef58dd7d54bf9ea3040d03d2c1b2694edfc2d5f1a1281316b9b20d0d5e",
        decimals=4,
        fetch=banknote,
    ),
    "concrete": Source(
        features=(
            "cement",
            "slag",
            "fly_ash",
            "water",
            "superplasticizer",
            "coarse_aggregate",
            "fine_aggregate",
            "age",
        ),
        target="strength",
        rows=1030,
        file_sha256="55cb74d00d9d0e8327a8f43fdc22fa9522f10d2651eb16d5080c6e8cb074bf78",
        content_sha256="4ca0d546049cea6e25d0b9bd7b0c08a50ee5d1e59c3cefd1d3cae4c5197d4c21",
        decimals=2,
        fetch=concrete,
    ),
    "wine-red": Source(
        features=WINE_COLUMNS,
        target="quality",
        rows=1599,
        file_sha256="0a217383ca4f6abe5f4df1bfa741de54979537957374d8a4c0b44960db1be840",
        content_sha256="daca1e9dd3d620eec634cb1480e37b162e8e5d5cbdeba8497f34c6a2691bba1b",
        decimals=4,
        fetch=lambda: wine("red"),
    ),
    "wine-white": Source(
        features=WINE_COLUMNS,
        target="quality",
        rows=4898,
        file_sha256="3b57e37fcdf48e625a7a93b5ec395c17ec714ac7d467d166b3a7c42c7add46f2",
        content_sha256="ef1f002094c09320546d9cbb61cef0a137d33d6083ff717f6d387227e3709ade",
        decimals=4,
        fetch=lambda: wine("white"),
    ),
    "yeast": Source(
        features=("mcg", "gvh", "alm", "mit", "erl", "pox", "vac", "nuc"),
        target="site",
        rows=1484,
        file_sha256="3f1875d3076f83ed4d70c4d7d2cff34c7cc0aa2cfc1f9fef5fcfcfd517974a61",
        content_sha256="22d4cf5a14160c55043946d0a84f4c15d9e90ebf56f29c7bbb892f36d8706583",
        decimals=4,
        fetch=yeast,
    ),
}
