"""What a fit prints as: five lines, whatever it was fitted to."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from typing import TYPE_CHECKING

from .settings import FitSettings

if TYPE_CHECKING:
    from .result import FitResult

_WIDE = 96
#: more equations than this take their time, and none of them would be read
_MOST_EQUATIONS = 50


def shown(fitted: FitResult) -> str:
    """Model, table, bound, settings that differ from the defaults, and mechanism; a line each."""
    rows = "" if fitted.rows is None else f"{fitted.rows} rows, "
    names = ", ".join(fitted.columns)
    given = [
        f"{field.name}={getattr(fitted.settings, field.name)!r}"
        for field in fields(FitSettings)
        if getattr(fitted.settings, field.name) != field.default
    ]
    lines = [
        f"FitResult of a {type(fitted.model).__name__}",
        f"data: {rows}{len(fitted.columns)} columns ({names})",
        f"bound: {fitted.bound:.4f} nats a row, at step {fitted.best_step}",
        f"settings: {', '.join(given) or 'the defaults'}",
        f"mechanism: {_mechanism(fitted)}",
    ]
    return "\n  ".join(textwrap.shorten(line, _WIDE, placeholder=" ...") for line in lines)


def _mechanism(fitted: FitResult) -> str:
    """The mechanism and the equation of its first column."""
    mechanism = getattr(fitted.model, "missingness", None)
    if mechanism is None:
        return "none"
    name = type(mechanism).__name__
    if mechanism.ignorable:
        return f"{name} (missing at random)"
    if len(fitted.columns) > _MOST_EQUATIONS or not hasattr(mechanism, "describe"):
        return name
    equations = [one.equation for one in mechanism.describe(fitted).columns if one.equation]
    more = f" (and {len(equations) - 1} more columns)" if len(equations) > 1 else ""
    return f"{name}, {equations[0]}{more}" if equations else name
