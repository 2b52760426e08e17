"""What identifies the mechanism of a column: its formula, its prior, or a shadow variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .description import ColumnDescription
from .table_facts import TableFacts


def identified(one: ColumnDescription, known: str | None, facts: TableFacts) -> ColumnDescription:
    """Add to a column's description whether its mechanism is identified, and by what.

    Args:
        one: the column, its equation and what the equation reads.
        known: what is known of the coefficients of the column's own value: "given", "prior",
            "direction", "shrunk" or None.
        facts: which columns are complete, and which of those may be shadow variables.
    """
    found, reason = _identification(one, known, facts)
    return replace(one, identified=found, reason=reason)


def _identification(
    one: ColumnDescription, known: str | None, facts: TableFacts
) -> tuple[bool | None, str]:
    """Return whether the column's mechanism is identified (None: on a condition), and why."""
    if one.colluders:
        return False, (
            f"{one.colluders[0]} enters by its value and by its absence (a colluder), under which "
            f"the full law is not identified; drop one of the two"
        )
    if not one.self_censoring:
        return _without_self_censoring(one, facts)
    if known == "given":
        return True, "its coefficients are given"
    if known == "prior":
        return None, "by its prior; beyond that, the data inform it through its parametric form"
    direction = {
        "direction": "; its direction is given",
        "shrunk": "; its slope is shrunk towards 0",
    }.get(str(known), "")
    shadows = [name for name in (facts.shadows or ()) if name not in one.values]
    if shadows:
        listed = ", ".join(shadows[:4]) + (", ..." if len(shadows) > 4 else "")
        return None, (
            f"if {listed} (never missing, not in the equation) predicts {one.column} given the "
            f"rest: a shadow variable (Miao & Tchetgen Tchetgen, 2016){direction}"
        )
    return False, (
        f"nothing but the parametric form identifies how {one.column} itself enters{direction}; "
        f"fix its coefficient, give it a prior, or add a column that is never missing and stays "
        f"out of the equation"
    )


def _without_self_censoring(one: ColumnDescription, facts: TableFacts) -> tuple[bool | None, str]:
    """Judge a column whose absence does not depend on its own value."""
    if any(name not in (facts.complete or ()) for name in one.values):
        return True, (
            "no self-censoring: given the other columns, absence does not depend on the value "
            "itself (Malinsky, Shpitser & Tchetgen Tchetgen, 2022)"
        )
    if any(name.endswith("latent") for name in one.others):
        return None, (
            "absence depends on the row's latent alone, not on the value: identified if the "
            "other columns identify the latent"
        )
    return True, "absence depends on what is observed only (missing at random)"


def resting_on_others(columns: Sequence[ColumnDescription]) -> tuple[ColumnDescription, ...]:
    """Make the identification of a column depend on that of the columns that its equation reads.

    If the mechanism of b is not identified, neither is the distribution of b, and hence neither is
    how the absence of a depends on b.
    """
    found = {one.column: one for one in columns}
    for _ in columns:  # as often as the longest chain of columns that read each other
        for one in columns:
            if not found[one.column].identified or not one.reason:
                continue
            doubtful = [
                name for name in one.values if name != one.column and _doubtful(found, name)
            ]
            if doubtful:
                found[one.column] = replace(
                    one,
                    identified=None,
                    reason=f"{one.reason}; this holds if the distribution of "
                    f"{', '.join(doubtful)} is identified, see there",
                )
    return tuple(found[one.column] for one in columns)


def _doubtful(found: dict[str, ColumnDescription], name: str) -> bool:
    """Whether the distribution of a column is not identified beyond doubt."""
    return name in found and bool(found[name].reason) and found[name].identified is not True
