"""Checkpoints of a running fit: written completely or not at all, read without unpickling code.

A checkpoint begins with a line that names the format and a line with the SHA-256 digest of all that
follows: tensors and plain data, as ``torch.save`` writes them.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...data.errors import InputError
from ...data.system.files import atomic_path

_MAGIC = b"absentia checkpoint 1\n"
#: the parts of a checkpoint and their types
PARTS: dict[str, type | tuple[type, ...]] = {
    "settings": dict,
    "step": int,
    "model": dict,
    "best": dict,
    "best_at": list,
    "optimiser": dict,
    "schedule": dict,
    "batches": dict,
    "found": dict,
    "history": list,
    "random": dict,
}


def checkpoint_path(given: str | Path) -> Path:
    """Return the path of a fit's checkpoint, with links resolved.

    Raises:
        ValueError: the path is a folder, lies in a folder that does not exist, or is a file that is
            no checkpoint, which the fit would overwrite and remove.
    """
    path = Path(os.path.realpath(given))
    if path.is_dir():
        raise InputError(f"checkpoint '{given}' is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise InputError(
            f"checkpoint '{given}' cannot be written, since there is no folder '{path.parent}'; "
            f"create that folder"
        )
    if path.exists():
        _check_kind(path)
    return path


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain data to ``path``, replacing an older checkpoint in one move."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(_MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
        file.write(content)


def read_checkpoint(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the state to continue from, or None if there is none yet.

    Raises:
        ValueError: the checkpoint belongs to a fit with other settings, or cannot be read.
    """
    if not path.exists():
        return None
    _check_kind(path)
    _, digest, content = path.read_bytes().split(b"\n", 2)
    if hashlib.sha256(content).hexdigest().encode() != digest:
        raise damaged(path, "its content has changed since it was written")
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    except Exception as error:
        raise damaged(path, "it does not hold tensors and plain data") from error
    for name, kind in PARTS.items():
        found = state.get(name) if isinstance(state, dict) else None
        if not isinstance(found, kind):
            raise damaged(path, f"its part '{name}' is missing or of a wrong type")
    changed = [k for k, v in settings.items() if state["settings"].get(k) != v]
    if changed:
        name = changed[0]
        raise InputError(
            f"checkpoint '{path}' belongs to a fit with {name}={state['settings'].get(name)!r}, "
            f"and this fit has {settings[name]!r}; delete the checkpoint or give another path"
        )
    return state


def damaged(path: Path, why: str) -> InputError:
    """Make the error that says in one line that a checkpoint cannot be read."""
    return InputError(
        f"checkpoint '{path}' cannot be read ({why}); delete it to fit from the start"
    )


def _check_kind(path: Path) -> None:
    """Refuse a file that was not written by a fit of absentia."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(_MAGIC) + 65)
    except OSError as error:
        raise InputError(f"checkpoint '{path}' cannot be read ({error.strerror})") from error
    if not start.startswith(_MAGIC):
        raise InputError(
            f"checkpoint '{path}' cannot be read: the file is no checkpoint of this version of "
            f"absentia, and the fit would overwrite it; give another path, or delete the file"
        )
    if start.count(b"\n") < 2:
        raise damaged(path, "it ends too early")
