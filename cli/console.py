"""The two streams of the command line, and how texts are written on them."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleDimensions

from ..data.errors import FileError

#: narrower screens break the lines of a table, as its columns would be cut to nothing otherwise
_NARROWEST = 76


class _Literal(Console):
    """A console that writes what it is given: ":m:" in a formula or a name is no emoji.

    Args:
        stderr: whether it writes on standard error.
    """

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, emoji=False)

    @property  # type: ignore[misc]  # rich's has a setter, too
    def size(self) -> ConsoleDimensions:
        """The size of the screen, of 76 columns at least."""
        found = super().size
        return found._replace(width=max(found.width, _NARROWEST))

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, and say what could not be written where a disk is full."""
        with _writing("standard error" if self.stderr else "standard output"):
            super().print(*objects, **options)


@contextmanager
def _writing(stream: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"cannot write {stream}: {error.strerror}") from error


console = _Literal()
errors = _Literal(stderr=True)


@contextmanager
def talking(quiet: bool = False, aside: bool = False, verbose: bool = False) -> Iterator[None]:
    """Inside, print nothing but warnings and errors, or print all messages on standard error.

    Args:
        quiet: whether to print warnings and errors only.
        aside: whether standard output is kept free for a table or a document.
        verbose: whether to print what the library logs, on standard error.
    """
    before = console.quiet, console.stderr
    console.quiet, console.stderr = console.quiet or quiet, console.stderr or aside
    logger, handler = logging.getLogger(__name__.split(".")[0]), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = logger.level
    if verbose:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        console.quiet, console.stderr = before
        logger.removeHandler(handler)
        logger.setLevel(level)


def print_document(document: Any) -> None:
    """Print a document as JSON on standard output; numbers that are not finite become null."""
    text = json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    if sys.stdout is None:  # a shell has closed it
        raise FileError("standard output is closed; give it a file or a pipe")
    with _writing("standard output"):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def plain(value: Any) -> Any:
    """Convert tables, paths, dates and numbers of any type to what JSON has.

    >>> import pandas as pd
    >>> plain({"a": pd.DataFrame({"x": [1.0, float("nan")]})})
    {'a': [{'x': 1.0}, {'x': None}]}
    """
    # here and not above, so that --help need not wait for pandas
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


#: the warnings that the command has printed so far
warned: list[str] = []


def warn(text: str) -> None:
    """Print a warning on standard error, and keep it for a JSON document."""
    warned.append(text)
    say(f"warning: {text}", errors)


def say(text: str, to: Console = console) -> None:
    """Print a line literally, so that brackets in names of files and columns are not markup."""
    to.print(text, highlight=False, markup=False, soft_wrap=True)


def percent(share: float | None) -> str:
    """Write a share as a percentage with one decimal, empty where there is none."""
    return "" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def counted(number: int, thing: str) -> str:
    """Write a number of things.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def quoted(word: str) -> str:
    """Quote a word as a shell requires it."""
    plain = word and all(c.isalnum() or c in "-._/:=,%+@" for c in word)
    return word if plain else "'" + word.replace("'", "'\\''") + "'"


def listed(names: Iterable[object], most: int = 4) -> str:
    """Write names in a sentence, and only the first few of many.

    >>> listed("abcdefg")
    'a, b, c, d and 3 more'
    """
    every = [str(name) for name in names]
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more} more" if more > 0 else "")
