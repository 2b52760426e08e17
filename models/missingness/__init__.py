"""Missingness mechanisms: what makes a value go missing."""

from .base import Affine, Missingness
from .contextual import GroupMissingness, NoSelfCensoring, ObservedMissingness, RandomIntercepts
from .coupled import LinearMissingness, NonLinearMissingness
from .declared import Declared, missing
from .description import ColumnDescription, Description
from .elementwise import Clipping, SplineMissingness, Threshold, TwoSided
from .formula import FormulaMissingness
from .function import FunctionMissingness, missingness
from .ignorable import Ignorable
from .self_masking import SelfMasking

__all__ = [
    "Affine",
    "Clipping",
    "ColumnDescription",
    "Declared",
    "Description",
    "FormulaMissingness",
    "FunctionMissingness",
    "GroupMissingness",
    "Ignorable",
    "LinearMissingness",
    "Missingness",
    "NoSelfCensoring",
    "NonLinearMissingness",
    "ObservedMissingness",
    "RandomIntercepts",
    "SelfMasking",
    "SplineMissingness",
    "Threshold",
    "TwoSided",
    "missing",
    "missingness",
]
