"""The models: decoders, encoders, missingness mechanisms, and Pyro programs composed of them."""

from .configurable import Configurable, rebuild
from .missingness import (
    Affine,
    AveragedMissingness,
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
)
from .networks.convolutional import ConvDecoder, ConvEncoder
from .networks.decoders import (
    Decoder,
    GaussianDecoder,
    LinearGaussianDecoder,
    NetworkDecoder,
    StudentTDecoder,
)
from .networks.encoders import (
    Encoder,
    ExactConditionalEncoder,
    MaskAwareEncoder,
    SetEncoder,
    ZeroFilledEncoder,
)
from .networks.gauss_newton import GaussNewtonEncoder
from .networks.mixed_decoder import MixedDecoder
from .networks.modal_encoder import ModalEncoder
from .networks.residual import ResidualDecoder
from .networks.target_heads import Predictor
from .programs.base import Prior, RowModel, StandardNormalPrior
from .programs.margins import KnownMargins
from .programs.mask_latent import MaskLatentEncoder
from .programs.mixture import DirectDecoder, ExactMixtureEncoder, MixturePrior
from .programs.parallel import ParallelModel, Trunk
from .programs.pattern_mixture import PatternMixtureModel
from .programs.selection import SelectionModel
from .programs.supervised import SupervisedModel
from .zoo.images import ImageNotMIWAE
from .zoo.parallel import GNR
from .zoo.pattern_mixture import PatternMixture
from .zoo.ratings import RatingsNotMIWAE
from .zoo.supervised import SupervisedNotMIWAE
from .zoo.tables import MIWAE, PPCA, MaskedNotMIWAE, NotMIWAE, NotMIWAEPPCA

__all__ = [
    "GNR",
    "MIWAE",
    "PPCA",
    "Affine",
    "AveragedMissingness",
    "ChannelSelfMasking",
    "Clipping",
    "Configurable",
    "ConvDecoder",
    "ConvEncoder",
    "ConvMissingness",
    "Declared",
    "Decoder",
    "Description",
    "DirectDecoder",
    "Encoder",
    "ExactConditionalEncoder",
    "ExactMixtureEncoder",
    "FormulaMissingness",
    "FunctionMissingness",
    "GaussNewtonEncoder",
    "GaussianDecoder",
    "GroupMissingness",
    "Ignorable",
    "ImageNotMIWAE",
    "KnownMargins",
    "LinearGaussianDecoder",
    "LinearMissingness",
    "MaskAwareEncoder",
    "MaskLatentEncoder",
    "MaskLatentShift",
    "MaskedNotMIWAE",
    "Missingness",
    "MixedDecoder",
    "MixturePrior",
    "ModalEncoder",
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
    "Prior",
    "RandomIntercepts",
    "RatingsNotMIWAE",
    "ResidualDecoder",
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
    "rebuild",
]
