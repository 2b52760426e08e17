"""The scikit-learn interface of the models."""

from .imputer import MNARImputer

__all__ = ["MNARImputer"]
