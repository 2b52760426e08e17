"""How a model is fitted where its user leaves the optimiser's settings out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ...models.configurable import argument_of
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.networks.mixed_decoder import MixedDecoder
from ...models.networks.modal_encoder import ModalEncoder
from .averaging import averages_forms
from .quasi_newton import is_plain, is_quick
from .settings import NOT_OF_SWEEPS, OF_ADAM, FitSettings, goes_until_flat

#: learning rates where none is given: linear decoders bear larger steps than networks, and those
#: that begin near where they end need no large ones
_RATE_OF_LINEAR, _RATE_OF_STARTED, _RATE_OF_NETWORKS = 1e-2, 3e-3, 2e-3


class Pace(TypedDict, total=False):
    """How far and how fast Adam goes; nothing where L-BFGS is taken, no steps where bounds tell.

    Under the sampler steps are its sweeps.
    """

    steps: int
    learning_rate: float


def usual_settings(
    model: Any,
    data: Any,
    steps: int | None,
    learning_rate: float | None,
    further: Mapping[str, Any] | None = None,
    otherwise: int = FitSettings.steps,
) -> Pace:
    """Return the settings of a fit, in so far as they follow from the model.

    Nothing is set where L-BFGS can fit the model, or its posterior can be sampled, and neither
    argument is given: ``fit`` does so. Steps alone are the sweeps of a posterior that is sampled.
    No steps are set where held-out rows tell when to end.

    Args:
        model: the model to fit.
        data: the table.
        steps: what the user gave, or None.
        learning_rate: what the user gave, or None.
        further: other settings that the user gave, by name.
        otherwise: the steps of Adam where none are given and no rows are held out.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.inference.fitting.usual import usual_settings
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, np.nan], [0.0, 2.0], [3.0, 1.0]]))
    >>> usual_settings(ab.PPCA(data, latent_dim=1), data, None, None)
    {}
    >>> usual_settings(ab.MIWAE(data, latent_dim=1), data, None, None)
    {'learning_rate': 0.002}
    """
    given = dict(further or {})
    asked = learning_rate is not None or given.get("optimiser", "auto") not in ("auto", "gibbs")
    if averages_forms(model, data) and not asked and not any(n in given for n in NOT_OF_SWEEPS):
        return {} if steps is None else {"steps": steps}
    adam = given.get("optimiser") == "adam" or any(name in given for name in OF_ADAM)
    free = steps is None and learning_rate is None and not adam
    plain = is_plain(model, data, given.get("unobserved", "auto")) and is_quick(model, data)
    if free and plain:
        return {}
    rate = usual_rate(model) if learning_rate is None else learning_rate
    pace: Pace = {"learning_rate": rate}
    # a schedule that was given counts steps, but for the one whose steps are a ceiling
    auto = given.get("schedule", "auto") in ("auto", "until-flat")
    if steps is None and auto and goes_until_flat(given, len(data)):
        return pace
    return {"steps": otherwise if steps is None else steps, **pace}


def usual_rate(model: Any) -> float:
    """Return the learning rate of Adam where none is given."""
    parts = dict(model.named_children())
    decoder = parts.get("decoder")
    if isinstance(decoder, MixedDecoder) and isinstance(parts.get("encoder"), ModalEncoder):
        return _RATE_OF_STARTED
    return _RATE_OF_LINEAR if _is_linear(decoder) else _RATE_OF_NETWORKS


def _is_linear(decoder: Any) -> bool:
    """Tell whether a decoder is linear in z, that of a table with columns of several kinds too."""
    if isinstance(decoder, MixedDecoder):
        return len(argument_of(decoder, "hidden")) == 0
    return isinstance(decoder, LinearGaussianDecoder)
