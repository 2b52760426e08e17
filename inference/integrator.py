"""Importance weights with missing values integrated out as far as a model allows."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import Standardiser
from ..data.errors import InputError
from ..models.programs.base import RowModel
from .importance import Weighted, weights
from .integration.conditionals import Tilted
from .integration.handler import IntegrationError, integrate_out

Unobserved = Literal["auto", "integrate", "sample"]


class Marginal:
    """A runner of :func:`weights` with missing values integrated out where possible.

    ``unobserved="auto"`` integrates out what it can: all missing values, or all but those of the
    columns that other columns' absence depends on, or none. For a model of this package, the
    ``dependence`` of its mechanism says so before the run. What is known about a model is kept, so
    that columns that were sampled in one minibatch are sampled in all later ones.

    Args:
        unobserved: ``"integrate"`` raises an error where missing values would have to be sampled,
            ``"sample"`` samples all of them.
        units: the scaler of a table with warped columns, as for :class:`integrate_out`.
    """

    def __init__(self, unobserved: str = "auto", units: Standardiser | None = None) -> None:
        if unobserved not in ("auto", "integrate", "sample"):
            raise InputError(f"unobserved is {unobserved!r}; give auto, integrate or sample")
        self.unobserved, self.units = unobserved, units
        #: per model: True where all missing values are integrated out, False where all are
        #: sampled, else the columns (p,) that are sampled
        self._known: weakref.WeakKeyDictionary[Any, bool | Tensor] = weakref.WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        """Drop the per-model cache; it is rebuilt on use."""
        return {**self.__dict__, "_known": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state with an empty per-model cache."""
        self.__dict__.update(state)
        self._known = weakref.WeakKeyDictionary()

    def found(self, model: Any) -> bool | Tensor | None:
        """Return which missing values of a model are sampled; None before its first run.

        Returns:
            True where none are (all are integrated out), False where all are, else the columns (p,)
            whose missing values are sampled.
        """
        return self._known.get(owner_of(model))

    def take_as_found(self, model: Any, what: bool | Tensor | None) -> None:
        """Continue an earlier run, with what :meth:`found` returned in it."""
        if what is not None:
            self._known[owner_of(model)] = what

    def run(
        self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **options: Any
    ) -> tuple[Weighted, Tilted | None]:
        """Return weights, and the cells' conditional given missing (None if all were sampled)."""
        if self.unobserved == "sample":
            return weights(model, guide, *args, **options), None
        if self.unobserved == "integrate":
            return self._integrated(True, model, guide, args, options)
        owner = owner_of(model)
        known = self._known.get(owner, True)
        if known is not False:
            known = _sampled_by_either(known, _sampled_by_declaration(model, args, options))
        # A program that a user wrote declares nothing, and a user's decoder may have no rule for
        # its integral. This shows only as an error in the middle of a run; the run is then
        # repeated, and the columns that the error names are sampled.
        while known is not False:
            state = torch.get_rng_state()
            try:
                result = self._integrated(known, model, guide, args, options)
            except IntegrationError as error:
                torch.set_rng_state(state)  # a failed run must not use up random numbers
                if options.get("noise") is not None:
                    options["noise"].forget()
                needed = False if error.draw is None else error.draw
                known = _sampled_by_either(known, needed)
                continue
            self._known[owner] = known
            return result
        self._known[owner] = False
        return weights(model, guide, *args, **options), None

    def _integrated(
        self, known: bool | Tensor, model: Any, guide: Any, args: Any, options: Any
    ) -> tuple[Weighted, Tilted | None]:
        handler = integrate_out(draw=None if isinstance(known, bool) else known, units=self.units)

        def program(*args: Any, **kwargs: Any) -> Any:
            with handler:
                return model(*args, **kwargs)

        run = weights(program, guide, *args, **options)
        return run, None if handler.cells is None else handler.cells.tilted


def owner_of(model: Any) -> Any:
    """Return the module that a program is a method of, or the program itself.

    Python makes a new method object at each access, so that it cannot serve as a key of a cache.
    """
    return model.__self__ if inspect.ismethod(model) else model


def _sampled_by_declaration(
    program: Any, args: Sequence[Any], options: Mapping[str, Any]
) -> bool | Tensor:
    """Return what must be sampled according to the declarations of the program's model.

    Returns:
        True where all missing values can be integrated out, or where the program declares nothing;
        False where none can; else the columns (p,) that must be sampled.
    """
    model = owner_of(inspect.unwrap(program))  # Pyro's handlers wrap the program
    s = args[1] if len(args) > 1 else options.get("s")
    if not isinstance(model, RowModel) or not isinstance(s, Tensor) or s.dtype != torch.bool:
        return True
    y = args[4] if len(args) > 4 else options.get("y")
    if model.predictor is not None and y is not None and not bool(s.all()):
        return False  # the target is predicted from whole rows
    sampled = model.missingness.dependence(s.shape[-1]).sampled
    if not bool(sampled.any()):
        return True
    needed = sampled & ~s.all(0).cpu()
    if not bool(needed.any()):
        return True
    return False if bool(sampled.all()) else needed


def _sampled_by_either(one: bool | Tensor, other: bool | Tensor) -> bool | Tensor:
    """Return what must be sampled by either: True stands for nothing, False for everything."""
    if isinstance(one, bool):
        return other if one else False
    if isinstance(other, bool):
        return one if other else False
    return one | other.to(one.device)
