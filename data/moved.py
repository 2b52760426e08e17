"""Old names of objects, which work for one more version, each with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .errors import AbsentiaDeprecationWarning


def old_name(module: str, name: str, moved: Mapping[str, str]) -> Any:
    """Return the object that a module had under an old name, with a warning; for ``__getattr__``.

    Args:
        module: the ``__name__`` of the module that is asked.
        name: what is asked for.
        moved: by old name, the module and name that it has now: ``"absentia.models.GNR"``.

    Raises:
        AttributeError: for a name that the module never had.
    """
    if name not in moved:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, _, attribute = moved[name].rpartition(".")
    # "from module import name" asks twice: the import system whether it is there, then for it
    if sys._getframe(2).f_globals.get("__name__") != "importlib._bootstrap":
        warnings.warn(
            f"{module}.{name} is now {moved[name]}; the old name will be removed",
            AbsentiaDeprecationWarning,
            stacklevel=3,
        )
    return getattr(import_module(home), attribute)
