"""Importance weights with missing values integrated out as far as a model allows."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from ..data import Standardiser
from ..data.errors import InputError
from .importance import Weighted, weights
from .integration.conditionals import Tilted
from .integration.handler import CollapseError, collapse

Missing = Literal["auto", "collapse", "sample"]


class Marginal:
    """A runner of :func:`weights` with missing values integrated out where possible.

    ``missing="auto"`` integrates what it can: all missing values, or all but those of the columns
    that other columns' absence depends on, or none. What it finds out about a model is kept.

    Args:
        missing: ``"collapse"`` refuses to draw, ``"sample"`` draws everything.
        units: see :class:`collapse`.
    """

    def __init__(self, missing: str = "auto", units: Standardiser | None = None) -> None:
        if missing not in ("auto", "collapse", "sample"):
            raise InputError(f"missing {missing!r} is not one of auto, collapse, sample")
        self.missing, self.units = missing, units
        #: per model: True, nothing is drawn; False, everything; or the columns that are (p,)
        self._known: weakref.WeakKeyDictionary[Any, bool | Tensor] = weakref.WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        """Drop the per-model cache; it is rebuilt on use."""
        return {**self.__dict__, "_known": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state with an empty per-model cache."""
        self.__dict__.update(state)
        self._known = weakref.WeakKeyDictionary()

    def found(self, model: Any) -> bool | Tensor | None:
        """Return what is sampled of a model, None before its first run."""
        return self._known.get(_owner(model))

    def take_as_found(self, model: Any, what: bool | Tensor | None) -> None:
        """Begin with what an earlier :meth:`found` returned, to continue that run."""
        if what is not None:
            self._known[_owner(model)] = what

    def run(
        self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **options: Any
    ) -> tuple[Weighted, Tilted | None]:
        """Return weights, and the missing cells' conditionals unless all were sampled."""
        if self.missing == "sample":
            return weights(model, guide, *args, **options), None
        owner = _owner(model)
        known = self._known.get(owner, True)
        while known is not False:
            state = torch.get_rng_state()
            try:
                result = self._collapsed(known, model, guide, args, options)
            except CollapseError as error:
                if self.missing == "collapse":
                    raise
                torch.set_rng_state(state)  # a failed try must not have drawn random numbers
                if options.get("draw") is not None:
                    options["draw"].forget()
                known = _more(known, error.draw)
                continue
            self._known[owner] = known
            return result
        self._known[owner] = False
        return weights(model, guide, *args, **options), None

    def _collapsed(
        self, known: bool | Tensor, model: Any, guide: Any, args: Any, options: Any
    ) -> tuple[Weighted, Tilted | None]:
        handler = collapse(draw=None if isinstance(known, bool) else known, units=self.units)

        def program(*args: Any, **kwargs: Any) -> Any:
            with handler:
                return model(*args, **kwargs)

        run = weights(program, guide, *args, **options)
        return run, None if handler.cells is None else handler.cells.tilted


def _owner(model: Any) -> Any:
    """Return the module that a program is a method of, since bound methods are not unique."""
    return getattr(model, "__self__", model)


def _more(known: bool | Tensor, draw: Tensor | None) -> bool | Tensor:
    """Return what must be sampled, once these columns must be too."""
    if draw is None:
        return False
    return draw if isinstance(known, bool) else known | draw
