"""Missingness mechanisms: what makes a value go missing."""

from .base import Affine, Missingness
from .clipping import Clipping
from .contextual import NoSelfCensoring, ObservedMissingness
from .coupled import LinearMissingness, NonLinearMissingness
from .curved import SplineMissingness, TwoSided
from .declared import Declared, missing
from .description import ColumnDescription, Description
from .formula import FormulaMissingness
from .function import FunctionMissingness, missingness
from .group import GroupMissingness
from .ignorable import Ignorable
from .images import ChannelSelfMasking, ConvMissingness, OutshinesOthers
from .masked import MaskLatentShift
from .random_intercepts import RandomIntercepts
from .self_masking import SelfMasking
from .threshold import Threshold

__all__ = [
    "Affine",
    "ChannelSelfMasking",
    "Clipping",
    "ColumnDescription",
    "ConvMissingness",
    "Declared",
    "Description",
    "FormulaMissingness",
    "FunctionMissingness",
    "GroupMissingness",
    "Ignorable",
    "LinearMissingness",
    "MaskLatentShift",
    "Missingness",
    "NoSelfCensoring",
    "NonLinearMissingness",
    "ObservedMissingness",
    "OutshinesOthers",
    "RandomIntercepts",
    "SelfMasking",
    "SplineMissingness",
    "Threshold",
    "TwoSided",
    "missing",
    "missingness",
]
