"""The description of one column: its kind, its possible values, and its original dtype."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from ..errors import InputError
from .warps import Warp

Kind = Literal[
    "continuous", "positive", "bounded", "count", "binary", "categorical", "ordinal", "datetime"
]
KINDS: tuple[str, ...] = get_args(Kind)
#: the kinds whose values are codes 0, 1, ... of the levels in a list
LEVELLED = ("binary", "categorical", "ordinal")
#: the kinds of real numbers
REAL = ("continuous", "positive", "bounded")
#: the largest count that may be inferred, because exact sums visit every value of a count
LARGEST_COUNT = 1000

Level = str | int | float | bool


@dataclass(frozen=True)
class Column:
    """One column of a :class:`Schema`, with its kind and possible values.

    >>> Column("stage", "ordinal", levels=("low", "high")).num_values
    2
    >>> Column("visits", "count", top=12).num_values
    13

    Args:
        name: the name of the column.
        kind: one of "continuous", "positive", "bounded", "count", "binary", "categorical",
            "ordinal" and "datetime".
        levels: for the kinds binary, categorical and ordinal, the values that the codes 0, 1, ...
            stand for.
        lower: for the kind bounded, the smallest value that is allowed.
        upper: for the kind bounded, the largest value that is allowed.
        dtype: the name of the pandas dtype in which the column was given.
        top: for the kind count, the largest value that a model allows.
        why: the reason for the kind, in words.
        origin: for the kind datetime, the moment of 0 seconds, in nanoseconds after 1970 (UTC).
        whole_days: for the kind datetime, whether every observed value is at midnight.
        constant: the one observed value, as a number or code, if the column is constant. Such a
            column is not modelled, and its missing values are filled with this one.

    Raises:
        ValueError: the kind is unknown, or lacks what it needs; the message names the column.
    """

    name: str
    kind: Kind
    levels: tuple[Level, ...] = ()
    lower: float | None = None
    upper: float | None = None
    dtype: str = "float64"
    top: int | None = None
    why: str = "declared"
    origin: int | None = None
    whole_days: bool = False
    constant: float | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown kind, and a kind that lacks what it needs."""
        where = f"column {self.name!r}"
        if self.kind not in KINDS:
            raise InputError(
                f"{where}: kind {self.kind!r} is unknown; give one of {', '.join(KINDS)}."
            )
        object.__setattr__(self, "levels", tuple(self.levels))
        if self.kind in LEVELLED:
            _check_levels(where, self.kind, self.levels)
        elif self.levels:
            raise InputError(f"{where}: kind {self.kind!r} has no levels; drop them.")
        if self.kind == "bounded":
            _check_bounds(where, self.lower, self.upper)
        elif self.lower is not None or self.upper is not None:
            raise InputError(
                f"{where}: kind {self.kind!r} has no lower and upper; drop them, or declare "
                "'bounded'."
            )
        if self.kind == "count":
            if not _is_whole(self.top) or not 0 <= self.top <= 2 * LARGEST_COUNT:  # type: ignore[operator]
                raise InputError(
                    f"{where}: top is {self.top!r}; for a count, give a whole number from 0 to "
                    f"{2 * LARGEST_COUNT}."
                )
        elif self.top is not None:
            raise InputError(f"{where}: kind {self.kind!r} has no top; drop it.")

    @property
    def num_values(self) -> int:
        """The number of possible values: top + 1 for a count, 0 if the column is continuous."""
        return len(self.levels) if self.top is None else self.top + 1

    @property
    def discrete(self) -> bool:
        """Whether values are codes or counts, which are neither warped nor scaled."""
        return self.kind in LEVELLED or self.kind == "count"

    @property
    def warp(self) -> Warp | None:
        """The map of a positive or bounded column to the real line, else None."""
        if self.kind == "positive":
            return Warp("log")
        if self.kind == "bounded":
            return Warp("logit", self.lower, self.upper)
        return None

    def as_answers(self, codes: Any) -> Any:
        """Return codes of ordinal levels as the levels, if these are numbers equally far apart.

        Means of codes 0 to 4 would say little of answers from 1 to 5. All else stays as it is.

        >>> Column("mark", "ordinal", levels=(1, 2, 3)).as_answers(0.5)
        1.5
        """
        levels = self.levels
        if self.kind != "ordinal" or len(levels) < 2:
            return codes
        if any(isinstance(level, str | bool) for level in levels):
            return codes
        numbers = [float(level) for level in levels]
        step = numbers[1] - numbers[0]
        even = [numbers[0] + k * step for k in range(len(numbers))]
        if not all(map(math.isclose, numbers, even)):
            return codes
        return numbers[0] + step * codes

    @property
    def allowed(self) -> str:
        """The values that the column can take, described in words."""
        if self.kind in LEVELLED:
            shown = ", ".join(map(repr, self.levels[:10]))
            return f"{shown}, ... ({len(self.levels)})" if len(self.levels) > 10 else shown
        if self.kind == "count":
            return f"0 to {self.top}"
        if self.kind == "bounded":
            return f"{self.lower:g} to {self.upper:g}"
        return "above 0" if self.kind == "positive" else "any"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive a JSON round trip unchanged; defaults are left out."""
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        state["levels"] = list(self.levels)
        return {
            k: v
            for k, v in state.items()
            if not (v is None or v is False or (k == "levels" and not v))
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Column:
        """Rebuild the column from the result of :meth:`to_dict`."""
        return cls(**{**state, "levels": tuple(state.get("levels", ()))})


def _check_levels(where: str, kind: str, levels: tuple[Level, ...]) -> None:
    for level in levels:
        if not isinstance(level, Level):
            raise InputError(
                f"{where}: level {level!r} is a {type(level).__name__}; give levels that are text, "
                "numbers or booleans."
            )
        if isinstance(level, float) and not math.isfinite(level):
            raise InputError(f"{where}: level {level} is not a finite number; leave it out.")
    if len(set(levels)) < len(levels):
        repeated = next(v for v in levels if levels.count(v) > 1)
        raise InputError(
            f"{where}: level {repeated!r} is given more than once; give each level once."
        )
    if kind == "binary" and len(levels) != 2:
        raise InputError(
            f"{where}: a binary column has 2 levels, not {len(levels)}; give 2, or declare it "
            "'categorical'."
        )
    if not levels:
        raise InputError(f"{where}: kind {kind!r} has no levels; give levels=[...].")


def _check_bounds(where: str, lower: float | None, upper: float | None) -> None:
    for bound, value in (("lower", lower), ("upper", upper)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):  # type: ignore[arg-type]
            raise InputError(
                f"{where}: {bound} is {value!r}; for a bounded column, give finite numbers "
                "lower and "
                "upper."
            )
    if not lower < upper:  # type: ignore[operator]
        raise InputError(
            f"{where}: lower {lower:g} is not below upper {upper:g}; give lower < upper."
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
