"""Checkpoints of a running fit: written whole or not at all, read without unpickling code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ...data.files import atomic_path


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain data to ``path``, replacing an older checkpoint in one move."""
    # through a file object: torch refuses some names, such as ".checkpoint-1" without a suffix
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        torch.save(state, file)


def read_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state to go on from, or None if there is none yet.

    :raises ValueError: if it belongs to a fit with other settings, or cannot be read.
    """
    if not os.path.exists(path):
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:
        raise ValueError(f"checkpoint '{path}' cannot be read ({error}); delete it") from error
    changed = [k for k, v in settings.items() if state["settings"].get(k) != v]
    if changed:
        name = changed[0]
        raise ValueError(
            f"checkpoint '{path}' is of a fit with {name}={state['settings'].get(name)!r}, not "
            f"{settings[name]!r}; delete it or give another path"
        )
    return state
