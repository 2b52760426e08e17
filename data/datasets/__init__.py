"""Data sets: complete tables, pictures and ratings, and synthetic data with exact answers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import images, ratings, statsmodels_tables, synthetic, uci

__all__ = ["images", "ratings", "statsmodels_tables", "synthetic", "uci"]


def __dir__() -> list[str]:
    """Return every public name, those that have not been imported yet included."""
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a module on first use: models need ``images``, which needs none of SciPy."""
        if name in __all__:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
