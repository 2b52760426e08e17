"""The tasks of experiments, by name: functions that run one cell from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import (
    commands,
    completion,
    coverage,
    decoders,
    form_odds,
    mechanisms,
    mixed,
    ratings,
    recovery,
    supervised,
    transfer,
)

#: each returns ``metrics``, and whatever else tables and figures need, as plain data
TASKS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "cell-intervals": mechanisms.cell_intervals,
    "commands": commands.commands,
    "complete": completion.completion,
    "coverage": coverage.coverage,
    "decoders": decoders.decoders,
    "density": decoders.density,
    "form-odds": form_odds.form_odds,
    "mechanisms": mechanisms.mechanisms,
    "mixed": mixed.mixed_columns,
    "ratings": ratings.ratings,
    "recovery": recovery.recovery,
    "shares": mechanisms.shares,
    "supervised": supervised.supervised,
    "transfer": transfer.transfer,
}

#: tables of the tasks whose results are more than one number per method and heading: functions of
#: (method, heading, result) of all cells that have a result
TABLES: Mapping[str, Callable[[Sequence[tuple[str, str, Mapping[str, Any]]]], list[list[str]]]] = {
    "cell-intervals": mechanisms.intervals_table,
    "commands": commands.commands_table,
    "coverage": coverage.coverage_table,
    "decoders": decoders.decoders_table,
    "density": decoders.density_table,
    "form-odds": form_odds.form_odds_table,
    "mechanisms": mechanisms.mechanisms_table,
    "mixed": mixed.mixed_table,
    "recovery": recovery.recovery_table,
    "shares": mechanisms.shares_table,
}

__all__ = ["TABLES", "TASKS"]
