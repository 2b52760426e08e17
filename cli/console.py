"""The two streams of the command line, and how texts are written on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console()
errors = Console(stderr=True)


@contextmanager
def talking(quiet: bool = False, aside: bool = False) -> Iterator[None]:
    """Inside, print nothing but warnings and errors, or print all messages on standard error.

    Args:
        quiet: whether to print warnings and errors only.
        aside: whether standard output is kept free for a table or a document.
    """
    before = console.quiet, console.stderr
    console.quiet, console.stderr = console.quiet or quiet, console.stderr or aside
    try:
        yield
    finally:
        console.quiet, console.stderr = before


def say(text: str, to: Console = console) -> None:
    """Print a line literally, so that brackets in names of files and columns are not markup."""
    to.print(text, highlight=False, markup=False, soft_wrap=True)


def percent(share: float | None) -> str:
    """Write a share as a percentage with one decimal, empty where there is none."""
    return "" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


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
