"""The functions that a formula may call, with the options that they take."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

import torch
from torch import Tensor

from ....data.errors import InputError

#: functions of one value
PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "I": lambda x: x,
    "log": torch.log,
    "log1p": torch.log1p,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
#: functions that learn from the observed values
LEARNING = ("center", "scale", "standardize", "poly", "bs", "ns", "cr")
#: the options that functions take after their value
OPTIONS: dict[str, tuple[str, ...]] = {
    "poly": ("degree",),
    "bs": ("df", "degree"),
    "ns": ("df",),
    "cr": ("df",),
    "hinge": ("knot",),
}
#: the default values of options that have one
DEFAULTS: dict[str, dict[str, float]] = {
    "poly": {},
    "bs": {"df": 5, "degree": 3},
    "ns": {"df": 4},
    "cr": {"df": 4},
}
#: functions that make several columns
BASES = ("poly", "bs", "ns", "cr")
#: every name that a formula may call
KNOWN = (*PLAIN, *LEARNING, "hinge", "C", "is_missing")
#: the largest number of columns and degree of a basis
MOST_DF, MOST_DEGREE = 100, 20


def options(source: str, call: ast.Call, *names: str, **defaults: float) -> list[float]:
    """Read the numbers that a call gives after its value.

    Args:
        source: the text of the factor, for errors.
        call: the call.
        names: the options in the order in which they may be given by position.
        defaults: values of options that may be left out.

    Raises:
        ValueError: if an option is missing or is not a number.

    >>> options("hinge(age, 40)", ast.parse("hinge(age, 40)", mode="eval").body, "knot")
    [40]
    """
    given = dict(zip(names, call.args[1:], strict=False))
    given.update({k.arg: k.value for k in call.keywords if k.arg})
    found = []
    for name in names:
        if name not in given and name not in defaults:
            raise InputError(f"'{source}' needs the option {name}; give it a number")
        try:
            value = ast.literal_eval(given[name]) if name in given else defaults[name]
        except ValueError as error:
            raise InputError(f"'{source}': {name} must be a number") from error
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"'{source}': {name} must be a number, not {value!r}")
        found.append(value)
    return found


def basis_options(source: str, call: ast.Call, name: str) -> list[int]:
    """Read the options of a basis: its number of columns, then its degree where it has one.

    Raises:
        ValueError: if an option is not a whole number within bounds.
    """
    found = []
    given = options(source, call, *OPTIONS[name], **DEFAULTS[name])
    for option, value in zip(OPTIONS[name], given, strict=True):
        most = MOST_DF if option == "df" else MOST_DEGREE
        if not (math.isfinite(value) and value == int(value) and 1 <= value <= most):
            raise InputError(
                f"'{source}': {option} is {value!r}; give a whole number from 1 to {most}"
            )
        found.append(int(value))
    return found


def called(node: ast.expr) -> str:
    """Return the name of the function that a node calls, or "" where it calls none.

    >>> called(ast.parse("log(age)", mode="eval").body)
    'log'
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""
