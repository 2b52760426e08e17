"""Environments of the peers: each library in its own, with the versions that a file pins."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from ...data.errors import InputError
from ...data.system.files import write_text_atomic

#: names the folder of all environments; ``.peers`` in the current folder if it is not set
FOLDER = "ABSENTIA_PEERS_DIR"
_REQUIREMENTS = Path(__file__).parent / "requirements"


def environment(name: str, shares_torch: bool = False) -> Path:
    """Return the Python of an environment, which is made first where it is not there.

    Two processes may ask for the same one at the same time.

    Args:
        name: the name of a file of requirements.
        shares_torch: also see the packages of this interpreter, for those that need torch, which
            is large; what the file pins is installed where this interpreter has another version.

    Raises:
        InputError: if the versions cannot be installed.
    """
    folder = Path(os.environ.get(FOLDER) or ".peers").resolve() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    pinned = (_REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    wanted = f"Python {platform.python_version()}\n{pinned}"
    ready, python = folder / "ready.txt", folder / "bin" / "python"
    with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (ready.is_file() and ready.read_text(encoding="utf-8") == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, python, _REQUIREMENTS / f"{name}.txt", shares_torch)
            write_text_atomic(ready, wanted)
    return python


def _make(folder: Path, python: Path, requirements: Path, shares_torch: bool) -> None:
    _run([sys.executable, "-m", "venv", str(folder)], requirements.stem)
    if shares_torch:
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = ["-m", "pip", "install", "--quiet", "-r", str(requirements)]
    _run([str(python), *install], requirements.stem)


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise InputError(
            f"the environment of '{name}' cannot be made ({last}); the command was "
            f"{' '.join(command)}"
        )
