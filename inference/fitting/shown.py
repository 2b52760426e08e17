"""The text of a fit: five lines, whatever it was fitted to."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from typing import TYPE_CHECKING

import pandas as pd

from ...models.missingness.description import IDENTIFIED
from ...models.programs.base import declarations
from .settings import FitSettings

if TYPE_CHECKING:
    from .result import FitResult

#: the longest line, in characters
_WIDEST = 96
#: above so many columns no equation is written, since finding it would take long
_MOST_EQUATIONS = 50


def shown(fitted: FitResult) -> str:
    """Write model, data, bound, settings that are not the defaults, and mechanism, line by line."""
    rows = "" if fitted.rows is None else f"{fitted.rows} rows, "
    names = ", ".join(fitted.columns)
    changed = [
        f"{field.name}={getattr(fitted.settings, field.name)!r}"
        for field in fields(FitSettings)
        if getattr(fitted.settings, field.name) != field.default
    ]
    lines = [
        f"FitResult of a {type(fitted.model).__name__}",
        f"data: {rows}{len(fitted.columns)} columns ({names})",
        f"bound: {fitted.bound:.4f} nats per row, at step {fitted.best_step}",
        f"settings: {', '.join(changed) or 'the defaults'}",
        f"mechanism: {_mechanism(fitted)}",
    ]
    return "\n  ".join(textwrap.shorten(line, _WIDEST, placeholder=" ...") for line in lines)


def summary_of(fitted: FitResult) -> pd.DataFrame:
    """Tabulate kind and mechanism of each column; see :meth:`FitResult.summary`."""
    kinds = {} if fitted.schema is None else {one.name: one.kind for one in fitted.schema}
    found = pd.DataFrame({"kind": [kinds.get(n, "continuous") for n in fitted.columns]})
    found.index = pd.Index(fitted.columns, name="column")
    mechanism = declarations(fitted.model).missingness
    if mechanism is None:
        return found
    if mechanism.ignorable:
        return found.assign(mechanism="missing at random")
    described = {one.column: one for one in mechanism.describe(fitted).columns}
    parts = {
        "mechanism": {name: one.equation for name, one in described.items()},
        "identified": {
            name: IDENTIFIED[one.identified] for name, one in described.items() if one.reason
        },
        "because": {name: one.reason for name, one in described.items()},
    }
    for what, of in parts.items():
        found[what] = [of.get(name, "") for name in fitted.columns]
    return found


def _mechanism(fitted: FitResult) -> str:
    """Name the mechanism, with the equation of its first column."""
    mechanism = declarations(fitted.model).missingness
    if mechanism is None:
        return "none"
    name = type(mechanism).__name__
    if mechanism.ignorable:
        return f"{name} (missing at random)"
    if len(fitted.columns) > _MOST_EQUATIONS:
        return name
    equations = [one.equation for one in mechanism.describe(fitted).columns if one.equation]
    more = f" (and {len(equations) - 1} more columns)" if len(equations) > 1 else ""
    return f"{name}, {equations[0]}{more}" if equations else name
