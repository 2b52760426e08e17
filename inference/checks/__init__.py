"""Checks of a model and its posterior: replicates, leave-one-out, calibration, NUTS."""

from .cells import CellCheck, check_cells
from .leave_out import compare
from .nuts import cross_check
from .predictive import MaskCheck, check_mask, check_values
from .rows import RowScore, energy_iscore, energy_score
from .simulation_based import Calibration, calibration

__all__ = [
    "Calibration",
    "CellCheck",
    "MaskCheck",
    "RowScore",
    "calibration",
    "check_cells",
    "check_mask",
    "check_values",
    "compare",
    "cross_check",
    "energy_iscore",
    "energy_score",
]
