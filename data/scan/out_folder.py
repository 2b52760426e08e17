"""A folder of Parquet files that is written part by part, so that a killed run can go on.

Each file is written whole or not at all. A part is finished when its file in the folder is there:
the files that belong to it, in folders of its own beside, are written first. A manifest tells what
the folder was written from; a run with other data, another fit or other settings is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..system.files import reason, write_text_atomic
from ..system.leftovers import is_temporary

_MANIFEST = "_absentia.json"
_FORMAT = "absentia imputed folder"


@dataclass(frozen=True)
class OutFolder:
    """The folder ``path``, and folders beside it whose names end in "-rows" and so on.

    Attributes:
        path: the folder of the completed table.
        further: the kinds of files beside it, such as "rows".
        num_rows: the number of rows in all.
        rows_per_file: the number of rows of each file but the last.
    """

    path: Path
    further: tuple[str, ...]
    num_rows: int
    rows_per_file: int

    @property
    def num_parts(self) -> int:
        """The number of parts in all."""
        return -(-self.num_rows // self.rows_per_file)

    def rows_of(self, k: int) -> range:
        """Return the positions of the rows of a part."""
        first = k * self.rows_per_file
        return range(first, min(first + self.rows_per_file, self.num_rows))

    def file(self, k: int, further: str | None = None) -> Path:
        """Return the file of a part, in the folder itself or in one beside it."""
        return self.beside(further) / f"part-{k:06d}.parquet"

    def beside(self, further: str | None) -> Path:
        """Return the folder itself, or the one beside it for these files."""
        if further is None:
            return self.path
        return self.path.with_name(f"{self.path.name}-{further}")

    def open(self, identity: Mapping[str, Any]) -> list[int]:
        """Create the folders, or go on with them, and return the parts that are missing.

        Args:
            identity: what the folder is written from; plain values that JSON can hold.

        Raises:
            ValueError: the folder holds other files, or was written from something else; the
                message names what differs. Nothing is written then.
        """
        every = [None, *self.further]
        wanted = json.loads(json.dumps(dict(identity)))
        known = self._manifest()
        if known is None:
            for further in every:
                _check_empty(self.beside(further))
        else:
            self._check_same(known, wanted)
        try:
            for further in every:
                self.beside(further).mkdir(parents=True, exist_ok=True)
            if known is None:
                self._write({**wanted, "finished": False})
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)}).") from error
        return [k for k in range(self.num_parts) if not self.file(k).exists()]

    def finish(self) -> None:
        """Note in the manifest that all parts are there."""
        known = self._manifest()
        assert known is not None
        if not known.get("finished"):
            self._write({**known, "finished": True})

    @property
    def finished(self) -> bool:
        """Whether a run has written all parts."""
        known = self._manifest()
        return known is not None and bool(known.get("finished"))

    def _write(self, about: Mapping[str, Any]) -> None:
        text = json.dumps({"format": _FORMAT, **about}, indent=1) + "\n"
        write_text_atomic(self.path / _MANIFEST, text)

    def _manifest(self) -> dict[str, Any] | None:
        file = self.path / _MANIFEST
        if not file.exists():
            return None
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if found["format"] != _FORMAT:
                raise InputError("it is another file")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{file} cannot be read ({reason(error)}); give another folder, or delete this one."
            ) from error
        return {name: value for name, value in found.items() if name != "format"}

    def _check_same(self, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        for name, value in wanted.items():
            if known.get(name) != value:
                here, there = _difference(value, known.get(name))
                raise InputError(
                    f"{self.path} was begun with another {name} ({there}, and now {here}); give "
                    "another folder, or delete this one."
                )


def _difference(here: Any, there: Any) -> tuple[str, str]:
    """Return the first difference of two values in words."""
    if isinstance(here, dict) and isinstance(there, dict):
        for name in {**here, **there}:
            if here.get(name) != there.get(name):
                return f"{name}={here.get(name)!r}", f"{name}={there.get(name)!r}"
    return _short(here), _short(there)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check_empty(folder: Path) -> None:
    """Refuse to write among other files."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({reason(error)}).") from error
    others = [name for name in names if not is_temporary(name)]
    if others:
        raise InputError(
            f"{folder} is not empty ({sorted(others)[0]}); give a new folder for the completed "
            "table."
        )
