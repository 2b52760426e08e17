"""The data: tables with missing values, their amputation, and synthetic and real data sets."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import amputation, datasets
    from .columns.column import Column
    from .columns.suspects import suspects
    from .incomplete import IncompleteData
    from .ratings import Ratings
    from .schema import Schema, infer_schema
    from .standardiser import Standardiser

__all__ = [
    "Column",
    "IncompleteData",
    "Ratings",
    "Schema",
    "Standardiser",
    "amputation",
    "datasets",
    "infer_schema",
    "suspects",
]

_HOMES = {
    "Column": "columns.column",
    "IncompleteData": "incomplete",
    "Ratings": "ratings",
    "Schema": "schema",
    "Standardiser": "standardiser",
    "infer_schema": "schema",
    "suspects": "columns.suspects",
}


def __dir__() -> list[str]:
    """Return every public name, those that have not been imported yet included."""
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on first use, so that reading an error's class needs no torch."""
        if name in ("amputation", "datasets"):
            return import_module(f".{name}", __name__)
        if name in _HOMES:
            return getattr(import_module(f".{_HOMES[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
