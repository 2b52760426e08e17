"""What all functions that build a model for a table have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import nn

from ...data.arguments import check_names, names_of
from ...data.system.memory import asked_for
from ...data.system.process import own_settings
from ..never_fitted import remember_start

_P = ParamSpec("_P")
_Model = TypeVar("_Model", bound=nn.Module)


def building(make: Callable[_P, _Model]) -> Callable[_P, _Model]:
    """Build in the data's dtype, whatever the caller's defaults, and record the start.

    Other threads wait while it is made; parameters that are made inside ``no_grad`` or
    ``inference_mode`` can be trained all the same.
    """

    known = names_of(make)

    @functools.wraps(make)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _Model:
        check_names(make.__name__, kwargs, known)
        sizes = {name: kwargs.get(name) for name in ("latent_dim", "hidden", "channels")}
        with (
            asked_for(make.__name__, **sizes),
            own_settings(),
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            model = make(*args, **kwargs)
            data: Any = args[0] if args else kwargs["data"]
            model.to(dtype=data.x.dtype)
            remember_start(model)
        return model

    return wrapper
