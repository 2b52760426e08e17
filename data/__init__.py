"""What is seen: tables with missing values, their amputation, synthetic and real data."""

from . import amputation, real, synthetic
from .incomplete import IncompleteData
from .standardiser import Standardiser

__all__ = ["IncompleteData", "Standardiser", "amputation", "real", "synthetic"]
