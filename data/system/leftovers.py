"""Names of temporary files that identify their process, so that leftovers can be removed."""

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

#: the age after which a temporary file of another machine is taken for abandoned
SECONDS_TILL_OLD = 24 * 3600.0
_NAME = re.compile(r"\..*\.absentia-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{12}(\..*)?")
#: temporary files that this process is writing
_in_use: set[Path] = set()
#: processes and the folders that each has tidied already
tidied: set[tuple[int, Path]] = set()


def temporary_beside(target: Path) -> Path:
    """Make a hidden name beside ``target`` that identifies the machine and the process.

    The suffix is kept, because some writers infer the format from it. The rest of the name is cut,
    because file names may have at most 255 bytes.

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
    """Make the part of a file name that identifies the machine and process, with a random end.

    >>> writer().count("-")
    2
    """
    return f"{machine_name()}-{os.getpid()}-{secrets.token_hex(6)}"


def has_ended(machine: str, process: int) -> bool:
    """Whether the process of a :func:`writer` is known to have ended."""
    return machine == machine_name() and os.name == "posix" and not _alive(process)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is a temporary one."""
    return _NAME.fullmatch(name) is not None


def give_up(temporary: Path) -> None:
    """Remove a temporary file or folder, if it still exists."""
    _remove(temporary)
    _in_use.discard(temporary)


def tidy(folder: Path) -> None:
    """Remove temporary files of killed runs, once per process and folder.

    Only files with names of :func:`temporary_beside` are removed: those whose process on this
    machine has ended, and those of other machines that are a day old. Files that a running process
    writes are left alone.
    """
    key = (os.getpid(), folder)  # a forked process tidies again
    if key in tidied:
        return
    tidied.add(key)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        found = _NAME.fullmatch(name)
        if found is not None and _abandoned(folder / name, found["machine"], int(found["process"])):
            _remove(folder / name)


def _abandoned(path: Path, machine: str, process: int) -> bool:
    if machine == machine_name() and process == os.getpid():
        return path not in _in_use
    if machine == machine_name() and os.name == "posix":
        return has_ended(machine, process)
    try:
        return time.time() - path.stat().st_mtime > SECONDS_TILL_OLD
    except OSError:
        return False


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only asks whether the process exists
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # the process belongs to another user
        return True
    return True


@functools.cache
def machine_name() -> str:
    """Identify one boot of a machine, or a container on it, where process numbers are unique."""
    parts = [platform.node()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        with contextlib.suppress(OSError):  # not every system has these files
            parts.append(read())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):  # a file that stays does no harm
        path.unlink(missing_ok=True)
