"""Checks of the TOML file of an experiment or a sweep, before any work.

Errors name the file, the key, the value that was given, and the values that are allowed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import Any

from ..data.datasets import synthetic
from ..data.datasets import uci as real
from ..data.datasets.images import load_images
from ..data.errors import InputError
from ..inference import impute, predict, predict_ratings
from ..inference.fitting.settings import FitSettings
from ..models import NotMIWAE, NotMIWAEPPCA, RatingsNotMIWAE, SupervisedNotMIWAE
from .tasks import TASKS
from .tasks.fillers import BASELINES
from .tasks.methods import MODELS
from .tasks.tables import AMPUTATIONS

Kinds = tuple[type, ...]
NUMBER: Kinds = (int, float)
_NAMES = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false",
    list: "a list", dict: "a table",
}  # fmt: skip
#: arguments that the runner gives, so that no file may
_GIVEN = (
    "data", "fitted", "unfitted", "seed", "progress", "x", "shape", "table", "truth", "users",
    "items",
)  # fmt: skip
_RATINGS = ("ratings-not-miwae", "mf", "mf-ips", "item-mean", "mean")
_SUPERVISED = ("joint", "two-stage", "mean-imputed", "complete")
#: tasks that accept any known method, table and amputation; the others check their own
_OPEN = ("complete", "ratings", "supervised", "transfer")
_IMPUTES: Mapping[str, Callable[..., Any]] = {"ratings": predict_ratings, "supervised": predict}


def check_kind(where: str, value: Any, kinds: Kinds) -> None:
    """Refuse a value of another type. Whole numbers are numbers; true and false are not.

    Raises:
        InputError: names the place, the value, and the types that are allowed.
    """
    kind = bool if isinstance(value, bool) else type(value)
    if kind in kinds or (kind is int and float in kinds):
        return
    allowed = " or ".join(_NAMES[k] for k in kinds if not (k is int and float in kinds))
    raise InputError(f"{where} is {value!r}; give {allowed}")


def check_keys(
    where: str, found: Any, known: Mapping[str, Kinds] | None, needed: Collection[str] = ()
) -> None:
    """Refuse what is not a table, lacks a key, or has an unknown key or one of another type.

    Args:
        where: the file and the place in it, for errors.
        found: the value there.
        known: the types that are allowed, by key; None to allow any key.
        needed: the keys that must be present.

    Raises:
        InputError: names the place and the key.
    """
    if not isinstance(found, dict):
        raise InputError(f"{where} is {found!r}; give a table")
    lacking = [key for key in needed if key not in found]
    if lacking:
        raise InputError(f"{where}: '{lacking[0]}' is missing; add it")
    for key, value in found.items():
        if known is not None and key not in known:
            raise InputError(f"{where}: '{key}' is not one of {', '.join(known)}")
        if known is not None and known[key]:
            check_kind(f"{where}: '{key}'", value, known[key])


def check_names(where: str, found: Collection[Any], known: Collection[str]) -> None:
    """Refuse a name that nothing has.

    Raises:
        InputError: names the place and the name.
    """
    for name in found:
        if name not in known:
            raise InputError(f"{where} names {name!r}, which is not one of {', '.join(known)}")


def check_tables(where: str, found: Any) -> list[dict[str, Any]]:
    """Refuse what is not a list of tables.

    Raises:
        InputError: names the place.
    """
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{where} is {found!r}; write it between double brackets, [[...]]")
    return found


def fit_options(task: str = "complete") -> dict[str, Kinds]:
    """Return the types that the settings of a fit may have, by name."""
    found: dict[str, Kinds] = {}
    for one in fields(FitSettings):
        if one.name != "seed":
            found[one.name] = (int,) if one.default is None else _like(one.default)
    return {**found, "on": (str,)} if task == "complete" else found


def check_fit(where: str, found: Any, task: str = "complete") -> None:
    """Refuse settings that a fit does not have, or values that it does not accept.

    Raises:
        InputError: names the place and the setting.
    """
    if task not in _OPEN:
        return
    check_keys(where, found, fit_options(task))
    try:
        FitSettings(**{k: v for k, v in found.items() if k != "on"})
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None
    if found.get("on", "complete") != "complete":
        raise InputError(f"{where}: 'on' is {found['on']!r}; give 'complete', or leave it out")


def check_impute(where: str, found: Any, task: str = "complete") -> None:
    """Refuse options that imputation does not have.

    Raises:
        InputError: names the place and the option.
    """
    if task not in _OPEN:
        return
    check_keys(
        where,
        found,
        {**_options(_IMPUTES.get(task, impute)), "draws": (int,), "particles": (int,)},
    )


def is_open(task: str) -> bool:
    """Whether a task accepts any of the known methods, tables and amputations."""
    return task in _OPEN


def kinds_of_method(task: str) -> tuple[str, ...]:
    """List the values that ``kind`` of a method may have, by task."""
    if task == "ratings":
        return _RATINGS
    return _SUPERVISED if task == "supervised" else (*MODELS, *BASELINES)


def model_options(task: str, kind: str) -> dict[str, Kinds]:
    """Return the types of the options of a kind of method, by name."""
    if task == "ratings":
        own = _options(RatingsNotMIWAE) if kind == "ratings-not-miwae" else {}
        return {**own, "ratings": (str,)} if own else own
    if task == "supervised":
        joint = kind in ("joint", "two-stage")
        own = {**_options(NotMIWAE), **_options(SupervisedNotMIWAE)} if joint else {}
        return {**own, "predictor": (list,)}
    if kind in BASELINES:
        return _options(BASELINES[kind])
    found = _options(MODELS[kind])
    if kind == "masked-not-miwae":
        found = {**_options(NotMIWAEPPCA), **found}
    return {**found, "latent_dim": (int, str), "margin_rows": (int, float, str), "to": (int,)}


def check_method(where: str, method: Mapping[str, Any], task: str = "complete") -> None:
    """Refuse a kind of method, or options of it, that do not exist.

    Raises:
        InputError: names the place and the key.
    """
    kinds = kinds_of_method(task)
    if method["kind"] not in kinds:
        raise InputError(f"{where}: kind '{method['kind']}' is not one of {', '.join(kinds)}")
    check_keys(f"{where}, model", method.get("model", {}), model_options(task, method["kind"]))
    check_fit(f"{where}, fit", method.get("fit", {}), task)
    check_impute(f"{where}, impute", method.get("impute", {}), task)


def check_amputation(where: str, name: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse an amputation that does not exist, or arguments that it does not have.

    Raises:
        InputError: names the place and the key.
    """
    if name == "none":
        check_keys(where, dict(arguments), {})
        return
    if name not in AMPUTATIONS:
        raise InputError(
            f"{where}: amputation {name!r} is not one of {', '.join(AMPUTATIONS)}, none"
        )
    check_keys(where, dict(arguments), _options(AMPUTATIONS[name]))


def check_table(where: str, name: str, make: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse a table that does not exist, or arguments that it does not have.

    Raises:
        InputError: names the place and the key.
    """
    makes: dict[str, dict[str, Kinds]] = {
        "real": {"of": (str,), "without": (list,), "with_target": (bool,), "folder": (str,)},
        "images": {**_options(load_images), "of": (str,), "test": (int,), "first": (int,)},
        "gaussian_2d": _options(synthetic.gaussian_2d),
        "ring": _options(synthetic.ring),
        "coat": {},
        "yahoo-r3": {"folder": (str,)},
    }
    if make not in makes:
        raise InputError(f"{where}: make {make!r} is not one of {', '.join(makes)}")
    check_keys(where, dict(arguments), makes[make])
    if make == "real" and arguments.get("of", name) not in real.names():
        raise InputError(
            f"{where}: '{arguments.get('of', name)}' is not one of {', '.join(real.names())}"
        )


def check_task(where: str, task: Any) -> None:
    """Refuse a task that does not exist.

    Raises:
        InputError: names the place.
    """
    if task not in TASKS:
        raise InputError(f"{where}: task {task!r} is not one of {', '.join(TASKS)}")


def _options(function: Callable[..., Any]) -> dict[str, Kinds]:
    """Return the types of a function's arguments as its defaults show them; () allows any."""
    found: dict[str, Kinds] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in _GIVEN or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        default = parameter.default
        found[name] = () if default is parameter.empty or default is None else _like(default)
    found |= {"missingness": (str, dict)} if "missingness" in found else {}
    return found


def _like(default: Any) -> Kinds:
    """Return the types that are allowed for an argument with this default."""
    if isinstance(default, bool):
        return (bool,)
    if isinstance(default, tuple | list):
        return (list,)
    return NUMBER if isinstance(default, float) else (type(default),)
