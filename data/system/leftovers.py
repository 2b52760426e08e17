"""Names of temporary files, which tell their process, so that leftovers can be removed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from pathlib import Path

#: what lies unused for so long is nobody's, on whatever machine its writer ran
_SECONDS_TILL_OLD = 24 * 3600.0
_NAME = re.compile(r"\..*\.absentia-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{12}(\..*)?")
#: temporary files that this process is writing
_in_use: set[Path] = set()
_tidied: set[tuple[int, Path]] = set()


def temporary_beside(target: Path) -> Path:
    """Make a hidden name beside ``target`` that tells the machine and process.

    It keeps the suffix, since some writers read the format from it; names of files end after 255
    bytes, and so the rest of the name is cut.

    >>> temporary_beside(Path("a.csv")).suffix
    '.csv'
    """
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= 40 else ""
    start = os.fsencode(target.stem)[:100].decode("utf-8", "ignore")
    name = f".{start}.absentia-{writer()}{suffix}"
    made = target.with_name(name)
    _in_use.add(made)
    return made


def writer() -> str:
    """Make the part of a file's name that tells the machine and process, with a random end.

    >>> writer().count("-")
    2
    """
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(6)}"


def is_gone(machine: str, process: int) -> bool:
    """Whether the process of a :func:`writer` is known to have ended."""
    return machine == _machine() and os.name == "posix" and not _alive(process)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a temporary one."""
    return _NAME.fullmatch(name) is not None


def give_up(temporary: Path) -> None:
    """Remove a temporary file or folder, if it still exists."""
    _remove(temporary)
    _in_use.discard(temporary)


def tidy(folder: Path) -> None:
    """Remove temporary files of killed runs, once per process and folder.

    Only files of such names: those whose process on this machine is gone, and those of other
    machines that are a day old. What a living process writes is left alone.
    """
    key = (os.getpid(), folder)  # a forked process is one of its own
    if key in _tidied:
        return
    _tidied.add(key)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        found = _NAME.fullmatch(name)
        if found is not None and _abandoned(folder / name, found["machine"], int(found["process"])):
            _remove(folder / name)


def _abandoned(path: Path, machine: str, process: int) -> bool:
    if machine == _machine() and process == os.getpid():
        return path not in _in_use
    if machine == _machine() and os.name == "posix":
        return is_gone(machine, process)
    try:
        return time.time() - path.stat().st_mtime > _SECONDS_TILL_OLD
    except OSError:
        return False


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # asks only
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True


@functools.cache
def _machine() -> str:
    """Identify where process numbers are unique: one boot of a machine, or a container on it."""
    parts = [platform.node()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        with contextlib.suppress(OSError):  # not on every system
            parts.append(read())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):  # it does no harm where it is
        path.unlink(missing_ok=True)
