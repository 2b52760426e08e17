"""The settings of a fit, checked once and kept with its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal, TypedDict, get_args

from ...data.arguments import check_names
from ...data.errors import InputError
from ...data.renamed import INTEGRATION_MODE
from ..elbo import Gradient, Unobserved

Schedule = Literal["auto", "until-flat", "one-cycle", "cosine", "constant"]
Optimiser = Literal["auto", "adam", "l-bfgs", "gibbs"]
#: settings with which ``optimiser="auto"`` chooses Adam, since they are meant for its steps
OF_ADAM = (
    "steps",
    "batch_size",
    "learning_rate",
    "mechanism_rate",
    "schedule",
    "gradient",
    "evaluations",
    "n_init",
)
#: settings with which ``optimiser="auto"`` does not sample: ``steps`` may also count sweeps
NOT_OF_SWEEPS = (*(name for name in OF_ADAM if name != "steps"), "patience")
#: settings with which ``schedule="auto"`` takes all steps: they count steps or evaluations
OF_COUNTED_STEPS = ("steps", "evaluations", "patience")


#: fields that are whole numbers
_WHOLE = ("particles", "steps", "batch_size", "evaluations", "patience", "seed", "n_init")


class FitOptions(TypedDict, total=False):
    """The fields of :class:`FitSettings` as type checkers and editors read them in ``fit``."""

    particles: int
    steps: int
    batch_size: int
    learning_rate: float
    mechanism_rate: float
    schedule: Schedule
    gradient: Gradient
    unobserved: Unobserved
    validation: float
    evaluations: int
    patience: int | None
    seed: int
    optimiser: Optimiser
    autocast: bool
    n_init: int


@dataclass(frozen=True)
class FitSettings:
    """How a model is fitted; every field is an argument of :func:`absentia.fit`.

    Raises:
        ValueError: a value is out of range; the message names the field.
    """

    particles: int = 20
    steps: int = 5_000
    batch_size: int = 64
    learning_rate: float = 2e-3
    mechanism_rate: float = 10.0
    schedule: Schedule = "auto"
    gradient: Gradient = "auto"
    unobserved: Unobserved = "auto"
    validation: float = 0.1
    evaluations: int = 20
    patience: int | None = None
    seed: int = 0
    optimiser: Optimiser = "auto"
    autocast: bool = False
    n_init: int = 4

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> FitSettings:
        """Make settings from arguments by name.

        Raises:
            TypeError: a name is no field of the settings.
        """
        check_names("fit", given, [field.name for field in fields(cls)])
        return cls(**given)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> FitSettings:
        """Read settings from a file, which an earlier version may have written."""
        old = {k: INTEGRATION_MODE[k] for k in INTEGRATION_MODE if k in document}
        kept = {"optimiser": "adam", **{k: v for k, v in document.items() if k not in old}}
        return cls(**kept, **{now.name: now.value(document[k]) for k, now in old.items()})

    def __post_init__(self) -> None:
        """Convert numbers to Python's own types, and refuse invalid values."""
        for name in _WHOLE:
            if name == "patience" and self.patience is None:
                continue
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        for name in ("particles", "steps", "batch_size", "evaluations", "n_init"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least 1")
        for name in ("learning_rate", "mechanism_rate", "validation"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name in ("learning_rate", "mechanism_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; give a positive number")
        if self.schedule not in get_args(Schedule):
            raise InputError(
                f"schedule is {self.schedule!r}; give {', '.join(get_args(Schedule)[:-1])} or "
                f"{get_args(Schedule)[-1]}"
            )
        if self.optimiser not in get_args(Optimiser):
            known = ", ".join(get_args(Optimiser))
            raise InputError(f"optimiser is {self.optimiser!r}; give one of {known}")
        if not isinstance(self.autocast, bool):
            raise InputError(f"autocast is {self.autocast!r}; give True or False")
        if not 0 <= self.validation < 1:
            raise InputError(
                f"validation is {self.validation}; give the share of rows to hold out, at least 0 "
                f"and below 1"
            )
        if self.patience is not None and self.patience < 1:
            raise InputError(
                f"patience is {self.patience}; give a number of evaluations, at least 1, or None"
            )
        if self.patience is not None and self.validation == 0:
            raise InputError(
                f"patience is {self.patience} and validation is 0, but patience is judged on "
                f"held-out rows; give validation above 0, or leave patience out"
            )
        if self.schedule == "until-flat" and self.validation == 0:
            raise InputError(
                "schedule is 'until-flat' and validation is 0, but held-out rows tell when the "
                "bound is flat; give validation above 0, or another schedule"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that files can hold."""
        return asdict(self)


def goes_until_flat(given: Mapping[str, Any], rows: int) -> bool:
    """Tell whether ``schedule="auto"`` lets held-out rows decide when a fit by Adam ends.

    Args:
        given: the settings that the user gave, by name.
        rows: the number of rows of the table.
    """
    held_out = given.get("validation") != 0 and rows > 1
    return held_out and all(given.get(name) is None for name in OF_COUNTED_STEPS)


def _number(name: str, value: Any) -> float:
    """Convert a number to Python's own type, which files can hold."""
    if not isinstance(value, Real) or math.isnan(value):
        raise InputError(f"{name} is {value!r}; give a number")
    return float(value)


def whole(name: str, value: Any) -> int:
    """Convert a whole number of any type to Python's own.

    Raises:
        ValueError: the value is no whole number; the message names the argument.
    """
    if isinstance(value, Integral):
        return int(value)
    number = _number(name, value)
    if not math.isfinite(number) or number != int(number):
        raise InputError(f"{name} is {value!r}; give a whole number")
    return int(number)
