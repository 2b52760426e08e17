"""Exclusive use of the process-wide state of torch and Pyro while a computation runs.

Pyro's stack of handlers, its validation flag, torch's random numbers and default dtype belong to
no thread. Threads that ran Pyro programs at once would mix them up and get wrong numbers without
an error; here they wait for each other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

_lock = threading.RLock()
#: devices whose random numbers, if any, come from the processor's generator
_WITHOUT_GENERATOR = ("cpu", "meta")


def _renew() -> None:
    """Make new locks in a forked child, where no thread would ever release its parent's."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one thread in at a time; a thread that is inside may enter again.

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
    """Seed the one accelerator, and no other of its kind."""
    module = torch.get_device_module(device)
    if device.index is None or not hasattr(module, "device"):
        module.manual_seed(seed)
    else:
        with module.device(device):
            module.manual_seed(seed)


@contextmanager
def own_settings(dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Make new tensors of ``dtype`` and on the CPU inside the block, whatever the defaults.

    So that ``torch.set_default_dtype`` and ``torch.set_default_device`` change no result. Threads
    wait for each other, see :func:`one_at_a_time`.

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
    """Run a caller's code inside a computation, without effect on our random state or settings.

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
