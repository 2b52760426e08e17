"""Export of a fitted model and its imputations to ArviZ."""

from .tree import to_arviz

__all__ = ["to_arviz"]
