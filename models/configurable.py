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
    not plain data (numbers, strings, lists, dictionaries) make the module unsaveable, which
    :func:`absentia.save` says in words; the module works all the same.

    >>> from absentia.models import SelfMasking, rebuild
    >>> rebuild(SelfMasking(3, sign="+").config).sign.tolist()
    [1.0, 1.0, 1.0]
    """

    config: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _REGISTRY[_registered_name(cls)] = cls
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]


def _registered_name(cls: type) -> str:
    """Name a class in a saved file: absentia's by class name, all others with their module."""
    if cls.__module__.split(".")[0] == __name__.split(".")[0]:
        return cls.__name__
    return f"{cls.__module__}:{cls.__qualname__}"


def _recording(init: Any) -> Any:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Configurable, *args: Any, **kwargs: Any) -> None:
        if "config" not in self.__dict__:  # the outermost class speaks for its parents
            bound = signature.bind(self, *args, **kwargs)
            arguments = dict(list(bound.arguments.items())[1:])
            for name, parameter in signature.parameters.items():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    arguments.update(arguments.pop(name, {}))
            # past nn.Module.__setattr__, which would refuse before Module.__init__ has run
            self.__dict__["config"] = {"type": _registered_name(type(self)), **arguments}
        init(self, *args, **kwargs)

    return wrapper


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
            f"the file names the class {name!r}, which is not known here; "
            f"import the module that defines it first"
        )
    return _REGISTRY[name](**arguments)


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Configurable):
        return rebuild(value.config)
    return rebuild(value) if isinstance(value, dict) and "type" in value else value
