"""What the commands share: consoles, errors in one line, names of models, checks of paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
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
    limit = "limit"
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


class Grounds(StrEnum):
    """What the kinds of columns are inferred from."""

    dtype = "dtype"
    values = "values"


def say(text: str, to: Console = console) -> None:
    """Print a line as it is: brackets in names of files and columns are no markup."""
    to.print(text, highlight=False, markup=False, soft_wrap=True)


def percent(share: float | None) -> str:
    """A share with one decimal, empty where there is none."""
    return "" if share is None or np.isnan(share) else f"{100 * share:.1f} %"


def shown(frame: pd.DataFrame, title: str, index: str | None = None) -> Table:
    """A table for the console; numbers to three digits, row labels under the heading ``index``."""
    table = Table(title=escape(title), title_justify="left")
    if index is not None:
        table.add_column(escape(index), overflow="fold")
    for name in frame.columns:
        numbers = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(
            escape(str(name)),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=name == "kind",
        )
    for label, row in zip(frame.index, frame.itertuples(index=False), strict=True):
        cells = [_cell(value) for value in row]
        table.add_row(*([] if index is None else [escape(str(label))]), *cells)
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3g}"
    return escape(str(value))


def declared_in(schema: str | None) -> dict[str, Any]:
    """The declarations of --schema where it is a file; none where it is left out or 'infer'."""
    from ..data import Schema

    return {} if schema in (None, "infer") else Schema.read(Path(str(schema)))


def kinds_of(
    frame: pd.DataFrame, declared: Mapping[str, Any], by: Literal["dtype", "values"]
) -> tuple[Any, dict[str, str]]:
    """The schema of the columns whose kind can be told, and of each other one why it cannot.

    Raises:
        ValueError: a declaration that names no column, or that the values contradict.
    """
    from ..data import Column, Schema, infer_schema
    from ..data.numeric import column_names
    from ..data.schema import check_declared_names

    names = column_names(frame.columns)
    check_declared_names(declared, names)
    columns: list[Column] = []
    refused: dict[str, str] = {}
    for j, name in enumerate(names):
        mine = {name: declared[name]} if name in declared else None
        try:
            columns += infer_schema(frame.iloc[:, [j]], mine, by)
        except ValueError as error:
            if mine:
                raise
            # what follows speaks of Python; the command says what to do in its own words
            refused[name] = str(error).split("; ")[0]
    return Schema(tuple(columns)), refused


def advise(frame: pd.DataFrame, declared: Mapping[str, Any]) -> None:
    """Say in options of the command what to do about columns that cannot be modelled, if any.

    Raises:
        ValueError: there is such a column.
    """
    _, refused = kinds_of(frame, declared, "dtype")
    empty = [str(name) for name in frame.columns[frame.isna().all()]] if len(frame) else []
    if refused:
        names = leaving_out([*refused, *(name for name in empty if name not in refused)])
        raise ValueError(
            f"{next(iter(refused.values()))}; give {names}, or correct it, or declare it in "
            f"--schema FILE"
        )
    if empty:
        raise ValueError(f"column '{empty[0]}' has no observed value; give {leaving_out(empty)}")


def leaving_out(names: Iterable[str]) -> str:
    """The options that leave columns out."""
    quoted = (f"'{name}'" if " " in name else name for name in names)
    return " ".join(f"--leave-out {name}" for name in quoted)


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names in a sentence, the first few of many.

    >>> listed("abcdefg")
    'a, b, c, d and 3 more'
    """
    every = [str(name) for name in names]
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")


class one_line_errors:
    """A mistake in the input ends in one line and exit status 2; a bug keeps its traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError | OSError | FloatingPointError):
            say(f"error: {' '.join(str(error).split())}", errors)
            raise typer.Exit(2) from None
