"""What is believed about the data: decoders, encoders, mechanisms, and models made of them."""

from .configurable import Configurable, rebuild
from .convolutional import ConvDecoder, ConvEncoder
from .decoders import (
    Decoder,
    GaussianDecoder,
    LinearGaussianDecoder,
    NetworkDecoder,
    StudentTDecoder,
)
from .encoders import (
    Encoder,
    ExactConditionalEncoder,
    MaskAwareEncoder,
    SetEncoder,
    ZeroFilledEncoder,
)
from .margins import KnownMargins
from .missingness import (
    Affine,
    ChannelSelfMasking,
    Clipping,
    ConvMissingness,
    Declared,
    Description,
    FormulaMissingness,
    FunctionMissingness,
    GroupMissingness,
    Ignorable,
    LinearMissingness,
    MaskLatentShift,
    Missingness,
    NonLinearMissingness,
    NoSelfCensoring,
    ObservedMissingness,
    OutshinesOthers,
    RandomIntercepts,
    SelfMasking,
    SplineMissingness,
    Threshold,
    TwoSided,
    missing,
    missingness,
)
from .mixed_decoder import MixedDecoder
from .named import MIWAE, PPCA, MaskedNotMIWAE, NotMIWAE, NotMIWAEPPCA
from .parallel import GNR, ParallelModel, Trunk
from .pattern_mixture import PatternMixture, PatternMixtureModel
from .pictures import ImageNotMIWAE
from .predictors import Predictor
from .recommender import RatingsNotMIWAE
from .rows import RowModel, StandardNormalPrior
from .selection import SelectionModel
from .supervised import SupervisedModel, SupervisedNotMIWAE

__all__ = [
    "GNR",
    "MIWAE",
    "PPCA",
    "Affine",
    "ChannelSelfMasking",
    "Clipping",
    "Configurable",
    "ConvDecoder",
    "ConvEncoder",
    "ConvMissingness",
    "Declared",
    "Decoder",
    "Description",
    "Encoder",
    "ExactConditionalEncoder",
    "FormulaMissingness",
    "FunctionMissingness",
    "GaussianDecoder",
    "GroupMissingness",
    "Ignorable",
    "ImageNotMIWAE",
    "KnownMargins",
    "LinearGaussianDecoder",
    "LinearMissingness",
    "MaskAwareEncoder",
    "MaskLatentShift",
    "MaskedNotMIWAE",
    "Missingness",
    "MixedDecoder",
    "NetworkDecoder",
    "NoSelfCensoring",
    "NonLinearMissingness",
    "NotMIWAE",
    "NotMIWAEPPCA",
    "ObservedMissingness",
    "OutshinesOthers",
    "ParallelModel",
    "PatternMixture",
    "PatternMixtureModel",
    "Predictor",
    "RandomIntercepts",
    "RatingsNotMIWAE",
    "RowModel",
    "SelectionModel",
    "SelfMasking",
    "SetEncoder",
    "SplineMissingness",
    "StandardNormalPrior",
    "StudentTDecoder",
    "SupervisedModel",
    "SupervisedNotMIWAE",
    "Threshold",
    "Trunk",
    "TwoSided",
    "ZeroFilledEncoder",
    "missing",
    "missingness",
    "rebuild",
]
