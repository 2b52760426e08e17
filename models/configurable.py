"""Modules that record their constructor arguments, so that a fitted model can be saved as JSON."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from torch import nn

from ..data.errors import InputError

_REGISTRY: dict[str, type[Configurable]] = {}


class Configurable(nn.Module):
    """A module that keeps its constructor arguments under :attr:`config`.

    Subclasses need nothing: the arguments of the outermost constructor are recorded as given.
    ``rebuild(module.config)`` makes an equal module with fresh parameters. Arguments that are
    not plain data (numbers, strings, lists, dictionaries) cannot be saved: the module works, but
    :func:`absentia.save` refuses it with an error that names the argument.

    >>> from absentia.models import SelfMasking, rebuild
    >>> rebuild(SelfMasking(3, sign="+").config).sign.tolist()
    [1.0, 1.0, 1.0]
    """

    config: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _REGISTRY[_registered_name(cls)] = cls
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]


def _registered_name(cls: type) -> str:
    """Name a class in a saved file: absentia's own by their name, all others with their module."""
    if cls.__module__.split(".")[0] == __name__.split(".")[0]:
        return cls.__name__
    return f"{cls.__module__}:{cls.__qualname__}"


def _recording(init: Any) -> Any:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Configurable, *args: Any, **kwargs: Any) -> None:
        if "config" not in self.__dict__:  # the outermost constructor runs first
            bound = signature.bind(self, *args, **kwargs)
            arguments = dict(list(bound.arguments.items())[1:])
            for name, parameter in signature.parameters.items():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    arguments.update(arguments.pop(name, {}))
            # nn.Module.__setattr__ would refuse an attribute before Module.__init__ has run
            self.__dict__["config"] = {"type": _registered_name(type(self)), **arguments}
        init(self, *args, **kwargs)

    return wrapper


# a subclass without a constructor of its own is recorded by this one
Configurable.__init__ = _recording(Configurable.__init__)  # type: ignore[method-assign]


def argument_of(part: nn.Module, name: str, default: Any = None) -> Any:
    """Return the argument ``name`` that a module was made with.

    Args:
        part: the module.
        name: the name of the argument.
        default: what is returned where the module has no such argument or records none.

    >>> from absentia.models import SelfMasking
    >>> argument_of(SelfMasking(3), "num_columns"), argument_of(nn.Identity(), "num_columns")
    (3, None)
    """
    return part.config.get(name, default) if isinstance(part, Configurable) else default


def rebuild(config: dict[str, Any]) -> Any:
    """Build the module that ``config`` describes, with freshly initialised parameters.

    Raises:
        ValueError: if the class is unknown; only classes that are already imported are looked up,
            so that a file can never make Python import code.
    """
    arguments = {key: _rebuilt(value) for key, value in config.items()}
    name = arguments.pop("type")
    if name not in _REGISTRY:
        raise InputError(
            f"the saved configuration names the class {name!r}, which is not known; import the "
            f"module that defines it, then load again"
        )
    return _REGISTRY[name](**arguments)


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Configurable):
        return rebuild(value.config)
    return rebuild(value) if isinstance(value, dict) and "type" in value else value
