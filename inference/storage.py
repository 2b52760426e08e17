"""Fitted models on disk: safetensors weights beside a JSON of everything else, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from ..data import Schema, Standardiser
from ..data.files import atomic_path, write_text_atomic
from ..models import Configurable, rebuild
from .fitting.fit import FitResult
from .fitting.settings import FitSettings

FORMAT_VERSION = 2


class FormatError(ValueError):
    """A saved model that cannot be read here, or a model that cannot be saved."""


def save(fitted: FitResult, path: str | Path) -> None:
    """Write a fitted model to the folder ``path``: ``model.json`` and ``weights.safetensors``.

    :raises FormatError: if the model was made with arguments that are not plain data (a Python
        function as mechanism, say); nothing is written then.

    >>> import tempfile
    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=5, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ab.save(fitted, folder)
    ...     again = ab.load(folder)
    >>> again.columns
    ('x0', 'x1')
    """
    document = {
        "format": "absentia model",
        "format_version": FORMAT_VERSION,
        "model": _plain(fitted.model.config, "model"),
        "dtype": str(next(fitted.model.parameters()).dtype).removeprefix("torch."),
        "columns": list(fitted.columns),
        "scaler": fitted.scaler.to_dict(),
        "schema": None if fitted.schema is None else fitted.schema.to_dict(),
        "covariate_schema": (
            None if fitted.covariate_schema is None else fitted.covariate_schema.to_dict()
        ),
        "settings": fitted.settings.to_dict(),
        "bound": fitted.bound,
        "best_step": fitted.best_step,
        "history": fitted.history.to_dict("list"),
    }
    text = json.dumps(document, indent=1)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.contiguous().cpu() for k, v in fitted.model.state_dict().items()}
    with atomic_path(folder / "weights.safetensors") as temporary:
        save_file(tensors, temporary)
    # last: a folder without it is no model, so a killed save is seen as none
    write_text_atomic(folder / "model.json", text)


def load(path: str | Path) -> FitResult:
    """Read what :func:`save` wrote.

    :raises FormatError: if ``path`` holds no saved model, or one of a newer format version.
    """
    folder = Path(path)
    try:
        document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"'{folder}' holds no saved model ({error})") from error
    known = isinstance(document, dict) and document.get("format") == "absentia model"
    version = document.get("format_version") if known else None
    if not isinstance(version, int):
        raise FormatError(f"'{folder}/model.json' is not a saved model of absentia")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"'{folder}' has format version {version}, this absentia reads up to "
            f"{FORMAT_VERSION}; update absentia"
        )
    try:
        return _result(document, load_file(folder / "weights.safetensors"))
    except Exception as error:  # whatever is wrong inside the files, it is the files' fault
        raise FormatError(f"'{folder}' cannot be read: {error!r}") from error


def _result(document: dict[str, Any], state: dict[str, torch.Tensor]) -> FitResult:
    model = rebuild(document["model"])
    model.to(dtype=getattr(torch, document["dtype"]))
    model.load_state_dict(state)
    # version 1 knew numbers only: center and scale, no schema
    scaler = document.get("scaler", document)
    schemas = {
        name: None if document.get(name) is None else Schema.from_dict(document[name])
        for name in ("schema", "covariate_schema")
    }
    return FitResult(
        model=model.eval(),
        scaler=Standardiser.from_dict(scaler),
        columns=tuple(document["columns"]),
        history=pd.DataFrame(document["history"]),
        bound=document["bound"],
        best_step=document["best_step"],
        settings=FitSettings(**document["settings"]),
        **schemas,
    )


def _plain(value: Any, where: str) -> Any:
    """Modules as their configurations, tuples as lists; anything else must be plain already."""
    if isinstance(value, Configurable):
        return _plain(value.config, where)
    if isinstance(value, dict):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FormatError(
        f"{where} is a {type(value).__name__}, which cannot be saved without running code on "
        f"load; make it a class with plain arguments (a subclass of Missingness, say)"
    )
