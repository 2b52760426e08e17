"""Feed-forward networks shared by decoders, encoders and mechanisms."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ...data.errors import InputError
from .tanh import Tanh

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky-relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
}


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int | None = None, activation: str = "tanh"
) -> nn.Sequential:
    """Stack linear layers, with an activation after each hidden one, over the last dimension.

    Args:
        inputs: the number of inputs.
        hidden: the widths of the hidden layers, of any number.
        outputs: the number of outputs; None leaves out the last linear layer, for networks with
            several heads.
        activation: one of the names in :data:`ACTIVATIONS`.

    >>> from absentia.models.networks.mlp import mlp
    >>> len(mlp(4, [16, 16], 2))
    5

    Raises:
        ValueError: if the activation is not one of :data:`ACTIVATIONS`.
    """
    if activation not in ACTIVATIONS:
        raise InputError(f"activation {activation!r} is not one of {', '.join(ACTIVATIONS)}")
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), ACTIVATIONS[activation]()]
        inputs = width
    if outputs is not None:
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)
