"""Plots of fits, imputations and their assumptions, as functions that return matplotlib figures."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cells import plot_cell_check
    from .diagnostics import plot_calibration, plot_history, plot_reliability
    from .graph import plot_graph
    from .imputed import plot_imputed, plot_row
    from .mask import plot_mask_check, plot_missingness
    from .mechanism import plot_mechanism
    from .sensitivity import plot_sensitivity

__all__ = [
    "plot_calibration",
    "plot_cell_check",
    "plot_graph",
    "plot_history",
    "plot_imputed",
    "plot_mask_check",
    "plot_mechanism",
    "plot_missingness",
    "plot_reliability",
    "plot_row",
    "plot_sensitivity",
]

_HOMES = {
    "plot_calibration": "diagnostics",
    "plot_cell_check": "cells",
    "plot_graph": "graph",
    "plot_history": "diagnostics",
    "plot_imputed": "imputed",
    "plot_mask_check": "mask",
    "plot_mechanism": "mechanism",
    "plot_missingness": "mask",
    "plot_reliability": "diagnostics",
    "plot_row": "imputed",
    "plot_sensitivity": "sensitivity",
}


def __dir__() -> list[str]:
    """Return every public name, those that have not been imported yet included."""
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a plot on first use: that of a table's gaps need not wait for torch."""
        if name in _HOMES:
            return getattr(import_module(f".{_HOMES[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
