"""Equations of mechanisms as one line of text, in the data's own units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...data import Standardiser


def equation(
    link: str, column: str, intercept: float | str | None, terms: Iterable[tuple[float | str, str]]
) -> str:
    """Write one line: ``logit P(column missing) = intercept + coefficient name + ...``.

    >>> equation("logit", "income", -2.0, [(0.031, "income"), (-1.0, "age")])
    'logit P(income missing) = -2 + 0.031 income - age'
    """
    text = "" if intercept is None else str(intercept)
    if isinstance(intercept, float):
        text = f"{intercept:.4g}"
    for value, name in terms:
        if isinstance(value, str):
            sign, size = "+", f"{value} "
        else:
            sign = "-" if value < 0 else "+"
            size = f"{abs(value):.4g} "
            size = "" if size == "1 " else size
        if text:
            text += f" {sign} {size}{name}"
        else:
            text = f"{'-' if sign == '-' else ''}{size}{name}"
    return f"{link} P({column} missing) = {text or '0'}"


def in_units(
    intercept: float,
    terms: Sequence[tuple[float, int]],
    names: Sequence[str],
    scaler: Standardiser | None,
) -> tuple[float, list[tuple[float | str, str]]]:
    """Convert an affine score of standardised columns into the columns' own units.

    A warped column stands there as what its warp makes of it, "log(income)" say.
    """
    shown: list[tuple[float | str, str]] = []
    for value, k in terms:
        name = names[k]
        if scaler is not None:
            warp = scaler.warps[k]
            name = name if warp is None else f"{warp.kind}({name})"
            value = value / float(scaler.scale[k])
            intercept -= value * float(scaler.center[k])
        shown.append((value, name))
    return intercept, shown
