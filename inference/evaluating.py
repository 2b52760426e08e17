"""A model as it is judged and used: in evaluation mode, seeded, without Pyro's validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import torch

from .randomness import seeded


@contextmanager
def evaluating(model: torch.nn.Module, seed: int, device: torch.device) -> Iterator[None]:
    """The block runs so; the model's mode, the random state and the validation come back after.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.inference.evaluating import evaluating
    >>> model = ab.MIWAE(ab.IncompleteData.from_numpy(np.eye(3)), latent_dim=1, hidden=[4])
    >>> with evaluating(model, 0, torch.device("cpu")):
    ...     model.training
    False
    >>> model.training
    True
    """
    training = model.training
    model.eval()
    try:
        with seeded(seed, device), pyro.validation_enabled(False):
            yield
    finally:
        model.train(training)
