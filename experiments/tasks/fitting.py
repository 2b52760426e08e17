"""Fitting in an experiment, on the device that the whole run was told to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from ... import inference
from ...data import IncompleteData, Ratings
from ...data.errors import InputError
from ...inference import FitResult
from ...models import RowModel

_device: ContextVar[str | None] = ContextVar("device", default=None)


@contextmanager
def fitting_on(device: str | None) -> Iterator[None]:
    """Fit every model inside on ``device``, such as ``"cuda"``; None leaves it where it is.

    The device is not part of an experiment's configuration: it changes how long a result takes,
    and the random numbers, but not what the result is an estimate of.
    """
    before = _device.set(device)
    try:
        yield
    finally:
        _device.reset(before)


def fit(model: RowModel, data: IncompleteData | Ratings, **options: Any) -> FitResult:
    """Fit as :func:`absentia.fit` does, without its warnings, on the device of the run."""
    options = {"progress": False, "check": False, **options}
    return inference.fit(model, data, device=_device.get(), **options)


def device_name(device: str | None) -> str | None:
    """Return the name of a device, after trying to use it.

    Raises:
        ValueError: torch cannot use the device.

    >>> device_name(None), device_name("cpu")
    (None, 'cpu')
    """
    if device is None:
        return None
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(
            f"torch cannot use the device '{device}' ({first}); leave out --device to use the "
            f"processor"
        ) from error
    if torch.device(device).type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device
