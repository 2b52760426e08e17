"""Fitting in an experiment, on the device that was chosen for the whole experiment."""

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
    """Fit every model inside the ``with`` block on ``device``; None leaves it on the CPU.

    The device is not part of an experiment's configuration: it changes the time that a result
    takes, and its random numbers, but not the quantity that is estimated.
    """
    before = _device.set(device)
    try:
        yield
    finally:
        _device.reset(before)


def fit(model: RowModel, data: IncompleteData | Ratings, **options: Any) -> FitResult:
    """Fit as :func:`absentia.fit` does, without its warnings, on the device of the run.

    A specification that names no optimiser is fitted by Adam, which was the only optimiser when the
    committed specifications were written.
    """
    options = {"progress": False, "check": False, "optimiser": "adam", **options}
    return inference.fit(model, data, device=_device.get(), **options)


def device_name(device: str | None) -> str | None:
    """Return the name of a device, after checking that torch can use it.

    Raises:
        InputError: if torch cannot use the device.

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
            f"torch cannot use the device '{device}' ({first}); leave out --device to use the CPU"
        ) from error
    if torch.device(device).type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device
