"""Signals that stop a command, from the keyboard, a closed terminal or a scheduler."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

#: signals that end a command as Ctrl-C does; not every system has both
_SIGNALS = [number for number in signal.Signals if number.name in ("SIGTERM", "SIGHUP")]


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end; files and worker processes are cleaned up first."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class signals_that_stop:
    """Make SIGTERM and SIGHUP raise :class:`Stopped` inside, as SIGINT raises KeyboardInterrupt.

    A signal that is ignored stays ignored, as ``nohup`` wants it. A second signal of the same
    number ends the process at once, should the cleaning up take too long.
    """

    def __enter__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
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
    """Return the number of the signal behind the exception."""
    return error.number if isinstance(error, Stopped) else signal.SIGINT.value
