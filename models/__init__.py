"""What is believed about the data: decoders, encoders, mechanisms, and models made of them."""

from .configurable import Configurable, rebuild
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
from .missingness import (
    Affine,
    FunctionMissingness,
    Ignorable,
    LinearMissingness,
    Missingness,
    NonLinearMissingness,
    SelfMasking,
    missingness,
)
from .mixed_decoder import MixedDecoder
from .named import MIWAE, PPCA, NotMIWAE, NotMIWAEPPCA
from .selection import SelectionModel, StandardNormalPrior

__all__ = [
    "MIWAE",
    "PPCA",
    "Affine",
    "Configurable",
    "Decoder",
    "Encoder",
    "ExactConditionalEncoder",
    "FunctionMissingness",
    "GaussianDecoder",
    "Ignorable",
    "LinearGaussianDecoder",
    "LinearMissingness",
    "MaskAwareEncoder",
    "Missingness",
    "MixedDecoder",
    "NetworkDecoder",
    "NonLinearMissingness",
    "NotMIWAE",
    "NotMIWAEPPCA",
    "SelectionModel",
    "SelfMasking",
    "SetEncoder",
    "StandardNormalPrior",
    "StudentTDecoder",
    "ZeroFilledEncoder",
    "missingness",
    "rebuild",
]
