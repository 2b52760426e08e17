"""What the commands share: consoles, errors in one line, names of models, checks of paths."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

console = Console()
errors = Console(stderr=True)


class ModelName(StrEnum):
    """The models by name."""

    not_miwae_ppca = "not-miwae-ppca"
    not_miwae = "not-miwae"
    ppca = "ppca"
    miwae = "miwae"


class MechanismName(StrEnum):
    """The mechanisms by name."""

    self_masking = "self-masking"
    self_masking_probit = "self-masking-probit"
    two_sided = "two-sided"
    spline = "spline"
    linear = "linear"
    nonlinear = "nonlinear"
    latent = "latent"
    mask_latent = "mask-latent"


class SignName(StrEnum):
    """What is known of the direction of self-masking."""

    high = "high"
    low = "low"
    free = "free"


def percent(share: float | None) -> str:
    """A share with one decimal, empty where there is none."""
    return "" if share is None or np.isnan(share) else f"{100 * share:.1f} %"


def shown(frame: pd.DataFrame, title: str, index: str = "") -> Table:
    """A table for the console; numbers to three digits."""
    table = Table(title=title, title_justify="left")
    table.add_column(index)
    for name in frame.columns:
        numbers = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(str(name), justify="right" if numbers else "left")
    for label, row in zip(frame.index, frame.itertuples(index=False), strict=True):
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row]
        table.add_row(str(label), *cells)
    return table


def schema_for(frame: pd.DataFrame, given: str | None) -> Any:
    """What --schema says: None, "infer", or a file of declarations."""
    from ..data import Schema

    return given if given in (None, "infer") else Schema.read(Path(str(given)))


def check_writable(path: Path) -> None:
    """Fail before an hour of fitting rather than after it."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot write '{path}': {error.strerror} ('{folder}')") from error
    if not os.access(folder, os.W_OK):
        raise OSError(f"cannot write '{path}': '{folder}' cannot be written to")
    if path.is_dir():
        raise OSError(f"cannot write '{path}': it is a folder; give the name of a file")


class one_line_errors:
    """A mistake in the input ends in one line and exit status 2; a bug keeps its traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError | OSError | FloatingPointError):
            errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
            raise typer.Exit(2) from None
