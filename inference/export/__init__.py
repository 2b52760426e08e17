"""A fitted model and its imputations as ArviZ sees them."""

from .tree import to_arviz

__all__ = ["to_arviz"]
