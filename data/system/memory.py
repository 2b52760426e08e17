"""Errors for lack of memory that say which arguments needed it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..errors import AbsentiaError

_TRIED = re.compile(r"(?:allocate|size) ((?:\d[\d.]*) ?(?:bytes|[KMGTPE]iB))", re.IGNORECASE)


class NotEnoughMemoryError(AbsentiaError, MemoryError):
    """More memory is needed than there is; the message says which arguments need it."""


@contextmanager
def asked_for(function: str, **asked: object) -> Iterator[None]:
    """Turn a lack of memory inside the block into an error that names the arguments.

    >>> import torch
    >>> from absentia.data.system.memory import asked_for
    >>> try:
    ...     with asked_for("fit", particles=10**12):
    ...         torch.zeros(10**12, 10**3)
    ... except MemoryError as error:
    ...     print(str(error).split(" (")[0])
    fit with particles=1000000000000 needs more memory than there is

    Args:
        function: the name of the function that the user called.
        asked: its arguments on which the memory depends; None for those that were left out.

    Raises:
        NotEnoughMemoryError: Python or torch raised an error for lack of memory.
    """
    try:
        yield
    except NotEnoughMemoryError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not _is_of_memory(error):
            raise
        shown = {name: value for name, value in asked.items() if value is not None}
        values = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        raise NotEnoughMemoryError(
            f"{function}{f' with {values}' if shown else ''} needs more memory than there is"
            f"{_tried(error)}; give a smaller {' or '.join(shown) if shown else 'table'}"
        ) from error


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse, before any work, a task that does not fit into the memory of this machine.

    Args:
        needed: the number of bytes that it needs.
        what: the name of the task, for the error.
        remedy: what to do instead, for the error.

    Raises:
        NotEnoughMemoryError: the whole machine has fewer bytes.
    """
    there = _total_memory()
    if there is not None and needed > there:
        raise NotEnoughMemoryError(
            f"{what} would take {_readable(needed)} of memory, and there are {_readable(there)}; "
            f"{remedy}"
        )


def _is_of_memory(error: BaseException) -> bool:
    """Whether an error is a MemoryError, or what torch's allocators raise instead."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return (
        "can't allocate memory" in text
        or "out of memory" in text
        or ("storage size calculation overflowed" in text)
    )


def _tried(error: BaseException) -> str:
    found = _TRIED.search(str(error))
    if found is None:
        return ""
    number, _, unit = found.group(1).partition(" ")
    size = _readable(float(number)) if unit == "bytes" else found.group(1)
    return f" (tried to allocate {size})"


def _readable(size: float) -> str:
    """Write a number of bytes in the largest fitting unit."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} PiB"


def _total_memory() -> float | None:
    """Return the number of bytes that this process may use, or None where it is unknown."""
    try:
        found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return None
    try:  # the limit of a container
        text = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return found
    return min(found, float(text)) if text.isdigit() else found
