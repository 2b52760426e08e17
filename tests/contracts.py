"""What every decoder, encoder and mechanism is tried with: one entry a class, by way of making it.

``models/test_contracts.py`` runs the same checks over all of them, and fails where the package
has a class without an entry here.
"""

import importlib
import pkgutil
from collections.abc import Callable

import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

import absentia.models
from absentia.models import (
    Decoder,
    Encoder,
    ExactConditionalEncoder,
    FunctionMissingness,
    GaussianDecoder,
    Ignorable,
    LinearGaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    Missingness,
    MixedDecoder,
    NonLinearMissingness,
    SelfMasking,
    SetEncoder,
    StudentTDecoder,
    ZeroFilledEncoder,
)

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
    LinearGaussianDecoder: {
        "shared": lambda: LinearGaussianDecoder(D, P),
        "column": lambda: LinearGaussianDecoder(D, P, scale="column"),
    },
}

DECODERS[MixedDecoder] = {
    "mixed": lambda: MixedDecoder(D, FAMILIES, hidden=[8]),
    "linear": lambda: MixedDecoder(D, FAMILIES, hidden=[], scale="column", real="student-t"),
    "skip": lambda: MixedDecoder(D, FAMILIES, hidden=[8], skip=True),
}

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
    ExactConditionalEncoder: {"exact": exact_encoder},
}

MECHANISMS: dict[type, dict[str, Callable[[], Missingness]]] = {
    SelfMasking: {
        "logit": lambda: SelfMasking(P),
        "probit": lambda: SelfMasking(P, "probit"),
        "signed": lambda: SelfMasking(P, sign=["+", "-", None, "+"]),
        "given": lambda: SelfMasking(P, slope=-3.0, offset=[0.0, 1.0, 2.0, 3.0]),
        "prior": lambda: SelfMasking(P, prior_scale=1.0),
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
    """Every parameter gets a finite gradient that is not zero; the first that does not is named."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient is not None, f"{name} gets no gradient"
        assert gradient.isfinite().all(), f"{name} has a gradient that is not finite"
        assert gradient.abs().max() > 0, f"{name} has a gradient of zero"
