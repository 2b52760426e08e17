"""Exclusive use of the process-wide state of torch and Pyro while a computation runs.

All threads share Pyro's stack of handlers, its validation flag, and torch's random numbers and
default dtype. Threads that ran Pyro programs at the same time would mix these up and get wrong
numbers without an error, so they wait for each other here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

_lock = threading.RLock()
#: devices without a generator of their own; their random numbers come from that of the CPU
_WITHOUT_GENERATOR = ("cpu", "meta")


def _renew() -> None:
    """Make a new lock in a forked child, where no thread would ever release that of its parent."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let only one thread at a time run the block; the same thread may enter it again.

    >>> from absentia.data.system.process import one_at_a_time
    >>> with one_at_a_time(), one_at_a_time():
    ...     print("inside")
    inside
    """
    with _lock:
        yield


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's random numbers inside the block, and restore their state afterwards.

    Threads wait for each other, see :func:`one_at_a_time`.

    >>> import torch
    >>> from absentia.data.system.process import seeded
    >>> with seeded(3):
    ...     a = torch.rand(2)
    >>> with seeded(3):
    ...     b = torch.rand(2)
    >>> bool((a == b).all())
    True
    """
    device = torch.device(device)
    with one_at_a_time():
        before = random_state(device)
        try:
            # torch.manual_seed would seed every accelerator as well, also those that are not in use
            torch.default_generator.manual_seed(seed)
            if device.type not in _WITHOUT_GENERATOR:
                _seed_accelerator(seed, device)
            yield
        finally:
            set_random_state(before, device)


def _seed_accelerator(seed: int, device: torch.device) -> None:
    """Seed this accelerator, but no other one of its kind."""
    module = torch.get_device_module(device)
    if device.index is None or not hasattr(module, "device"):
        module.manual_seed(seed)
    else:
        with module.device(device):
            module.manual_seed(seed)


@contextmanager
def own_settings(dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Make new tensors of ``dtype`` and on the CPU inside the block, whatever the defaults.

    With it ``torch.set_default_dtype`` and ``torch.set_default_device`` do not change any result.
    Threads wait for each other, see :func:`one_at_a_time`.

    >>> import torch
    >>> from absentia.data.system.process import own_settings
    >>> with own_settings(torch.float64):
    ...     torch.zeros(1).dtype
    torch.float64
    """
    with ExitStack() as stack:
        stack.enter_context(one_at_a_time())
        before = torch.get_default_dtype()
        if before != dtype:
            torch.set_default_dtype(dtype)
            stack.callback(torch.set_default_dtype, before)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def callers_turn(device: torch.device | str = "cpu") -> Iterator[None]:
    """Run code of the caller inside a computation without changing its random state or settings.

    >>> import torch
    >>> from absentia.data.system.process import callers_turn, seeded
    >>> with seeded(3):
    ...     with callers_turn():
    ...         _ = torch.rand(5)
    ...     a = torch.rand(2)
    >>> with seeded(3):
    ...     b = torch.rand(2)
    >>> bool((a == b).all())
    True
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


def random_state(device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Return the state of torch's random numbers, on the CPU and on ``device``."""
    device = torch.device(device)
    state = {"cpu": torch.get_rng_state()}
    if device.type not in _WITHOUT_GENERATOR:
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def set_random_state(state: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
    """Restore a state that :func:`random_state` returned."""
    torch.set_rng_state(state["cpu"])
    device = torch.device(device)
    if device.type in state and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state[device.type], device)
