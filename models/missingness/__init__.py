"""Missingness mechanisms: models of why a value is missing."""

from .affine import Affine
from .averaged import AveragedMissingness
from .base import Missingness
from .clipping import Clipping
from .curved import SplineMissingness, TwoSided
from .description import ColumnDescription, Description
from .formula.declaration import Declared, missing
from .formula.mechanism import FormulaMissingness
from .function import FunctionMissingness, missingness
from .group import GroupMissingness
from .ignorable import Ignorable
from .mask_latent import MaskLatentShift
from .observed import NoSelfCensoring, ObservedMissingness
from .pixels import ChannelSelfMasking, ConvMissingness, OutshinesOthers
from .random_intercepts import RandomIntercepts
from .self_masking import SelfMasking
from .threshold import Threshold
from .whole_row import LinearMissingness, NonLinearMissingness

__all__ = [
    "Affine",
    "AveragedMissingness",
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
