"""What the imputer hands on to the model and the fit, beside its own arguments."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...models import Configurable

#: arguments of a model and of a fit that are arguments of the imputer, by their names there
_OF_MODEL = {
    "missingness": "missingness",
    "sign": "sign",
    "latent_dim": "latent_dim",
    "seed": "random_state",
}
_OF_FIT = {
    "steps": "steps",
    "learning_rate": "learning_rate",
    "seed": "random_state",
    "progress": "verbose",
}


def model_options(given: Any) -> dict[str, Any]:
    """``model_options`` as keyword arguments, with modules of their own for the fit to train.

    Raises:
        ValueError: no mapping, or an argument that the imputer itself has.
    """
    found = _checked("model_options", given, _OF_MODEL)
    # a module is trained where it is: the parameter of the imputer stays as it was given
    return {k: copy.deepcopy(v) if isinstance(v, Configurable) else v for k, v in found.items()}


def fit_options(given: Any) -> dict[str, Any]:
    """``fit_options`` as keyword arguments.

    Raises:
        ValueError: no mapping, or an argument that the imputer itself has.
    """
    return _checked("fit_options", given, _OF_FIT)


def _checked(name: str, given: Any, own: Mapping[str, str]) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} is {given!r}; give a mapping of arguments by name, or None")
    for key, argument in own.items():
        if key in given:
            raise ValueError(
                f"{name} gives {key!r}, which is the imputer's own argument {argument}; write "
                f"MNARImputer({argument}=...) and leave {key!r} out of {name}"
            )
    return dict(given)
