"""The JSON documents of ``absentia impute --json``."""

from __future__ import annotations

from typing import Any

from ..inference import FitResult, Imputation
from . import __version__
from .completed import Places
from .console import warned
from .fields import Fields


def imputed_document(
    result: FitResult, filled: Imputation, fields: Fields, places: Places, seed: int
) -> dict[str, Any]:
    """Return what was imputed, how far to trust it, and where it stands."""
    return {
        **_head(fields, places),
        "seed": seed,
        "imputed_cells": int((~filled.data.s).sum()),
        "bound": result.bound,
        "columns": result.summary().reset_index(),
        "means": filled.by_column().reset_index(),
        "weights": filled.summary(),
        "odds": result.odds_in_words(),
    }


def as_read_document(fields: Fields, places: Places) -> dict[str, Any]:
    """Return the document of a table in which nothing is missing."""
    return {**_head(fields, places), "imputed_cells": 0, "files": {"completed": str(places.out)}}


def _head(fields: Fields, places: Places) -> dict[str, Any]:
    return {
        "command": "impute",
        "version": __version__,
        "rows": len(fields.frame),
        "files": places.files(),
        "warnings": warned,
    }
