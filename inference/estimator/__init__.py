"""The scikit-learn front of the models."""

from .imputer import MNARImputer

__all__ = ["MNARImputer"]
