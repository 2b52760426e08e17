"""Writing of files, either complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FolderInsteadError, InputError, NoFolderError
from .leftovers import give_up, temporary_beside, tidy


class TableError(InputError):
    """A file cannot be read or written as a table; the message says why in one line."""


def reason(error: Exception) -> str:
    """Return why something failed, phrased so that it fits into the middle of a line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` when the block succeeds.

    When the block raises, the temporary file is removed and ``path`` stays as it was. Temporary
    files that killed runs left in the folder are removed at the first write there.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'

    Raises:
        OSError: the folder does not exist or cannot be written to, or ``path`` is a folder.
    """
    # A link stays a link, since the file that it points to is replaced.
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise FolderInsteadError(f"cannot write {target}: it is a folder; give a file name.")
    if not target.parent.is_dir():
        raise NoFolderError(
            f"cannot write {target.name}: the folder {target.parent} does not exist; create it."
        )
    tidy(target.parent)
    temporary = temporary_beside(target)
    try:
        yield temporary
        # The file must be on disk before the name points to it; else a crash could leave it empty.
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:
        give_up(temporary)


@contextmanager
def temporary_folder(parent: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a hidden folder inside ``parent`` that is removed when the block ends.

    Raises:
        OSError: ``parent`` does not exist or cannot be written to.
    """
    inside = Path(os.path.realpath(parent))
    tidy(inside)
    folder = temporary_beside(inside / "folder")
    try:
        folder.mkdir()
        yield folder
    finally:
        give_up(folder)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8 with its line ends as they are, either completely or not at all.

    Raises:
        OSError: as :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_figure_atomic(path: str | os.PathLike[str], figure: Any, dpi: int = 110) -> None:
    """Write a matplotlib figure as PNG, either completely or not at all.

    Raises:
        OSError: as :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png")
