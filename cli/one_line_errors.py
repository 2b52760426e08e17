"""The end of a command: mistakes and signals become one line, bugs keep their traceback."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import suppress
from types import TracebackType
from typing import TextIO

import typer

from ..data.errors import AbsentiaError, AbsentiaWarning
from .console import errors, print_document, say, warn, warned
from .stopping import signal_of, signals_that_stop
from .words import at_the_shell

#: what a mistake in the input or a limit of the machine raises
_MISTAKES = (AbsentiaError, ValueError, OSError, FloatingPointError, MemoryError)


class one_line_errors:
    """End mistakes in the input with one line and exit status 2; a bug keeps its traceback.

    Warnings of absentia are printed as one line each on standard error, too. A signal that stops
    the command is reported in one line, and the exit status is 128 plus its number; files that
    were finished are kept.

    Args:
        after_stop: how to continue after such a signal.
        document: whether a mistake is also printed as a JSON document on standard output.
    """

    def __init__(self, after_stop: str = "", document: bool = False) -> None:
        self.after_stop, self.document = after_stop, document
        self._signals = signals_that_stop()

    def __enter__(self) -> one_line_errors:
        warned.clear()
        self._before = warnings.catch_warnings()
        self._before.__enter__()
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, AbsentiaWarning):
                warn(at_the_shell(str(message)))
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        warnings.simplefilter("always", AbsentiaWarning)
        self._signals.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signals.__exit__()
        self._before.__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            number = signal_of(error)
            more = f"; {self.after_stop}" if self.after_stop else ""
            say(f"stopped by {signal.Signals(number).name}{more}", errors)
            raise typer.Exit(128 + number) from None
        if isinstance(error, BrokenPipeError):  # who reads the output has read enough
            with suppress(OSError, ValueError):  # so that Python, too, does not write there
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        if isinstance(error, _MISTAKES):
            what = at_the_shell(str(error)) or "there is not enough memory"
            say(f"error: {' '.join(what.split())}", errors)
            if self.document:
                with suppress(OSError):  # which may be what went wrong
                    print_document({"error": " ".join(what.split()), "exit_code": 2})
            raise typer.Exit(2) from None
