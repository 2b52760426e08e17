"""Evaluation of a model: by one thread, in its own dtype, without Pyro's validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import torch

from ..data.system.process import own_settings, seeded


@contextmanager
def computing(model: torch.nn.Module) -> Iterator[None]:
    """Run Pyro programs in the block: other threads wait, and the caller's defaults are ignored."""
    parameter = next(iter(model.parameters()), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    with own_settings(dtype), pyro.validation_enabled(False), _without_inference_mode():
        yield


@contextmanager
def _without_inference_mode() -> Iterator[None]:
    """Leave inference mode, whose tensors could never take part in a gradient again."""
    if torch.is_inference_mode_enabled():
        with torch.inference_mode(False), torch.no_grad():
            yield
    else:
        yield


@contextmanager
def evaluating(model: torch.nn.Module, seed: int, device: torch.device) -> Iterator[None]:
    """Seed the block, put the model into evaluation mode, and restore both afterwards.

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
    with computing(model), seeded(seed, device):
        training = model.training
        model.eval()
        try:
            yield
        finally:
            model.train(training)


@contextmanager
def learning() -> Iterator[None]:
    """Enable gradients in the block, also under the caller's ``no_grad`` or ``inference_mode``."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
