"""The settings of an imputation, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from typing import Any, Literal

from ...data.arguments import check_names
from ...data.errors import InputError
from ..fitting.settings import whole
from ..integrator import Unobserved

Rule = Literal["posterior", "decoder-mean"]


@dataclass(frozen=True)
class ImputeSettings:
    """How a table is imputed; every field is an argument of :func:`absentia.impute`.

    >>> import absentia as ab
    >>> ImputeSettings.of({"particles": 200, "refine": False}).draws
    200

    Raises:
        ValueError: a value is out of range; the message names the field.
    """

    particles: int = 1000
    rule: Rule = "posterior"
    refine: bool = True
    draws: int = 200
    unobserved: Unobserved = "auto"
    independent_rows: bool = False
    seed: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ImputeSettings:
        """Make settings from arguments by name.

        Raises:
            TypeError: a name is no field of the settings.
        """
        check_names("impute", given, [field.name for field in fields(cls)])
        return cls(**given)

    def __post_init__(self) -> None:
        """Convert whole numbers to Python's own type, and refuse invalid values."""
        for name, least in (("particles", 1), ("draws", 0)):
            count = getattr(self, name)
            if not isinstance(count, Integral) or count < least:
                raise InputError(f"{name} is {count!r}; give a whole number, at least {least}")
            object.__setattr__(self, name, int(count))
        object.__setattr__(self, "seed", whole("seed", self.seed))
        if self.rule not in ("posterior", "decoder-mean"):
            raise InputError(f"rule is {self.rule!r}; give posterior or decoder-mean")
        if self.unobserved not in ("auto", "integrate", "sample"):
            raise InputError(f"unobserved is {self.unobserved!r}; give auto, integrate or sample")
        if self.independent_rows and self.refine:
            raise InputError(
                "independent_rows is True and refine is True, but rows that share random numbers "
                "cannot be refined; give refine=False"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that files can hold."""
        return asdict(self)
