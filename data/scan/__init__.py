"""Tables larger than memory, in Parquet files that are read part by part."""

from .files import Part
from .opening import scan
from .table import Scan

__all__ = ["Part", "Scan", "scan"]
