"""The settings under which every function builds its model for a table."""

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
    """Make a builder independent of global settings, and record the initial parameters.

    The model has the dtype of the data, whatever the default dtype is. Its parameters can be
    trained even if the caller is inside ``no_grad`` or ``inference_mode``. Other threads wait while
    the global settings are changed.
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
