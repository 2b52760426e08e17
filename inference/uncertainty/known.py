"""Results of long searches by what they are made of, so that the same is not sought twice."""

from __future__ import annotations

import copyreg
import hashlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from torch import Tensor
from torch.nn import Module

Found = TypeVar("Found")

#: results that are kept: imputation, tables and a report of one fit, or of a few in turn
_MOST = 8


class _Contents(pickle.Pickler):
    """Writes tensors by their values; pickle's own form says where in memory they lie."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Tensor):
            values = thing.detach().cpu().contiguous()
            return bytes, (values.numpy().tobytes(),), (str(values.dtype), tuple(values.shape))
        if isinstance(thing, Module):  # sets of a copy may have another order
            state = thing.__getstate__() if hasattr(thing, "__getstate__") else vars(thing)
            state = {n: sorted(v) if isinstance(v, set) else v for n, v in dict(state).items()}
            return copyreg.__newobj__, (type(thing),), state  # type: ignore[attr-defined]
        if isinstance(thing, type | FunctionType) and thing.__module__ == "__main__":
            raise pickle.PicklingError  # of which pickle writes the name only: it may be rewritten
        return NotImplemented


def digest(*things: Any) -> str | None:
    """Return a digest of all that things hold, or None where that cannot be written down."""
    written = io.BytesIO()
    try:
        _Contents(written).dump(things)
    except (pickle.PicklingError, AttributeError, TypeError):  # such as a class within a function
        return None
    return hashlib.sha256(written.getbuffer()).hexdigest()


class Known:
    """What was found last, by digests.

    >>> known = Known()
    >>> known.of("a", lambda: 1), known.of("a", lambda: 2), known.of(None, lambda: 3)
    (1, 1, 3)
    """

    def __init__(self) -> None:
        self._found: OrderedDict[str, Any] = OrderedDict()

    def of(self, key: str | None, find: Callable[[], Found]) -> Found:
        """Return what was found for a key, or find it; without a key nothing is kept."""
        if key is None:
            return find()
        if key not in self._found:
            self._found[key] = find()
        self._found.move_to_end(key)
        while len(self._found) > _MOST:
            self._found.popitem(last=False)
        found: Found = self._found[key]
        return found
