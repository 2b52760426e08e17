"""Checks of a fitted model: its mask and values replicated, calibration, NUTS, other models."""

from .inference import (
    Calibration,
    CellCheck,
    MaskCheck,
    RowScore,
    calibration,
    check_cells,
    check_identification,
    check_mask,
    check_values,
    compare,
    cross_check,
    energy_iscore,
    energy_score,
    held_out_bound,
)

__all__ = [
    "Calibration",
    "CellCheck",
    "MaskCheck",
    "RowScore",
    "calibration",
    "check_cells",
    "check_identification",
    "check_mask",
    "check_values",
    "compare",
    "cross_check",
    "energy_iscore",
    "energy_score",
    "held_out_bound",
]
