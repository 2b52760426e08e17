<<<<<<< HEAD
"""Results of long searches by what they are made of, so that the same is not sought twice."""
=======
"""What is known of a fit's posterior: several answers about one fit need the same maximum.

A report with pooled estimates asks for it three times: for the parameters of the completed tables,
for the table of coefficients, and for the band of the curves. It takes two gradients of the whole
table for each parameter, and most of the time of such a report.
"""
>>>>>>> 74e910f6 (The maximum of one fit's posterior is sought once for completed tables, coefficients and curves; the same answers)

from __future__ import annotations

import hashlib
<<<<<<< HEAD
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from torch import Tensor

Found = TypeVar("Found")

#: results that are kept: imputation, tables and a report of one fit, or of a few in turn
_MOST = 8


class _Contents(pickle.Pickler):
    """Writes tensors by their values; pickle's own form says where in memory they lie."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Tensor):
            values = thing.detach().cpu().contiguous()
            return bytes, (values.numpy().tobytes(),), (str(values.dtype), tuple(values.shape))
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
=======
import weakref
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from ..prepare import Fitted, model_of
from .laplace import Maximum, Target, maximum

if TYPE_CHECKING:
    from .parameters import ParameterDraws


class Known:
    """What was computed from one model and one table.

    Attributes:
        key: a hash of all that it was computed from.
        maximum: the maximum and the information there; None before it was sought.
        last: (q,) the parameters that the search left in the model.
        draws: weighted draws of the parameters, by their number and seed.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.maximum: Maximum | None = None
        self.last: np.ndarray | None = None
        self.draws: dict[tuple[int, int], ParameterDraws] = {}

    def maximum_of(self, target: Target, polish: int) -> Maximum:
        """Return the maximum, and leave the target's model as the search for it does."""
        if self.maximum is None or self.last is None:
            self.maximum = maximum(target, target.start(), polish)
            self.last = target.start()
        else:
            target.put(self.last)
        return self.maximum


#: of each model that is still there the last answer, as long as its parameters stay the same
_known: weakref.WeakKeyDictionary[nn.Module, Known] = weakref.WeakKeyDictionary()


def known_of(fitted: Fitted, target: Target, polish: int) -> Known:
    """Return what is known of a fit under these settings, which is nothing at first.

    Args:
        fitted: the fit, or its model.
        target: its log-posterior, whose parameters are still those of the fit.
        polish: the number of Newton steps with one information matrix.
    """
    owner, key = model_of(fitted), _hash(target, polish)
    found = _known.get(owner)
    if found is None or found.key != key:
        found = _known[owner] = Known(key)
    return found


def _hash(target: Target, polish: int) -> bytes:
    """Return a hash of all that the maximum depends on."""
    model, data = target.model, target.data
    plan = (target.joint, target.particles, target.unobserved, target.seed, polish)
    found = hashlib.sha256(repr((plan, model.missingness.alpha, repr(model))).encode())
    found.update(target.start().tobytes())
    rest = {**dict(model.named_parameters()), **dict(model.named_buffers()), **data.extras()}
    for name, value in {**rest, "x": data.x, "s": data.s}.items():
        found.update(f"{name} {tuple(value.shape)}".encode())
        found.update(value.detach().cpu().numpy().tobytes())
    return found.digest()
>>>>>>> 74e910f6 (The maximum of one fit's posterior is sought once for completed tables, coefficients and curves; the same answers)
