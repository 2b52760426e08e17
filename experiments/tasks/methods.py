"""The model of a cell: built, selected and fitted as its configuration declares."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ... import models
from ...data import IncompleteData
from ...data.datasets.images import Shape
from ...data.errors import InputError
from ...inference import FitResult
from ...inference.held_out import check_same_density
from ...models import (
    GNR,
    MIWAE,
    PPCA,
    ImageNotMIWAE,
    KnownMargins,
    MaskedNotMIWAE,
    Missingness,
    NotMIWAE,
    NotMIWAEPPCA,
    RowModel,
    SelectionModel,
)
from .fitting import fit

MODELS: dict[str, Any] = {
    "gnr": GNR,
    "image-not-miwae": ImageNotMIWAE,
    "masked-not-miwae": MaskedNotMIWAE,
    "miwae": MIWAE,
    "not-miwae": NotMIWAE,
    "not-miwae-ppca": NotMIWAEPPCA,
    "ppca": PPCA,
}
_WITH_SLOPES = ("masked-not-miwae", "not-miwae", "not-miwae-ppca")
#: the mechanisms of other published models, where an experiment names none
_STATED: Mapping[str, Mapping[str, Any]] = {
    "image-not-miwae": {"missingness": "channel"},
    "ratings-not-miwae": {"missingness": "self-masking"},
}

#: options of a model that change the quantity that its bound is a bound of
_SAYS_WHY = {"missingness", "alpha"}


def fitted_by(
    configuration: Mapping[str, Any], model: RowModel, data: IncompleteData, seed: int, **more: Any
) -> FitResult:
    """Fit the model with the settings of the configuration."""
    options = {"validation": 0.0, **configuration["fit"], **more}
    options.pop("on", None)
    return fit(model, data, seed=seed, **options)


def with_oracle_decoder(
    configuration: Mapping[str, Any],
    model: SelectionModel,
    data: IncompleteData,
    truth: np.ndarray,
    seed: int,
) -> FitResult:
    """Build the model with a decoder learnt from the *complete* table and a given mechanism.

    Raises:
        InputError: if the mechanism or the encoder has parameters to learn.
    """
    learns = list(model.missingness.parameters()) + list(model.encoder.parameters())
    if learns:
        raise InputError(
            "fit.on = 'complete' needs a mechanism and an encoder without parameters, such as a "
            "limit and the exact encoder of not-miwae-ppca"
        )
    whole = IncompleteData.from_numpy(truth).rescaled(data.scaler)
    twin = PPCA(whole, latent_dim=model.decoder.latent_dim, seed=seed)
    fitted = fitted_by(configuration, twin, whole, seed)
    model.decoder.load_state_dict(twin.decoder.state_dict())
    return replace(fitted, model=model)


def made(
    configuration: Mapping[str, Any],
    options: Mapping[str, Any],
    data: IncompleteData,
    seed: int,
    shape: Shape | None = None,
) -> SelectionModel:
    """Build the model that a configuration names.

    Raises:
        InputError: if a model of pictures is asked for, and the table has none.
    """
    given = dict(options)
    if configuration["kind"] == "image-not-miwae":
        if shape is None:
            raise InputError("kind 'image-not-miwae' needs a table of make 'images'")
        given["shape"] = shape
    rows = given.pop("margin_rows", 0)
    if rows:
        rows = len(data) if rows == "n" else rows
        given["margins"] = _known_margins(configuration, data, rows)
    if isinstance(given.get("missingness"), Mapping):
        given["missingness"] = mechanism_of(given["missingness"], len(data.columns), shape)
    given = as_published(configuration["kind"], given)
    if isinstance(given.get("latent_dim"), str):
        given["latent_dim"] = latent_size(given["latent_dim"], len(data.columns))
    return MODELS[configuration["kind"]](data, seed=seed, **given)


def as_published(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, with the papers' mechanism and no prior on slopes where none is given.

    The defaults of the models are others, but committed experiments keep their meaning.

    >>> as_published("not-miwae", {"latent_dim": 2})
    {'missingness': 'self-masking', 'slope_prior': 'flat', 'latent_dim': 2}
    """
    if options.get("missingness") == "auto":
        return dict(options)
    if kind in _WITH_SLOPES:
        return {"missingness": "self-masking", "slope_prior": "flat", **options}
    return {**_STATED.get(kind, {}), **options}


def mechanism_of(declared: Mapping[str, Any], columns: int, shape: Shape | None) -> Missingness:
    """Build a mechanism from its class and arguments, as in ``{type = "SelfMasking", ...}``.

    Its first argument is the number of columns, or the shape of the pictures.

    Raises:
        InputError: if there is no such mechanism.
    """
    arguments = dict(declared)
    kind = vars(models).get(str(arguments.pop("type", "")))
    if not (isinstance(kind, type) and issubclass(kind, Missingness)):
        raise InputError(
            f"missingness {dict(declared)}: 'type' is not the name of a mechanism class; give one "
            f"such as SelfMasking"
        )
    of_pictures = "shape" in inspect.signature(kind).parameters
    if of_pictures and shape is None:
        raise InputError(f"mechanism {kind.__name__} needs a table of make 'images'")
    size: Any = shape if of_pictures else columns
    make: Callable[..., Missingness] = kind
    return make(size, **arguments)


def _known_margins(
    configuration: Mapping[str, Any], data: IncompleteData, rows: float
) -> KnownMargins:
    """Return margins of mean 0 and standard deviation 1, those of the complete table's scale.

    Raises:
        InputError: if columns are standardised by their observed values.
    """
    if configuration["scale"] != "complete":
        raise InputError("margin_rows needs scale = 'complete', under which the margins are known")
    columns = len(data.columns)
    return KnownMargins(columns, [0.0] * columns, [1.0] * columns, rows)


def latent_size(text: str, columns: int) -> int:
    """Return the number of latent dimensions that a text gives in terms of p, the columns.

    >>> latent_size("p-1", 30), latent_size("p/2", 30)
    (29, 15)

    Raises:
        InputError: for anything but p-N and p/N.
    """
    head, sign, number = text.partition("-") if "-" in text else text.partition("/")
    if head.strip() != "p" or not sign or not number.strip().isdigit():
        raise InputError(f"latent_dim is '{text}'; give a number, or a text such as 'p-1' or 'p/2'")
    found = columns - int(number) if sign == "-" else columns // int(number)
    return max(found, 1)


def chosen_by_bound(
    configuration: Mapping[str, Any], data: IncompleteData, seed: int, shape: Shape | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Choose the values of model options with the best bound on held-out rows.

    Raises:
        InputError: if the bounds of different values are not of the same quantity.
    """
    bounds: dict[str, float] = {}
    best: dict[str, Any] = {}
    offered = list(candidates(configuration["choose"]))
    check_comparable(configuration, offered, data, seed, shape)
    for candidate in offered:
        model = made(configuration, {**configuration["model"], **candidate}, data, seed, shape)
        found = fitted_by(configuration, model, data, seed, validation=0.1).bound
        if not bounds or found > max(bounds.values()):
            best = candidate
        bounds[_named(candidate)] = found
    return best, bounds


def check_comparable(
    configuration: Mapping[str, Any],
    offered: Iterable[Mapping[str, Any]],
    data: IncompleteData,
    seed: int,
    shape: Shape | None = None,
) -> None:
    """Refuse to compare bounds of models that bound different quantities.

    Raises:
        InputError: names two of the candidates.
    """
    mechanisms = {
        _named(one): made(configuration, {**configuration["model"], **one}, data, seed, shape)
        for one in offered
        if _SAYS_WHY & set(one)
    }
    if mechanisms:
        found = {name: model.missingness for name, model in mechanisms.items()}
        check_same_density(found, data)


def _named(candidate: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in candidate.items())


def candidates(choose: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values to choose from; nothing if there is no choice.

    >>> list(candidates({"a": [1, 2], "b": [3]}))
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    if choose:
        for values in itertools.product(*choose.values()):
            yield dict(zip(choose, values, strict=True))
