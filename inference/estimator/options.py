"""The options that the imputer passes on to the model and the fit."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.arguments import nearest
from ...data.errors import InputError
from ...data.renamed import INTEGRATION_MODE, with_new_names
from ...models import Configurable, NotMIWAEPPCA
from ...models.zoo.chosen import BUILDERS, CHOSEN, chosen_for
from ...models.zoo.tables import mixture_of_normals
from ..fitting.loop import fit
from ..fitting.settings import NOT_OF_SWEEPS, FitSettings

if TYPE_CHECKING:
    from ...data import IncompleteData
    from .imputer import MNARImputer

#: arguments of a model that the imputer has itself, with the names that it gives them
_OF_MODEL = {
    "missingness": "missingness",
    "sign": "sign",
    "latent_dim": "latent_dim",
    "seed": "random_state",
}
#: arguments of a fit that the imputer has itself, with the names that it gives them
_OF_FIT = {
    "steps": "steps",
    "learning_rate": "learning_rate",
    "seed": "random_state",
    "progress": "verbose",
}


def check_parameters(imputer: MNARImputer) -> None:
    """Check each of the imputer's arguments.

    Raises:
        ValueError: for an argument that could not be used, before anything is read or fitted.
    """
    names = [CHOSEN, *BUILDERS]
    if not isinstance(imputer.model, str) or imputer.model not in names:
        close = nearest(imputer.model, names)
        raise InputError(f"model {imputer.model!r} is not one of {', '.join(names)}{close}")
    if imputer.particles != "auto":
        check_whole("particles", imputer.particles, " or 'auto'")
    for name in ("latent_dim", "steps"):
        if getattr(imputer, name) is not None:
            check_whole(name, getattr(imputer, name))
    rate: Any = imputer.learning_rate
    if rate is not None and not (isinstance(rate, Real) and 0 < float(rate) < float("inf")):
        raise InputError(f"learning_rate is {rate!r}; give a positive number, or None")
    for name in ("keep_empty_features", "add_indicator"):
        if not isinstance(getattr(imputer, name), bool | np.bool_):
            raise InputError(f"{name} is {getattr(imputer, name)!r}; give True or False")
    if imputer.unseen_levels not in ("error", "missing"):
        raise InputError(f"unseen_levels is {imputer.unseen_levels!r}; give 'error' or 'missing'")
    # what a mixture takes, the linear model takes, too
    model_options(imputer.model_options, BUILDERS.get(imputer.model, NotMIWAEPPCA))
    fit_options(imputer.fit_options)


def kind_of(imputer: MNARImputer, data: IncompleteData) -> Callable[..., Any]:
    """Return the constructor of the imputer's model, where it is left open the one for these data.

    Args:
        imputer: the imputer, whose arguments have been checked.
        data: the training data.
    """
    if imputer.model != CHOSEN:
        return BUILDERS[imputer.model]
    given, fitting = dict(imputer.model_options or {}), dict(imputer.fit_options or {})
    by_steps = imputer.learning_rate is not None or any(name in fitting for name in NOT_OF_SWEEPS)
    sampled = not by_steps and fitting.get("optimiser", "auto") in ("auto", "gibbs")
    serves = set(given) <= set(_keywords(mixture_of_normals))
    prior = given.get("slope_prior", "weak")
    return chosen_for(data, imputer.missingness, imputer.sign, prior, sampled and serves)


def check_whole(name: str, value: Any, other: str = "") -> None:
    """Refuse what is not a whole number of at least 1; ``other`` says what is allowed besides."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise InputError(f"{name} is {value!r}; give a whole number, at least 1{other}")


def model_options(given: Any, model: Callable[..., Any]) -> dict[str, Any]:
    """Return ``model_options`` as keyword arguments, with modules copied for the fit to train.

    Raises:
        ValueError: for what is no mapping, for an argument that the imputer itself has, and for one
            that the model does not have.
    """
    found = _checked("model_options", given, _OF_MODEL, _keywords(model))
    # training changes a module, and scikit-learn wants arguments to stay as they were given
    return {k: copy.deepcopy(v) if isinstance(v, Configurable) else v for k, v in found.items()}


def fit_options(given: Any) -> dict[str, Any]:
    """Return ``fit_options`` as keyword arguments.

    Raises:
        ValueError: for what is no mapping, for an argument that the imputer itself has, and for one
            that a fit does not have.
    """
    if isinstance(given, Mapping):
        given = with_new_names("fit_options", given, INTEGRATION_MODE)
    found = _checked("fit_options", given, _OF_FIT, _keywords(fit))
    settings = {field.name for field in fields(FitSettings)}
    FitSettings.of({k: v for k, v in found.items() if k in settings})
    return found


def _keywords(function: Callable[..., Any]) -> list[str]:
    """List the arguments that a function takes by name only; data and model are not among them."""
    given = inspect.signature(function).parameters.values()
    return [one.name for one in given if one.kind is one.KEYWORD_ONLY]


def _checked(name: str, given: Any, own: Mapping[str, str], known: Iterable[str]) -> dict[str, Any]:
    """Return options as a dictionary, and refuse those in ``own`` and those not in ``known``."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"{name} is {given!r}; give a mapping of arguments by name, or None")
    for key, argument in own.items():
        if key in given:
            raise InputError(
                f"{name} gives {key!r}, which is the imputer's own argument {argument}; write "
                f"MNARImputer({argument}=...) and leave {key!r} out of {name}"
            )
    offered = [key for key in dict.fromkeys(known) if key not in own]
    for key in given:
        if key not in offered:
            raise InputError(
                f"{name} gives {key!r}, which is not one of {', '.join(offered)}"
                f"{nearest(key, offered)}"
            )
    return dict(given)
