"""Storage of fitted models: a document and its tensors as one unit, without pickle."""

from .folder import FormatError

__all__ = ["FormatError"]
