"""Helpers that the commands share: consoles, one-line errors, model names, path checks."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..data.errors import AbsentiaWarning, InputError
from .stopping import signal_of, signals_that_stop

if TYPE_CHECKING:
    from ..data import Schema

console = Console()
errors = Console(stderr=True)


class ModelName(StrEnum):
    """The names of the models that commands accept."""

    not_miwae_ppca = "not-miwae-ppca"
    not_miwae = "not-miwae"
    ppca = "ppca"
    miwae = "miwae"


class MechanismName(StrEnum):
    """The names of the mechanisms that commands accept."""

    self_masking = "self-masking"
    self_masking_probit = "self-masking-probit"
    limit = "limit"
    two_sided = "two-sided"
    spline = "spline"
    linear = "linear"
    nonlinear = "nonlinear"
    latent = "latent"
    mask_latent = "mask-latent"


class Grounds(StrEnum):
    """The evidence from which the kinds of columns are inferred."""

    dtype = "dtype"
    values = "values"


def say(text: str, to: Console = console) -> None:
    """Print a line literally, so that brackets in names of files and columns are not markup."""
    to.print(text, highlight=False, markup=False, soft_wrap=True)


def percent(share: float | None) -> str:
    """Write a share as a percentage with one decimal, empty where there is none."""
    return "" if share is None or np.isnan(share) else f"{100 * share:.1f} %"


def shown(frame: pd.DataFrame, title: str, index: str | None = None, folded: bool = True) -> Table:
    """Build a console table; numbers have three digits, row labels the heading ``index``.

    Cells that are too wide go over several lines; not ``folded``, the table is wider than the
    window, and a row is a line.
    """
    table = Table(title=escape(title), title_justify="left")
    columns = [] if index is None else [(index, [str(label) for label in frame.index], False)]
    for name in frame.columns:
        numbers = pd.api.types.is_numeric_dtype(frame[name])
        columns.append((str(name), [_cell(value) for value in frame[name]], numbers))
    for name, cells, numbers in columns:
        table.add_column(
            escape(name),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=name == "kind" or not folded,
            min_width=None if folded else max(map(len, [name, *cells])),
        )
    for row in zip(*(cells for _, cells, _ in columns), strict=True):
        table.add_row(*map(escape, row))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3g}"
    return str(value)


def declared_in(schema: str | None) -> dict[str, Any]:
    """Return the declarations of --schema where it is a file, else none."""
    from ..data import Schema

    return {} if schema in (None, "infer") else Schema.read(Path(str(schema)))


class Kinds(NamedTuple):
    """What the columns of a table are.

    Attributes:
        schema: the schema of the columns whose kind is known.
        values: (n, q) encoded values of these columns.
        refused: for each other column, the reason why its kind is not known.
    """

    schema: Schema
    values: np.ndarray
    refused: dict[str, str]


def kinds_of(
    frame: pd.DataFrame, declared: Mapping[str, Any], by: Literal["dtype", "values"]
) -> Kinds:
    """Find out what the columns are, reading each of them once.

    Raises:
        ValueError: a declaration that names no column, or that the values contradict.
    """
    from ..data import Column, Schema
    from ..data.columns.encode import encoded
    from ..data.columns.present import columns_of
    from ..data.schema import check_declared_names, schema_of

    given = columns_of(frame)
    check_declared_names(declared, tuple(given))
    columns: list[Column] = []
    values: list[np.ndarray] = []
    refused: dict[str, str] = {}
    for name, present in given.items():
        mine = {name: declared[name]} if name in declared else None
        try:
            (column,) = schema_of({name: present}, mine, by)
            values.append(encoded(present, column))
            columns.append(column)
        except ValueError as error:
            if mine:
                raise
            # the rest of the message is about Python; the command names its own options instead
            refused[name] = str(error).split("; ")[0]
    table = np.stack(values, axis=1) if values else np.empty((len(frame), 0))
    return Kinds(Schema(tuple(columns)), table, refused)


def advise(
    frame: pd.DataFrame, declared: Mapping[str, Any], cures: Mapping[str, str] | None = None
) -> None:
    """Suggest options of the command for columns that cannot be modelled, if any.

    Args:
        frame: the table.
        declared: kinds by column.
        cures: options that help, by column; the others are to be left out.

    Raises:
        ValueError: there is such a column.
    """
    refused = kinds_of(frame, declared, "dtype").refused
    empty = [str(name) for name in frame.columns[frame.isna().all()]] if len(frame) else []
    unusable = [*refused, *(name for name in empty if name not in refused)]
    options = dict.fromkeys((cures or {}).get(name, leaving_out([name])) for name in unusable)
    if refused:
        raise InputError(
            f"{next(iter(refused.values()))}; give {' '.join(options)}, or correct it, or declare "
            f"it in --schema FILE"
        )
    if empty:
        raise InputError(f"column '{empty[0]}' has no observed value; give {' '.join(options)}")


def leaving_out(names: Iterable[str]) -> str:
    """Write the options that leave columns out."""
    return " ".join(f"--leave-out {quoted(name)}" for name in names)


def quoted(word: str) -> str:
    """Quote a word as a shell requires it."""
    plain = word and all(c.isalnum() or c in "-._/:=,%+@" for c in word)
    return word if plain else "'" + word.replace("'", "'\\''") + "'"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Write names in a sentence, and only the first few of many.

    >>> listed("abcdefg")
    'a, b, c, d and 3 more'
    """
    every = [str(name) for name in names]
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")


class one_line_errors:
    """End mistakes in the input with one line and exit status 2; a bug keeps its traceback.

    What absentia warns of becomes a line, too, on standard error. A signal that stops the command
    ends in one line with 128 and the signal's number; all that was finished is kept.

    Args:
        after_stop: how to go on after one.
    """

    def __init__(self, after_stop: str = "") -> None:
        self.after_stop = after_stop
        self._signals = signals_that_stop()

    def __enter__(self) -> one_line_errors:
        self._before = warnings.catch_warnings()
        self._before.__enter__()
        usual = warnings.showwarning

        def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
            if issubclass(category, AbsentiaWarning):
                say(f"warning: {message}", errors)
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", AbsentiaWarning)
        self._signals.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._signals.__exit__()
        self._before.__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            number = signal_of(error)
            more = f"; {self.after_stop}" if self.after_stop else ""
            say(f"stopped by {signal.Signals(number).name}{more}", errors)
            raise typer.Exit(128 + number) from None
        if isinstance(error, ValueError | OSError | FloatingPointError | MemoryError):
            what = str(error) or "there is not enough memory"
            say(f"error: {' '.join(what.split())}", errors)
            raise typer.Exit(2) from None
