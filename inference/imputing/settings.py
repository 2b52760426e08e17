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
        InputError: for a value that is out of range, naming it.
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
            KindError: for a name that is no setting.
        """
        check_names("impute", given, [field.name for field in fields(cls)])
        return cls(**given)

    def __post_init__(self) -> None:
        """Take whole numbers of any kind as Python's own, and refuse what cannot be meant."""
        for name, least in (("particles", 1), ("draws", 0)):
            count = getattr(self, name)
            if not isinstance(count, Integral) or count < least:
                raise InputError(f"{name} is {count!r}; give at least {least}, a whole number")
            object.__setattr__(self, name, int(count))
        object.__setattr__(self, "seed", whole("seed", self.seed))
        if self.rule not in ("posterior", "decoder-mean"):
            raise InputError(f"rule {self.rule!r} is not one of posterior, decoder-mean")
        if self.unobserved not in ("auto", "integrate", "sample"):
            raise InputError(f"unobserved is {self.unobserved!r}; give auto, integrate or sample")
        if self.independent_rows and self.refine:
            raise InputError("independent_rows=True goes without refinement; give refine=False")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for files."""
        return asdict(self)
