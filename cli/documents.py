"""The JSON documents of ``--json``; the schemas in the folder ``schemas`` describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .console import warned

if TYPE_CHECKING:
    from ..inference import FitResult, Imputation
    from .completed import Places
    from .fields import Fields
    from .pooling import Answers

_FOLDER = Path(__file__).parent / "schemas"


def schema_names() -> list[str]:
    """Return the documents that have a schema: those of commands, "page" and "error"."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON schema of a document.

    >>> schema_of("pool")["properties"]["command"]
    {'const': 'pool'}
    """
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def head(command: str) -> dict[str, Any]:
    """Return what every document begins with."""
    return {"command": command, "version": __version__, "warnings": warned}


def imputed_document(
    result: FitResult,
    filled: Imputation,
    fields: Fields,
    places: Places,
    seed: int,
    asked: dict[str, Answers],
) -> dict[str, Any]:
    """Return what was imputed, how far to trust it, and where it stands."""
    return {
        **head("impute"),
        "rows": len(fields.frame),
        "files": places.files(),
        "seed": seed,
        "imputed_cells": int((~filled.data.s).sum()),
        "bound": result.bound,
        "columns": result.summary().reset_index(),
        "means": filled.by_column().reset_index(),
        "weights": filled.summary(),
        "odds": result.odds_in_words(),
        "answers": [answers_document(one, text, 0.95) for text, one in asked.items()],
    }


def as_read_document(fields: Fields, places: Places) -> dict[str, Any]:
    """Return the document of a table in which nothing is missing."""
    return {
        **head("impute"),
        "rows": len(fields.frame),
        "files": {"completed": str(places.out)},
        "imputed_cells": 0,
    }


def answers_document(answers: Answers, formula: str, level: float) -> dict[str, Any]:
    """Return a pooled answer, and the others beside it."""
    return {
        "formula": formula,
        "regression": answers.kind,
        "tables": answers.pooled.m,
        "rows": answers.rows,
        "level": level,
        "estimates": answers.table(),
        "notes": answers.notes,
    }
