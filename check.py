"""Checks of a fitted model: its mask and values replicated, calibration, NUTS, other models."""

from .inference import (
    Calibration,
    MaskCheck,
    calibration,
    check_identification,
    check_mask,
    check_values,
    compare,
    cross_check,
    held_out_bound,
)

__all__ = [
    "Calibration",
    "MaskCheck",
    "calibration",
    "check_identification",
    "check_mask",
    "check_values",
    "compare",
    "cross_check",
    "held_out_bound",
]
