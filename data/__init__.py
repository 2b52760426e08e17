"""What is seen: tables with missing values, their amputation, synthetic and real data."""

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
