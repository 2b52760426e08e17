"""The data: tables with missing values, their amputation, and synthetic and real data sets."""

from . import amputation, datasets
from .columns.column import Column
from .columns.suspects import suspects
from .incomplete import IncompleteData
from .ratings import Ratings
from .schema import Schema, infer_schema
from .standardiser import Standardiser

__all__ = [
    "Column",
    "IncompleteData",
    "Ratings",
    "Schema",
    "Standardiser",
    "amputation",
    "datasets",
    "infer_schema",
    "suspects",
]
