"""Missingness mechanisms: what makes a value go missing."""

from .base import Affine, Missingness
from .coupled import LinearMissingness, NonLinearMissingness
from .function import FunctionMissingness, missingness
from .ignorable import Ignorable
from .self_masking import SelfMasking

__all__ = [
    "Affine",
    "FunctionMissingness",
    "Ignorable",
    "LinearMissingness",
    "Missingness",
    "NonLinearMissingness",
    "SelfMasking",
    "missingness",
]
