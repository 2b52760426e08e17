"""Old names of arguments, which work for one more version, each with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import AbsentiaDeprecationWarning, KindError


@dataclass(frozen=True)
class Renamed:
    """What an old argument is called now, and the new spellings of its values."""

    name: str
    values: Mapping[Any, Any] = field(default_factory=dict)

    def value(self, given: Any) -> Any:
        """Return the new spelling of a value; most values have only one."""
        return self.values.get(given, given) if isinstance(given, str | bool) else given


#: how missing values are treated, in all functions that run a model
INTEGRATION_MODE = {"missing": Renamed("unobserved", {"collapse": "integrate"})}
#: how many posterior draws are taken
DRAWS = {"num_draws": Renamed("draws")}
LINEAR_DECODER = {"linear": Renamed("decoder", {True: "linear", False: "gaussian"})}


def with_new_names(
    function: str, given: Mapping[str, Any], renamed: Mapping[str, Renamed], stacklevel: int = 2
) -> dict[str, Any]:
    """Return arguments under their present names, with a warning for each old one.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     with_new_names("fit", {"missing": "collapse", "seed": 1}, INTEGRATION_MODE)
    {'unobserved': 'integrate', 'seed': 1}
    >>> print(caught[0].message)
    fit: the argument missing='collapse' is now unobserved='integrate'; the old name will be removed

    Raises:
        KindError: for an argument that is given under both names.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in renamed:
            found[name] = value
            continue
        now = renamed[name]
        if now.name in given:
            raise KindError(f"{function} got {now.name!r}, and {name!r}, its old name; give one")
        found[now.name] = now.value(value)
        warnings.warn(
            f"{function}: the argument {_shown(name, value)} is now "
            f"{_shown(now.name, found[now.name])}; the old name will be removed",
            AbsentiaDeprecationWarning,
            stacklevel=stacklevel + 1,
        )
    return found


def _shown(name: str, value: Any) -> str:
    return f"{name}={value!r}" if isinstance(value, str | bool) else f"{name!r}"
