"""The settings of an imputation, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal

from ...data.arguments import check_names
from ...data.errors import InputError
from ..fitting.settings import whole
from ..integrator import Unobserved

Rule = Literal["posterior", "decoder-mean"]
#: whether the parameters are drawn from their posterior, or held at those of the fit
ImputeParameters = Literal["auto", "posterior", "fixed"]
#: a number of importance samples per row, or "auto" for a number that is chosen row by row
Particles = int | Literal["auto"]
#: where the number of particles is chosen, Monte-Carlo standard errors are to be below this share
#: of the posterior standard deviation: mean squared errors then grow by at most .1 %
TOLERANCE = 0.03


@dataclass(frozen=True)
class ImputeSettings:
    """How a table is imputed; every field is an argument of :func:`absentia.impute`.

    >>> import absentia as ab
    >>> ImputeSettings.of({"particles": 200, "refine": False}).draws
    200

    Raises:
        ValueError: a value is out of range; the message names the field.
    """

    particles: Particles = "auto"
    rule: Rule = "posterior"
    refine: bool = True
    draws: int = 200
    tolerance: float | None = None
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
            if name == "particles" and count == "auto":
                continue
            if not isinstance(count, Integral) or count < least:
                other = " or 'auto'" if name == "particles" else ""
                raise InputError(
                    f"{name} is {count!r}; give a whole number, at least {least}{other}"
                )
            object.__setattr__(self, name, int(count))
        object.__setattr__(self, "seed", whole("seed", self.seed))
        self._check_tolerance()
        if self.rule not in ("posterior", "decoder-mean"):
            raise InputError(f"rule is {self.rule!r}; give posterior or decoder-mean")
        if self.unobserved not in ("auto", "integrate", "sample"):
            raise InputError(f"unobserved is {self.unobserved!r}; give auto, integrate or sample")
        if self.independent_rows and self.refine:
            raise InputError(
                "independent_rows is True and refine is True, but rows that share random numbers "
                "cannot be refined; give refine=False"
            )

    def _check_tolerance(self) -> None:
        """Refuse a tolerance that is no share, or that could have no effect."""
        given: Any = self.tolerance
        if given is None:
            return
        number = isinstance(given, Real) and not isinstance(given, bool)
        if not number or not 0 < float(given) < 1:
            raise InputError(
                f"tolerance is {given!r}; give a share of the posterior standard deviation, such "
                f"as 0.01"
            )
        object.__setattr__(self, "tolerance", float(given))
        if self.particles != "auto":
            raise InputError(
                f"tolerance is {given!r} and particles is {self.particles}, but a tolerance "
                f"chooses the number of particles; give one of them"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that files can hold."""
        return asdict(self)
