"""A fitted model, in memory and on disk: safetensors weights beside a JSON, no pickle."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ...data import Schema, Standardiser
from ...data.system.files import reason
from ...data.system.process import own_settings, seeded
from ...models import rebuild
from ...models.programs.base import RowModel
from ..storage.folder import FormatError, read_folder, write_folder
from ..storage.typed_json import from_json, set_tensors, tensors_of, to_json
from .settings import FitSettings
from .shown import shown

__all__ = ["FitResult", "FormatError", "load", "read", "save", "write"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class FitResult:
    """A fitted model, with its settings and the history of its fit.

    ``history`` has a row an evaluation: step, the training bound since the last one, the
    validation bound (both nats a row) and the learning rate. ``bound`` is the best validation
    bound, or the last training bound where no rows were held out.
    """

    model: RowModel
    scaler: Standardiser
    columns: tuple[str, ...]
    history: pd.DataFrame
    bound: float
    best_step: int
    settings: FitSettings
    schema: Schema | None = None
    covariate_schema: Schema | None = None
    #: what the mechanism's slopes on the values themselves rest on, a row a column; None where it
    #: was not checked. See :func:`absentia.check.check_identification`.
    identification: pd.DataFrame | None = None
    #: of the data, those held out included; None where an earlier version saved the fit
    rows: int | None = None

    def __repr__(self) -> str:
        """Return five lines: model, data, bound, settings given and mechanism."""
        return shown(self)

    def save(self, path: str | Path) -> None:
        """Write weights, configuration, standardisation and columns; see :func:`absentia.save`."""
        save(self, path)


def save(fitted: FitResult, path: str | Path) -> None:
    """Write a fitted model to the folder ``path``: a document and its weights, no pickle.

    A model that is there is replaced in one move: whenever the run is killed, the folder holds one
    of the two, whole. Other files in the folder are left alone.

    Raises:
        FormatError: if the model was made with arguments that cannot be kept (a Python function as
            mechanism, say), or a ``model.json`` is there that is no saved model; nothing is written
            then.

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
    write(fitted, path)


def write(fitted: FitResult, path: str | Path, **further: Any) -> None:
    """Write what :func:`save` writes, with further entries of the document."""
    covariates = fitted.covariate_schema
    document = {
        "model": fitted.model,
        "dtype": str(next(fitted.model.parameters()).dtype).removeprefix("torch."),
        "columns": list(fitted.columns),
        "scaler": fitted.scaler.to_dict(),
        "schema": None if fitted.schema is None else fitted.schema.to_dict(),
        "covariate_schema": None if covariates is None else covariates.to_dict(),
        "settings": fitted.settings.to_dict(),
        "bound": fitted.bound,
        "best_step": fitted.best_step,
        "history": fitted.history.to_dict("list"),
        "rows": fitted.rows,
    }
    kept = {name: to_json(part, name) for name, part in document.items()}
    write_folder(path, {**kept, **further}, tensors_of(fitted.model))
    _log.info("saved a %s in '%s'", type(fitted.model).__name__, path)


def load(path: str | Path) -> FitResult:
    """Read what :func:`save` wrote, or an earlier version of it.

    Raises:
        FormatError: if ``path`` holds no saved model, one of a newer format version, or one of
            which a byte has changed.
    """
    return read(path)[0]


def read(path: str | Path) -> tuple[FitResult, dict[str, Any]]:
    """Read the fitted model in a folder, and its whole document."""
    document, tensors = read_folder(path)
    try:
        found = _result(document, tensors)
    except Exception as error:  # whatever is wrong inside the files, it is the files' fault
        raise FormatError(
            f"'{path}' cannot be read: {type(error).__name__}: {reason(error)}"
        ) from error
    _log.info("loaded a %s from '%s'", type(found.model).__name__, path)
    return found, document


def _result(document: dict[str, Any], tensors: dict[str, torch.Tensor]) -> FitResult:
    # before version 3 types were not kept, and a dictionary with a "type" inside a list was none
    with own_settings(), seeded(0):  # parameters are drawn, to be replaced by those of the file
        if document["format_version"] >= 3:
            document = {k: v if k == "imputer" else from_json(v) for k, v in document.items()}
        else:
            document = {**document, "model": rebuild(document["model"])}
    model = document["model"]
    model.to(dtype=getattr(torch, document["dtype"]))
    set_tensors(model, tensors)
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
        settings=FitSettings.from_dict(document["settings"]),
        schema=schemas["schema"],
        covariate_schema=schemas["covariate_schema"],
        rows=document.get("rows"),
    )
