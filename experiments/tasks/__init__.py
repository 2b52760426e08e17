"""What a cell of an experiment does: by name, a function of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .completion import completion
from .ratings import ratings
from .supervised import supervised
from .transfer import transfer

#: each returns ``metrics``, and whatever else its figures need, as plain data
TASKS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "complete": completion,
    "ratings": ratings,
    "supervised": supervised,
    "transfer": transfer,
}

__all__ = ["TASKS"]
