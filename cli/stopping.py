"""A command that is told to stop, by the keyboard, a terminal that closes or a scheduler."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

#: what ends a command as an interrupt does; not all systems know both
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal that asks a process to end; on the way out files and workers are put in order."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class signals_that_stop:
    """Inside, SIGTERM and SIGHUP raise :class:`Stopped`, as SIGINT raises KeyboardInterrupt.

    A signal that is ignored stays so, for ``nohup``. A second one of a kind ends the process as
    ever, should the way out take too long.
    """

    def __enter__(self) -> None:
        self._before: dict[int, Any] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _stop)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)


def signal_of(error: KeyboardInterrupt) -> int:
    """The number of the signal behind it."""
    return error.number if isinstance(error, Stopped) else signal.SIGINT.value
