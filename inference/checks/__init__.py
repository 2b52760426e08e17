"""Is the model believable and its posterior right? Replicates, LOO, calibration, NUTS."""

from .leave_out import compare
from .nuts import cross_check
from .predictive import MaskCheck, check_mask, check_values
from .simulation_based import Calibration, calibration

__all__ = [
    "Calibration",
    "MaskCheck",
    "calibration",
    "check_mask",
    "check_values",
    "compare",
    "cross_check",
]
