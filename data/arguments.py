"""Arguments by name: shown in a function's signature, and refused where there are none."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from .errors import KindError
from .renamed import Renamed, with_new_names

_P = ParamSpec("_P")
_R = TypeVar("_R")
_F = TypeVar("_F", bound=Callable[..., Any])

#: what other libraries call the same thing, where the words themselves are not alike
_ELSEWHERE = {
    "steps": ("epochs", "n_epochs", "num_epochs", "max_epochs", "iterations", "max_iter", "n_iter"),
    "learning_rate": ("lr",),
    "particles": ("num_samples", "n_samples", "samples", "k", "l"),
    "seed": ("random_state", "rng", "random_seed"),
    "progress": ("verbose", "progress_bar"),
    "latent_dim": ("n_components", "n_latent", "num_latents", "latent_size", "z_dim", "factors"),
    "hidden": ("layers", "hidden_layers", "n_hidden"),
    "patience": ("early_stopping",),
    "missingness": ("mechanism",),
}


def nearest(name: Any, known: Iterable[Any]) -> str:
    """The end of a sentence that refuses a name.

    >>> nearest("latent_dims", ["seed", "latent_dim"])
    "; did you mean 'latent_dim'?"
    >>> nearest("epochs", ["seed", "steps"])
    "; did you mean 'steps'?"

    Returns:
        A question that names the nearest of the known names; nothing where none is near.
    """
    names = [str(one) for one in known]
    close = difflib.get_close_matches(str(name), names, 1)
    close += [own for own in names if str(name).lower() in _ELSEWHERE.get(own, ())]
    return f"; did you mean {close[0]!r}?" if close else ""


def check_names(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse arguments that a function does not have.

    Raises:
        KindError: for the first such name; the message names the nearest and all that there are.
    """
    names = list(known)
    for name in given:
        if name not in names:
            raise KindError(
                f"{function} has no argument {name!r}{nearest(name, names) or '.'} "
                f"Its arguments are {', '.join(names)}."
            )


def names_of(function: Callable[..., Any]) -> list[str]:
    """The arguments of a function that can be given by name, as its signature shows them."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    given = inspect.signature(function).parameters.values()
    return [one.name for one in given if one.kind in by_name]


def spelled_out(options: Any, like: Callable[..., Any]) -> Callable[[_F], _F]:
    """Let help() and ``inspect.signature`` show the arguments behind ``**options``.

    >>> from typing import TypedDict
    >>> class Options(TypedDict, total=False):
    ...     speed: float
    >>> def slow(speed: float = 1.0): ...
    >>> @spelled_out(Options, like=slow)
    ... def fast(where: str, **options): ...
    >>> str(inspect.signature(fast)).replace("'", "")
    '(where: str, *, speed: float = 1.0)'

    Args:
        options: the TypedDict whose keys ``**options`` takes.
        like: a function, or class, that has the same arguments with their defaults.
    """

    def decorate(function: _F) -> _F:
        shown = inspect.signature(function)
        defaults = inspect.signature(like).parameters
        named = [p for p in shown.parameters.values() if p.kind is not p.VAR_KEYWORD]
        last = [p for p in named if p.name == "seed" and p.kind is p.KEYWORD_ONLY]
        own = [p for p in named if p not in last]
        more = [
            defaults[name].replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name in defaults
            if name in options.__optional_keys__
        ]
        function.__dict__["__signature__"] = shown.replace(parameters=[*own, *more, *last])
        return function

    return decorate


def checked_names(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Refuse names that the function does not have, before any work and with the nearest."""
    return checked_and_renamed({})(function)


def checked_and_renamed(
    renamed: Mapping[str, Renamed],
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """As :func:`checked_names`, and accept old names of arguments with a warning.

    Args:
        renamed: what each old name is called now.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        shown = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
        known = [name for name in names_of(function) if name != "self"]

        @functools.wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if renamed.keys() & kwargs.keys():
                new = with_new_names(shown, kwargs, renamed)
                check_names(shown, new, known)
                return function(*args, **new)
            check_names(shown, kwargs, known)
            return function(*args, **kwargs)

        return wrapper

    return decorate
