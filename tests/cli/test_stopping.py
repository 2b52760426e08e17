"""A signal ends a command in one line, with the status that shells expect and all in order."""

import os
import signal
import time

import pytest
import typer

from absentia.cli.one_line_errors import one_line_errors
from absentia.data.system.files import atomic_path


def write_until_stopped(target, number):
    with one_line_errors("do it again"), atomic_path(target) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), number)
        time.sleep(5)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_command_in_one_line(name, tmp_path, capsys):
    number, target = getattr(signal, name), tmp_path / "out.txt"
    started = signal.getsignal(number)
    if started is signal.SIG_IGN:  # the tests themselves may run under nohup
        signal.signal(number, signal.SIG_DFL)
    try:
        before = signal.getsignal(number)
        with pytest.raises(typer.Exit) as stopped:
            write_until_stopped(target, number)
        assert stopped.value.exit_code == 128 + number
        assert capsys.readouterr().err == f"stopped by {name}; do it again\n"
        assert list(tmp_path.iterdir()) == []
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, started)


def test_what_is_ignored_stays_so():
    """As ``nohup`` asks."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with one_line_errors():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_too_little_memory_is_one_line(capsys):
    with pytest.raises(typer.Exit) as stopped, one_line_errors():
        raise MemoryError
    assert stopped.value.exit_code == 2
    assert capsys.readouterr().err == "error: there is not enough memory\n"
