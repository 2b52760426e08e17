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
from ...models.missingness.averaged import AveragedMissingness, sentence
from ...models.programs.base import RowModel, declarations
from ..evaluating import learning
from ..gibbs.posterior import Posterior, posterior_of_tensors, tensors_of_posterior
from ..storage.folder import FormatError, read_folder, write_folder
from ..storage.typed_json import from_json, set_tensors, tensors_of, to_json
from .settings import FitSettings
from .shown import shown, summary_of

__all__ = ["FitResult", "FormatError", "load", "read", "save", "write"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class FitResult:
    """A fitted model, with its settings and the history of its fit.

    ``history`` has one row per evaluation: the step, the mean training bound since the last
    evaluation, the validation bound (both in nats per row) and the learning rate. ``bound`` is the
    best validation bound, or the last training bound where no rows were held out.
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
    #: what identifies the mechanism's slopes on the missing values, one row per column; None where
    #: it was not checked. See :func:`absentia.check.check_identification`.
    identification: pd.DataFrame | None = None
    #: number of rows, those held out included; None where an earlier version saved the fit
    rows: int | None = None
    #: draws of all parameters, where the fit sampled their posterior (``missingness="auto"``)
    posterior: Posterior | None = None

    @property
    def odds(self) -> pd.DataFrame | None:
        """Which form each column's mechanism has, where the fit averaged over forms, else None.

        See :meth:`absentia.inference.gibbs.posterior.Posterior.table`.
        """
        return None if self.posterior is None else self.posterior.table(self.model.columns)

    def why_missing(self) -> dict[str, str]:
        """Say in words, for each column with missing values, why they are missing, if it is known.

        Where the fit averaged over forms of the mechanism these are their odds, and otherwise what
        the assumed mechanism has learnt; nothing where values are taken to be missing at random.
        """
        odds, mechanism = self.odds, declarations(self.model).missingness
        if odds is not None:
            return {str(name): sentence(row) for name, row in odds.iterrows()}
        if mechanism is None or mechanism.ignorable:
            return {}
        described = mechanism.describe(self).columns
        if isinstance(mechanism, AveragedMissingness):
            shown = enumerate(described)
            return {one.column: mechanism.in_words(j) for j, one in shown if one.reason}
        return {one.column: one.equation for one in described if one.reason}

    def odds_in_words(self) -> list[str]:
        """Write a line on each column with missing values: why they are missing, if it is known.

        There are none where a mechanism was assumed; :meth:`why_missing` says what it has learnt.
        """
        averaged = isinstance(declarations(self.model).missingness, AveragedMissingness)
        return [f"{name}: {words}" for name, words in self.why_missing().items()] * averaged

    def summary(self) -> pd.DataFrame:
        """Tabulate for each column its kind, its mechanism, and whether and why it is identified.

        Standard errors and intervals of coefficients need the data:
        :func:`absentia.inference.coefficient_posterior`.
        """
        return summary_of(self)

    def __repr__(self) -> str:
        """Return five lines: model, data, bound, settings given and mechanism."""
        return shown(self)

    def save(self, path: str | Path) -> None:
        """Write weights, configuration, standardisation and columns; see :func:`absentia.save`."""
        save(self, path)


def save(fitted: FitResult, path: str | Path) -> None:
    """Write a fitted model to the folder ``path``: a document and its weights, no pickle.

    A model that the folder already holds is replaced in one move: if the run is killed, the folder
    holds either the old model or the new one, complete. Other files in the folder are left alone.

    Args:
        fitted: the fit.
        path: the folder, which is created if it does not exist.

    Raises:
        FormatError: the model was made with arguments that cannot be kept (a Python function as
            mechanism, for example), or the folder has a ``model.json`` that is no saved model; then
            nothing is written.

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
    if fitted.posterior is not None:
        document["posterior_scaler"] = fitted.posterior.scaler.to_dict()
    kept = {name: to_json(part, name) for name, part in document.items()}
    tensors = {**tensors_of(fitted.model), **tensors_of_posterior(fitted.posterior)}
    write_folder(path, {**kept, **further}, tensors)
    _log.info("saved a %s in '%s'", type(fitted.model).__name__, path)


def load(path: str | Path) -> FitResult:
    """Read what :func:`save` wrote, or an earlier version of it.

    Raises:
        FormatError: ``path`` holds no saved model, or a model of a newer format version, or files
            that have changed since they were written.
    """
    return read(path)[0]


def read(path: str | Path) -> tuple[FitResult, dict[str, Any]]:
    """Read the fitted model in a folder, and its whole document."""
    with learning():  # parameters made in inference mode could never have a gradient
        document, tensors = read_folder(path)
        try:
            found = _result(document, tensors)
        except Exception as error:  # anything that goes wrong here is a fault of the files
            raise FormatError(
                f"'{path}' cannot be read: {type(error).__name__}: {reason(error)}"
            ) from error
    _log.info("loaded a %s from '%s'", type(found.model).__name__, path)
    return found, document


def _result(document: dict[str, Any], tensors: dict[str, torch.Tensor]) -> FitResult:
    # format version 3 introduced types; before it, a dictionary with a "type" that stood inside a
    # list was an ordinary dictionary
    with own_settings(), seeded(0):  # the initial parameters are replaced by those of the file
        if document["format_version"] >= 3:
            document = {k: v if k == "imputer" else from_json(v) for k, v in document.items()}
        else:
            document = {**document, "model": rebuild(document["model"])}
    model = document["model"]
    model.to(dtype=getattr(torch, document["dtype"]))
    posterior, tensors = posterior_of_tensors(tensors, document)
    set_tensors(model, tensors)
    # format version 1 had numbers only: center and scale, and no schema
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
        posterior=posterior,
    )
