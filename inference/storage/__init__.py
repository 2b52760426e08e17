"""Storage of fitted models: a document and its tensors as one unit, without pickle."""

from .fits import FormatError, load, save

__all__ = ["FormatError", "load", "save"]
