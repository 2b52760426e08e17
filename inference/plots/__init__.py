"""Plots of fits, imputations and their assumptions, as functions that return matplotlib figures."""

from .diagnostics import plot_calibration, plot_history, plot_reliability
from .imputed import plot_imputed, plot_row
from .mask import plot_mask_check, plot_missingness
from .mechanism import plot_mechanism
from .sensitivity import plot_sensitivity

__all__ = [
    "plot_calibration",
    "plot_history",
    "plot_imputed",
    "plot_mask_check",
    "plot_mechanism",
    "plot_missingness",
    "plot_reliability",
    "plot_row",
    "plot_sensitivity",
]
