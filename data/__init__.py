"""What is seen: tables with missing values, their amputation, synthetic and real data."""

from . import amputation, mixed, real, synthetic
from .column import Column
from .incomplete import IncompleteData
from .ratings import Ratings
from .schema import Schema, infer_schema
from .standardiser import Standardiser
from .suspects import suspects

__all__ = [
    "Column",
    "IncompleteData",
    "Ratings",
    "Schema",
    "Standardiser",
    "amputation",
    "infer_schema",
    "mixed",
    "real",
    "suspects",
    "synthetic",
]
