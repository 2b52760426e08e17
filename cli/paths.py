"""Checks of the paths that a command reads and writes, so that nothing is overwritten."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..data.errors import FileError, InputError
from ..data.table_files import STANDARD

#: what a folder of a saved model holds
_MODEL_FILE = "model.json"


def check_outputs(
    inputs: Iterable[Path | None],
    outputs: Iterable[tuple[str, Path | None]],
    models: Mapping[str, Path | None] | None = None,
) -> None:
    """Refuse to write over an input, over another output or into the folder of a model.

    Links are followed, and two names of one file are one file.

    Args:
        inputs: files that are read.
        outputs: files that are written, with the option that names each.
        models: folders of saved models that are read or written, by option.

    Raises:
        InputError: if something would be overwritten; names the file and the option that helps.
        FileError: if a path cannot be written to; nothing is created.
    """
    read = [path for path in inputs if path not in (None, STANDARD)]
    written = [(option, path) for option, path in outputs if path not in (None, STANDARD)]
    folders = [(option, path) for option, path in (models or {}).items() if path is not None]
    for _, path in written:
        check_writable(path)
    for k, (option, path) in enumerate(written):
        for given in read:
            if _same(path, given):
                raise InputError(f"{given} would be overwritten; give another name with {option}")
        for other, earlier in written[:k]:
            if _same(path, earlier):
                both = option if other == option else f"{other} and {option}"
                raise InputError(
                    f"{path} would be written twice, by {both}; give another name with {option}"
                )
            if _holds(path, earlier) or _holds(earlier, path):
                raise InputError(
                    f"{path} and {earlier} cannot both be written, since one would be a folder of "
                    f"the other; give another name with {option}"
                )
        for other, folder in folders:
            if _same(folder, path) or _holds(folder, path) or _holds(path, folder):
                raise InputError(
                    f"{path} would be written into {folder}, the folder of the model ({other}); "
                    f"give another path with {option}"
                )
        if path.is_file() and (path.name == _MODEL_FILE or path.suffix == ".safetensors"):
            raise InputError(
                f"{path} is a file of a saved model and would be overwritten; give another name "
                f"with {option}"
            )
    for option, folder in folders:
        for given in read:
            if _holds(folder, given):
                raise InputError(
                    f"{folder} holds {given}, but a model needs a folder of its own; give another "
                    f"folder with {option}"
                )


def check_model_folder(folder: Path) -> None:
    """Refuse to save a model in a folder that contains other things.

    Raises:
        InputError: if it holds other things than a model or the remains of a save that was killed.
        FileError: if it cannot be written to.
    """
    from ..inference.storage.folder import check_folder, is_left_behind

    check_writable(folder / _MODEL_FILE)
    check_folder(folder)
    if not folder.is_dir() or (folder / _MODEL_FILE).exists():
        return
    if not all(is_left_behind(path.name) for path in folder.iterdir()):
        raise InputError(f"{folder} holds other things than a model; give a new folder with --save")


def check_writable(path: Path) -> None:
    """Refuse a path that cannot be written to before any long work; nothing is created.

    Raises:
        FileError: if the path cannot be written to.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise FileError(f"cannot write '{path}': {error.strerror}") from error
    if path.is_dir():
        raise FileError(f"cannot write '{path}': it is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise FileError(
            f"cannot write '{path}': it is not an ordinary file; give the name of a file"
        )
    folder = path.resolve().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise FileError(f"cannot write '{path}': '{folder}' is a file and not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"cannot write '{path}': the folder '{folder}' cannot be written to")
    try:
        # a full disk, a quota and folders of the system show only when something is written
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        reason = error.strerror or "nothing can be written there"
        raise FileError(f"cannot write '{path}': {reason} (folder '{folder}')") from error


def make_folders(paths: Iterable[Path | None]) -> None:
    """Create the folders of the output files.

    Raises:
        FileError: if a folder cannot be created.
    """
    for path in paths:
        if path is not None and path != STANDARD:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(f"cannot write '{path}': {error.strerror}") from error


def _same(one: Path, other: Path) -> bool:
    if one.resolve() == other.resolve():
        return True
    try:
        return os.path.samefile(one, other)  # hard links, and names that differ in case only
    except OSError:
        return False


def _holds(folder: Path, path: Path) -> bool:
    return folder.resolve() in path.resolve().parents
