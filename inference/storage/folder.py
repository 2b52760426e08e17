"""A folder that holds a document and its tensors as a unit, replaced in one move and checked.

The tensors are written to a file with a new name, beside the file that they replace. The document
names the file and its SHA-256 digest, and ends with a digest of its own. One model is replaced by
another when the new document is moved to its place. Even if a run is killed, or another process
writes to the same folder, the tensors that the document names are there and belong to it. Other
files in the folder are left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from ...data.errors import InputError
from ...data.system.files import atomic_path, reason, write_text_atomic
from ...data.system.leftovers import has_ended, is_temporary, writer

FORMAT_VERSION = 3
_FORMAT = "absentia model"
_DOCUMENT = "model.json"
_TENSORS = re.compile(r"weights-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}\.safetensors")
#: the names of files before version 3, which had no digests
_OLD_TENSORS, _OLD_IMPUTER = "weights.safetensors", "imputer.json"
#: no save takes longer
_SECONDS_OF_A_SAVE = 3600.0
_NO_DIGEST = "0" * 64


class FormatError(InputError):
    """A saved model cannot be read here, or a model cannot be saved."""


def check_folder(path: str | Path) -> None:
    """Refuse a place where no model can be saved, before an hour of fitting.

    Raises:
        FormatError: for a file, or a folder with a ``model.json`` that is no saved model.
    """
    _replaced(Path(os.path.realpath(path)))


def is_left_behind(name: str) -> bool:
    """Whether a file in a folder without a document was left behind by a save that was killed."""
    return bool(_TENSORS.fullmatch(name)) or is_temporary(name)


def write_folder(
    path: str | Path, document: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a model to the folder ``path``, replacing any model that is there.

    Raises:
        FormatError: as :func:`check_folder`.
    """
    folder = Path(os.path.realpath(path))
    replaced = _replaced(folder)
    content = save({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    name = f"weights-{writer()}.safetensors"
    about = {"format": _FORMAT, "format_version": FORMAT_VERSION}
    held = {"weights": {"file": name, "sha256": digest}}
    text = signed({**about, **held, **document})
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)
        write_text_atomic(folder / _DOCUMENT, text)
    except BaseException:
        (folder / name).unlink(missing_ok=True)
        raise
    for old in replaced | _left_behind(folder):
        (folder / old).unlink(missing_ok=True)


def read_folder(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the document and tensors that :func:`write_folder`, or an older version, wrote.

    Raises:
        FormatError: if there is no saved model, one of a newer format version, or one of which a
            byte has changed.
    """
    folder = Path(path)
    document = _document(folder)
    while True:
        try:
            return document, _tensors(folder, document)
        except FormatError:
            # another run may have replaced the model since its document was read
            before, document = document, _document(folder)
            if document == before:
                raise


def _replaced(folder: Path) -> set[str]:
    """List the files besides the document that belong to the model in a folder, if any."""
    if folder.exists() and not folder.is_dir():
        raise FormatError(f"'{folder}' is a file; give the name of a folder")
    file = folder / _DOCUMENT
    if not file.exists():
        return set()
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["format"] != _FORMAT:
            raise InputError("it is another file")
        held = found["weights"]["file"] if "weights" in found else _OLD_TENSORS
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(
            f"'{file}' would be overwritten, and is no saved model of absentia; give another "
            f"folder, or delete the file"
        ) from error
    return {held} if _TENSORS.fullmatch(held) else {_OLD_TENSORS, _OLD_IMPUTER}


def _left_behind(folder: Path) -> set[str]:
    """List tensor files that no document names, because a save was killed."""
    found = set()
    for path in folder.glob("weights-*.safetensors"):
        of = _TENSORS.fullmatch(path.name)
        with contextlib.suppress(OSError):
            old = time.time() - path.stat().st_mtime > _SECONDS_OF_A_SAVE
            found |= {path.name} if of and (old or has_ended(of[1], int(of[2]))) else set()
    # last, so that a save that has ended in the meantime is seen
    return found - _replaced(folder)


def signed(document: Mapping[str, Any]) -> str:
    """Write the document as text, whose last entry is the digest of the text before it."""
    text = json.dumps({**document, "sha256": _NO_DIGEST}, indent=1)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return digest.join(text.rsplit(_NO_DIGEST, 1))


def _document(folder: Path) -> dict[str, Any]:
    try:
        content = (folder / _DOCUMENT).read_bytes()
        document = json.loads(content.decode())
    except (OSError, ValueError) as error:
        raise FormatError(f"'{folder}' holds no saved model ({reason(error)})") from error
    has_digest = isinstance(document, dict) and isinstance(document.get("sha256"), str)
    if has_digest:
        zeros = _NO_DIGEST.encode().join(content.rsplit(document["sha256"].encode(), 1))
        if hashlib.sha256(zeros).hexdigest() != document["sha256"]:
            raise _damaged(folder, _DOCUMENT)
    known = isinstance(document, dict) and document.get("format") == _FORMAT
    version = document.get("format_version") if known else None
    if not isinstance(version, int):
        raise FormatError(f"'{folder / _DOCUMENT}' is not a saved model of absentia")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"'{folder}' has format version {version}, this absentia reads up to "
            f"{FORMAT_VERSION}; update absentia"
        )
    if version >= 3 and not has_digest:
        raise _damaged(folder, _DOCUMENT)
    if version < 3 and (folder / _OLD_IMPUTER).exists():
        try:
            text = (folder / _OLD_IMPUTER).read_text(encoding="utf-8")
            document["old_imputer"] = json.loads(text)
        except (OSError, ValueError) as error:
            raise FormatError(f"'{folder / _OLD_IMPUTER}' cannot be read") from error
    return dict(document)


def _tensors(folder: Path, document: Mapping[str, Any]) -> dict[str, Tensor]:
    held = document.get("weights")
    name = _OLD_TENSORS if held is None else str(held["file"])
    if held is not None and not _TENSORS.fullmatch(name):
        raise _damaged(folder, _DOCUMENT)
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise FormatError(
            f"'{folder}' cannot be read: its file '{name}' is not there ({reason(error)})"
        ) from error
    if held is not None and hashlib.sha256(content).hexdigest() != held["sha256"]:
        raise _damaged(folder, name)
    try:
        return load(content)
    except Exception as error:  # safetensors has errors of its own
        raise FormatError(f"'{folder}' cannot be read: '{name}' holds no tensors") from error


def _damaged(folder: Path, name: str) -> FormatError:
    return FormatError(
        f"'{folder}' cannot be read: '{name}' has changed since it was written (its SHA-256 digest "
        f"is another); restore the file, or save the model again"
    )
