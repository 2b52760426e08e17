"""Checks of a fitted model: its mask and values replicated, calibration, NUTS, other models."""

from .inference import (
    Calibration,
    CellCheck,
    MaskCheck,
    calibration,
    check_cells,
    check_identification,
    check_mask,
    check_values,
    compare,
    cross_check,
    held_out_bound,
)

__all__ = [
    "Calibration",
    "CellCheck",
    "MaskCheck",
    "calibration",
    "check_cells",
    "check_identification",
    "check_mask",
    "check_values",
    "compare",
    "cross_check",
    "held_out_bound",
]
