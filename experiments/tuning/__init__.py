"""Hyper-parameter search by the bound on held-out rows, which can be resumed and explained."""

from .results import importances, table_of
from .search import tune
from .sweep import Sweep

__all__ = ["Sweep", "importances", "table_of", "tune"]
