"""Plots of fits, imputations and their assumptions, as functions that return matplotlib figures."""

from .inference.plots import (
    plot_calibration,
    plot_cell_check,
    plot_graph,
    plot_history,
    plot_imputed,
    plot_mask_check,
    plot_mechanism,
    plot_missingness,
    plot_reliability,
    plot_row,
    plot_sensitivity,
)

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
