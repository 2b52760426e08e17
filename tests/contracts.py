"""What every decoder, encoder and mechanism is tried with: one entry a class, by way of making it.

``models/test_contracts.py`` runs the same checks over all of them, and fails where the package
has a class without an entry here.
"""

import importlib
import pkgutil
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import absentia.models
from absentia.data import IncompleteData
from absentia.models import (
    AveragedMissingness,
    ChannelSelfMasking,
    Clipping,
    ConvDecoder,
    ConvEncoder,
    ConvMissingness,
    Decoder,
    DirectDecoder,
    Encoder,
    ExactConditionalEncoder,
    ExactMixtureEncoder,
    FormulaMissingness,
    FunctionMissingness,
    GaussianDecoder,
    GaussNewtonEncoder,
    GroupMissingness,
    Ignorable,
    LinearGaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    MaskLatentEncoder,
    MaskLatentShift,
    Missingness,
    MixedDecoder,
    MixturePrior,
    ModalEncoder,
    NonLinearMissingness,
    NoSelfCensoring,
    ObservedMissingness,
    OutshinesOthers,
    RandomIntercepts,
    ResidualDecoder,
    SelfMasking,
    SetEncoder,
    SplineMissingness,
    StudentTDecoder,
    Threshold,
    TwoSided,
    ZeroFilledEncoder,
    missing,
)
from absentia.models.zoo.mechanism_names import mechanism_for

N, P, D, K = 6, 4, 2, 3  # rows, columns, latent dimensions, particles

FAMILIES = [
    {"family": "nominal", "values": 3},
    {"family": "real"},
    {"family": "graded", "values": 4},
    {"family": "count", "values": 6, "center": 1.0, "scale": 2.0},
]


def exact_encoder() -> Encoder:
    encoder = ExactConditionalEncoder(P, D)
    encoder.attach(LinearGaussianDecoder(D, P))
    return encoder


def gauss_newton_encoder() -> Encoder:
    decoder = ResidualDecoder(D, P, hidden=[8])
    torch.nn.init.constant_(decoder.gate, 0.3)
    encoder = GaussNewtonEncoder(P, D)
    encoder.attach(decoder)
    return encoder


def mixture_encoder() -> Encoder:
    encoder = ExactMixtureEncoder(P, D)
    encoder.attach(LinearGaussianDecoder(D, P))
    encoder.attach_prior(MixturePrior(D, 3))
    return encoder


def modal_encoder() -> Encoder:
    encoder = ModalEncoder(P, D)
    encoder.attach(MixedDecoder(D, [{"family": "real"}] * P, hidden=[], scale="shared"))
    return encoder


def hides_extremes(x: Tensor) -> Bernoulli:
    return Bernoulli(logits=2 - x**2)


def hides_after_the_first(x: Tensor) -> Bernoulli:
    return Bernoulli(logits=x[..., :1] - x)


DECODERS: dict[type, dict[str, Callable[[], Decoder]]] = {
    GaussianDecoder: {
        "entry": lambda: GaussianDecoder(D, P, hidden=[8]),
        "column": lambda: GaussianDecoder(D, P, hidden=(8, 8), activation="elu", scale="column"),
        "shared": lambda: GaussianDecoder(D, P, hidden=[], scale="shared", floor=0.1),
        "skip": lambda: GaussianDecoder(D, P, hidden=[8], skip=True),
    },
    StudentTDecoder: {
        "entry": lambda: StudentTDecoder(D, P, hidden=[8]),
        "column": lambda: StudentTDecoder(D, P, hidden=[8], scale="column"),
        "shared": lambda: StudentTDecoder(D, P, hidden=[8], scale="shared"),
    },
    ConvDecoder: {
        "gaussian": lambda: ConvDecoder(D, (1, 2, 2), channels=[3]),
        "squashed": lambda: ConvDecoder(D, (1, 2, 2), channels=[3], squash=True),
        "entry": lambda: ConvDecoder(D, (2, 1, 2), channels=[3, 4], scale="entry"),
        "bernoulli": lambda: ConvDecoder(D, (1, 1, P), channels=[3, 4], family="bernoulli"),
    },
    DirectDecoder: {"direct": lambda: DirectDecoder(P)},
    LinearGaussianDecoder: {
        "shared": lambda: LinearGaussianDecoder(D, P),
        "column": lambda: LinearGaussianDecoder(D, P, scale="column"),
    },
    ResidualDecoder: {
        "shared": lambda: ResidualDecoder(D, P, hidden=[8]),
        "column": lambda: ResidualDecoder(D, P, hidden=[8, 6], scale="column"),
    },
}

DECODERS[MixedDecoder] = {
    "mixed": lambda: MixedDecoder(D, FAMILIES, hidden=[8]),
    "linear": lambda: MixedDecoder(D, FAMILIES, hidden=[], scale="column", real="student-t"),
    "skip": lambda: MixedDecoder(D, FAMILIES, hidden=[8], skip=True),
}


def mask_latent_encoder() -> MaskLatentEncoder:
    """Of a mechanism with two dimensions of a latent that only the mask reads."""
    encoder, of_z = MaskLatentEncoder(P, D), ExactConditionalEncoder(P, D)
    decoder = LinearGaussianDecoder(D, P)
    of_z.attach(decoder)
    encoder.attach_mechanism(AveragedMissingness(P, D, mask_latent_dim=D), decoder, of_z)
    return encoder


ENCODERS: dict[type, dict[str, Callable[[], Encoder]]] = {
    ZeroFilledEncoder: {"deep": lambda: ZeroFilledEncoder(P, D, hidden=[8, 8])},
    MaskAwareEncoder: {
        "deep": lambda: MaskAwareEncoder(P, D, hidden=[8]),
        "linear": lambda: MaskAwareEncoder(P, D, hidden=[]),
    },
    SetEncoder: {
        "deep": lambda: SetEncoder(P, D, hidden=[8], embedding_dim=3, set_dim=5),
        "linear": lambda: SetEncoder(P, D, hidden=[], embedding_dim=3, set_dim=5),
    },
    ConvEncoder: {"conv": lambda: ConvEncoder((1, 2, 2), D, channels=[3, 4])},
    ExactConditionalEncoder: {"exact": exact_encoder},
    ExactMixtureEncoder: {"exact-mixture": mixture_encoder},
    GaussNewtonEncoder: {"gauss-newton": gauss_newton_encoder},
    ModalEncoder: {"mode": modal_encoder},
    MaskLatentEncoder: {"mask-latent": mask_latent_encoder},
}


def small_table() -> IncompleteData:
    """Columns a, b, c, d with missing values, covariates w (a number) and site (three levels)."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, P)), columns=list("abcd"))
    frame[rng.random(frame.shape) < 0.3] = np.nan
    frame["w"] = rng.normal(size=30)
    frame["site"] = rng.choice(["x", "y", "z"], size=30)
    return IncompleteData.from_frame(frame, covariates=["w", "site"])


def declared(what: object) -> FormulaMissingness:
    """A mechanism by formulas for that table."""
    return mechanism_for(what, small_table(), None, D, D)


def context_of(
    mechanism: Missingness, dtype: torch.dtype = torch.float32, zero: bool = False
) -> dict[str, Tensor]:
    """What the mechanism asks for, of N rows."""
    generator = torch.Generator().manual_seed(7)
    z = torch.randn(N, D, generator=generator)
    s = (torch.rand(N, P, generator=generator) < 0.6).to(dtype)
    beside = torch.stack([torch.randn(N, generator=generator), torch.arange(N) % 3.0], -1)
    known = {"z": z.to(dtype), "z_mask": -z.to(dtype), "covariates": beside.to(dtype), "s": s}
    if zero:
        known = {name: torch.zeros_like(value) for name, value in known.items()}
    return mechanism.context(**known)


MECHANISMS: dict[type, dict[str, Callable[[], Missingness]]] = {
    SelfMasking: {
        "logit": lambda: SelfMasking(P),
        "probit": lambda: SelfMasking(P, "probit"),
        "signed": lambda: SelfMasking(P, sign=["+", "-", None, "+"]),
        "given": lambda: SelfMasking(P, slope=-3.0, offset=[0.0, 1.0, 2.0, 3.0]),
        "prior": lambda: SelfMasking(P, prior_scale=1.0),
    },
    AveragedMissingness: {
        "all forms": lambda: AveragedMissingness(P, D, mask_latent_dim=D),
        "alone": lambda: AveragedMissingness(P, D, mask_latent_dim=0),
        "covariates": lambda: AveragedMissingness(
            P, D, mask_latent_dim=D, covariates=[(0.5, 2.0), 3]
        ),
    },
    LinearMissingness: {"linear": lambda: LinearMissingness(P)},
    NonLinearMissingness: {
        "deep": lambda: NonLinearMissingness(P, hidden=[8]),
        "linear": lambda: NonLinearMissingness(P, hidden=[]),
    },
    FunctionMissingness: {
        "elementwise": lambda: FunctionMissingness(hides_extremes, elementwise=True),
        "coupled": lambda: FunctionMissingness(hides_after_the_first),
    },
    Ignorable: {"ignorable": lambda: Ignorable(P)},
    TwoSided: {
        "free": lambda: TwoSided(P),
        "extremes": lambda: TwoSided(P, hides="extremes"),
        "middle": lambda: TwoSided(P, hides="middle"),
    },
    Threshold: {
        "learnt": lambda: Threshold(P, hides=["above", "below", "above", "below"]),
        "sharp": lambda: Threshold(P, sharpness=20.0),
        "given": lambda: Threshold(P, sharpness=5.0, threshold=[0.0, 0.5, 1.0, -1.0]),
        "probit": lambda: Threshold(P, sharpness=4.0, link="probit"),
    },
    Clipping: {
        "both": lambda: Clipping(P, lower=-1.0, upper=[1.0, 2.0, 3.0, 0.5], sharpness=4.0),
        "one": lambda: Clipping(P, upper=[1.0, None, 0.0, None], sharpness=4.0),
    },
    SplineMissingness: {"spline": lambda: SplineMissingness(P)},
    ObservedMissingness: {"observed": lambda: ObservedMissingness(P, [1, 3])},
    NoSelfCensoring: {
        "z": lambda: NoSelfCensoring(P, D),
        "mask": lambda: NoSelfCensoring(P, D, latent="mask"),
        "deep": lambda: NoSelfCensoring(P, D, hidden=[5]),
        "tempered": lambda: NoSelfCensoring(P, D, alpha=2.0),
    },
    ChannelSelfMasking: {"two": lambda: ChannelSelfMasking((2, 1, 2))},
    ConvMissingness: {
        "one": lambda: ConvMissingness((1, 2, 2)),
        "two": lambda: ConvMissingness((1, 2, 2), hidden=[3]),
    },
    OutshinesOthers: {
        "learnt": lambda: OutshinesOthers((2, 1, 2), channel=1),
        "given": lambda: OutshinesOthers((4, 1, 1), channel=0, gain=3.0, offset=0.5),
    },
    MaskLatentShift: {
        "logit": lambda: MaskLatentShift(SelfMasking(P), P, D),
        "probit": lambda: MaskLatentShift(SelfMasking(P, "probit", sign="+"), P, D, hidden=[5]),
        "coupled": lambda: MaskLatentShift(LinearMissingness(P), P, D),
        "prior": lambda: MaskLatentShift(SelfMasking(P, prior_scale=1.0), P, D),
    },
    RandomIntercepts: {"groups": lambda: RandomIntercepts(P, 3, covariate=1)},
    GroupMissingness: {
        "pairs": lambda: GroupMissingness(P, [[0, 2]]),
        "alone": lambda: GroupMissingness(P, []),
    },
    FormulaMissingness: {
        "own": lambda: declared(dict(zip("abcd", "abcd", strict=True))),
        "probit": lambda: declared(missing({"a": "a", "c": "c + w"}, link="probit")),
        "curved": lambda: declared({"a": "a + I(a**2)", "b": "ns(b, df=3)", "d": "poly(d, 2)"}),
        "coupled": lambda: declared({"a": "a + b", "b": "c:w + b", "d": "0 + d"}),
        "signed": lambda: declared({"a": "+a + -b", "c": "-c"}),
        "given": lambda: declared(missing("a ~ a + w", fixed={"a": 2.0, "Intercept": -1.0})),
        "prior": lambda: declared(missing("a + b ~ +a + b", prior=Normal(0.0, 1.0))),
        "latent": lambda: declared({"a": "a + latent", "b": "mask_latent", "c": "c + site"}),
        "absence": lambda: declared({"a": "a + is_missing(b)", "b": "is_missing(c)", "c": "d"}),
    },
}


def cases(table: dict[type, dict[str, Callable[[], nn.Module]]]) -> dict[str, Callable]:
    """Factories by name, for parametrisation."""
    return {
        f"{kind.__name__}-{label}": make
        for kind, entries in table.items()
        for label, make in entries.items()
    }


def classes_of(base: type) -> set[type]:
    """All subclasses of ``base`` that the package defines, however deep."""
    for module in pkgutil.walk_packages(absentia.models.__path__, "absentia.models."):
        importlib.import_module(module.name)
    found, queue = set(), [base]
    while queue:
        for kind in queue.pop().__subclasses__():
            queue.append(kind)
            # without a forward of its own it is only a base of others
            if kind.__module__.startswith("absentia.") and kind.forward is not base.forward:
                found.add(kind)
    return found


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with parameters away from special starting values such as zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(0.5 * noise)
    return module


def check_gradients(module: nn.Module, loss: Tensor) -> None:
    """Every parameter that is learnt gets a finite gradient that is not zero, or it is named."""
    learnt = [(name, own) for name, own in module.named_parameters() if own.requires_grad]
    names, parameters = zip(*learnt, strict=True)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient is not None, f"{name} gets no gradient"
        assert gradient.isfinite().all(), f"{name} has a gradient that is not finite"
        assert gradient.abs().max() > 0, f"{name} has a gradient of zero"
