"""Values as JSON and back, with their types and without running code.

Plain values stay as they are. Other values become objects ``{"$type": name, "value": parts}``, and
modules ``{"type": class, ...its arguments}``, which :func:`absentia.models.rebuild` reads.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import torch

from ...data.errors import InputError
from ...data.schema import Column, Schema
from ...models import Configurable, rebuild
from ...models.missingness.formula.declaration import Declared, DeclaredColumn
from ...models.missingness.formula.grammar import Formula, Term
from ..mask_at_random import MaskAtRandom
from .folder import FormatError
from .typed_pandas import KINDS as OF_PANDAS
from .typed_pandas import Cannot

_TYPE, _VALUE = "$type", "value"


class Kind(NamedTuple):
    """One type in JSON: its name in files, its parts, and how it is rebuilt from them."""

    name: str
    type: type
    parts: Callable[[Any], Any]
    made: Callable[[Any], Any]


def to_json(value: Any, where: str, state: bool = False) -> Any:
    """Convert a value to what JSON can hold.

    Args:
        value: the value.
        where: the name of the value in error messages.
        state: whether to keep the parameters of modules, and not only their arguments.

    Raises:
        FormatError: the value cannot be kept; the message says where it stands.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, enum.Enum) and isinstance(value, int | float | str):
        return to_json(value.value, where, state)
    if type(value) is list:
        return [to_json(item, f"{where}[{k}]", state) for k, item in enumerate(value)]
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value) and not {_TYPE, "type"} & set(value):
            return {key: to_json(item, f"{where}.{key}", state) for key, item in value.items()}
        items = [[key, item] for key, item in value.items()]
        return {_TYPE: "mapping", _VALUE: to_json(items, where, state)}
    if isinstance(value, Configurable):
        return _module(value, where, state)
    for kind in KINDS:
        if type(value) is kind.type or (kind.type in _FAMILIES and isinstance(value, kind.type)):
            try:
                parts = kind.parts(value)
            except Cannot as error:
                raise FormatError(f"{where} {error}") from error
            return {_TYPE: kind.name, _VALUE: to_json(parts, where, state)}
    raise FormatError(
        f"{where} is a {type(value).__name__}, which cannot be saved without running code on "
        f"load; {_WAY_OUT}"
    )


def from_json(found: Any) -> Any:
    """Rebuild the value that :func:`to_json` wrote.

    Raises:
        ValueError: the file names a type that this version does not know.
    """
    if isinstance(found, list):
        return [from_json(item) for item in found]
    if not isinstance(found, dict):
        return found
    if _TYPE not in found:
        values = {key: from_json(item) for key, item in found.items()}
        return rebuild(values) if "type" in values else values
    name, parts = found[_TYPE], from_json(found[_VALUE])
    if name == "mapping":
        return dict(parts)
    if name == "module":
        return _with_state(*parts)
    for kind in KINDS:
        if kind.name == name:
            return kind.made(parts)
    raise InputError(f"the file names the type {name!r}, which is not known here; update absentia")


def tensors_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters and all buffers of a module.

    Buffers that could be made again from the arguments are kept, too, since their rounding depends
    on the default dtype at the time.
    """
    return {**dict(module.named_buffers()), **module.state_dict()}


def set_tensors(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give a rebuilt module the values that :func:`tensors_of` found."""
    kept = module.state_dict().keys()
    made = {name: b for name, b in module.named_buffers() if name in tensors and name not in kept}
    module.load_state_dict({k: v for k, v in tensors.items() if k not in made})
    with torch.no_grad():
        for name, buffer in made.items():
            buffer.copy_(tensors[name])


def _module(module: Configurable, where: str, state: bool) -> Any:
    config = {"type": module.config["type"]}
    for key, item in module.config.items():
        if key != "type":
            config[key] = to_json(item, f"{where}.{key}")
    if not state:
        return config
    tensors = to_json(tensors_of(module), where)
    return {_TYPE: "module", _VALUE: [config, tensors, module.training]}


def _with_state(module: Any, tensors: Mapping[str, torch.Tensor], training: bool) -> Any:
    floating = [t.dtype for t in tensors.values() if t.is_floating_point()]
    if floating:
        module.to(dtype=floating[0])
    set_tensors(module, tensors)
    return module.train(training)


def _fields_of(kind: type) -> Kind:
    """Describe a dataclass by its fields, as one kind of value in JSON."""
    names = list(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    return Kind(
        kind.__name__,
        kind,
        lambda value: {name: getattr(value, name) for name in names},
        lambda parts: kind(**parts),
    )


def _naive(value: Any) -> str:
    if value.tzinfo is not None:
        raise Cannot("is a moment of Python's with a time zone; make it a pandas.Timestamp")
    return str(value.isoformat())


def _tensor(value: torch.Tensor) -> list[Any]:
    if value.layout is not torch.strided or value.is_quantized:
        raise Cannot("is a sparse or quantised tensor; make it a dense one")
    dtype = str(value.dtype).removeprefix("torch.")
    return [dtype, list(value.shape), value.detach().cpu().flatten().tolist()]


def _made_tensor(parts: list[Any]) -> torch.Tensor:
    dtype, shape, values = parts
    return torch.tensor(values, dtype=getattr(torch, dtype)).reshape(shape)


def _random_state(state: dict[str, Any]) -> np.random.RandomState:
    made = np.random.RandomState()
    made.set_state(state)
    return made


#: types whose subclasses are stored as the type itself, such as a path of any operating system
_FAMILIES = (PurePath, np.generic, np.dtype, *(kind[1] for kind in OF_PANDAS if kind[4]))
KINDS: tuple[Kind, ...] = (
    Kind("tuple", tuple, list, tuple),
    Kind("set", set, list, set),
    Kind("frozenset", frozenset, list, frozenset),
    Kind("path", PurePath, str, Path),
    Kind("bytes", bytes, bytes.hex, bytes.fromhex),
    Kind("range", range, lambda r: [r.start, r.stop, r.step], lambda p: range(*p)),
    Kind("complex", complex, lambda c: [c.real, c.imag], lambda p: complex(*p)),
    Kind("Decimal", Decimal, str, Decimal),
    Kind("Fraction", Fraction, str, Fraction),
    Kind("datetime", datetime.datetime, _naive, datetime.datetime.fromisoformat),
    Kind("date", datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    Kind(
        "timedelta",
        datetime.timedelta,
        lambda d: [d.days, d.seconds, d.microseconds],
        lambda p: datetime.timedelta(*p),
    ),
    Kind("tensor", torch.Tensor, _tensor, _made_tensor),
    Kind("torch.Size", torch.Size, list, torch.Size),
    Kind("torch.dtype", torch.dtype, lambda d: str(d)[6:], lambda name: getattr(torch, name)),
    Kind("torch.device", torch.device, str, torch.device),
    Kind(
        "RandomState",
        np.random.RandomState,
        lambda r: r.get_state(legacy=False),
        _random_state,
    ),
    Kind("Column", Column, Column.to_dict, Column.from_dict),
    Kind("Schema", Schema, Schema.to_dict, Schema.from_dict),
    Kind("MaskAtRandom", MaskAtRandom, MaskAtRandom.to_dict, MaskAtRandom.from_dict),
    *(_fields_of(kind) for kind in (Declared, DeclaredColumn, Formula, Term)),
    *(Kind(*kind[:4]) for kind in OF_PANDAS),
)
_WAY_OUT = "make it a class with plain arguments (a subclass of Missingness, say), or leave it out"
