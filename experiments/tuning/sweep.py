"""The declaration of a sweep, in TOML: the model, the settings to search over, and the table."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.errors import InputError
from ..declared import (
    NUMBER,
    Kinds,
    check_amputation,
    check_keys,
    check_kind,
    check_method,
    check_table,
    fit_options,
    model_options,
)

FOLDER = Path(__file__).resolve().parent.parent / "sweeps"
_SWEEP: dict[str, Kinds] = {
    "title": (str,),
    "trials": (int,),
    "seed": (int,),
    "rows": (int,),
    "prune": (bool,),
    "file": (str,),
    "table": (dict,),
    "amputation": (dict,),
    "method": (dict,),
    "search": (dict,),
}
_METHOD: dict[str, Kinds] = {
    "kind": (str,),
    "model": (dict,),
    "fit": (dict,),
    "impute": (dict,),
    "scale": (str,),
}
_RANGE: dict[str, Kinds] = {"low": NUMBER, "high": NUMBER, "log": (bool,), "choice": (list,)}


@dataclass(frozen=True)
class Sweep:
    """A sweep: a model, the settings to search over, and the table to fit it to.

    ``search`` maps ``"model.NAME"`` or ``"fit.NAME"`` to ``{low, high}`` (with ``log = true`` for a
    logarithmic scale; whole numbers if both ends are whole) or to ``{choice = [...]}``. A fifth of
    the rows is held out, whatever the method's ``fit`` says. Pruning saves time, but importances
    are then estimated from the better trials only: give ``prune = false`` for importances.
    """

    name: str
    title: str
    configuration: Mapping[str, Any]
    search: Mapping[str, Mapping[str, Any]]
    trials: int = 30
    seed: int = 0
    file: str | None = None
    prune: bool = True

    @classmethod
    def named(cls, name: str) -> Sweep:
        """Read a sweep that comes with the package, or a file NAME.toml.

        The table is either a file, ``file = "TABLE.csv"``, at the top or in ``[table]``, with a
        path relative to the TOML file; or a complete table by name, of which ``[amputation]``
        hides values.

        Raises:
            InputError: if there is no such sweep, or if the file is wrong; names the key.
        """
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        known = sorted(p.stem for p in FOLDER.glob("*.toml"))
        if not path.is_file():
            raise InputError(
                f"there is no sweep '{name}'; choose from {', '.join(known)}, or give a file "
                f"NAME.toml"
            )
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not TOML: {error}") from None
        where = path.name
        check_keys(where, document, _SWEEP, ("title", "method", "search"))
        for key in ("trials", "rows"):
            if document.get(key, 1) < 1:
                raise InputError(f"{where}: '{key}' is {document[key]}; give at least 1")
        file, table = _table(path, document)
        method = document["method"]
        check_keys(f"{where}, [method]", method, _METHOD, ("kind",))
        check_method(f"{where}, [method]", method)
        scale = method.get("scale", "observed")
        if scale not in ("complete", "observed"):
            raise InputError(f"{where}, [method]: scale is '{scale}'; give complete or observed")
        if not document["search"]:
            raise InputError(
                f"{where}: [search] is empty; give at least one setting to search over"
            )
        for key, range_ in document["search"].items():
            _check_range(f"{where}, search '{key}'", key, range_, method["kind"])
        hidden = dict(document.get("amputation", {"name": "above_mean"}))
        arguments = {k: v for k, v in hidden.items() if k != "name"}
        check_amputation(f"{where}, [amputation]", hidden.get("name"), arguments)
        configuration = {
            "table": table,
            "amputation": hidden,
            "kind": method["kind"],
            "model": method.get("model", {}),
            "fit": method.get("fit", {}),
            "impute": method.get("impute", {}),
            "choose": {},
            "scale": scale,
            "rows": document.get("rows"),
            "seed": document.get("seed", 0),
        }
        return cls(
            path.stem,
            document["title"],
            configuration,
            document["search"],
            document.get("trials", 30),
            document.get("seed", 0),
            file,
            document.get("prune", True),
        )

    def made_of(self) -> dict[str, Any]:
        """Return all that the bounds of trials depend on, by name: the settings and the table.

        Raises:
            OSError: if the table cannot be read.
        """
        found = {"search": self.search, "seed": self.seed}
        found |= {f"[{part}]": value for part, value in self.configuration.items()}
        if self.file is not None:
            found["content of the table"] = hashlib.sha256(Path(self.file).read_bytes()).hexdigest()
        plain: dict[str, Any] = json.loads(json.dumps(found))
        return plain


def _table(path: Path, document: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the file of the table, or the description of the complete table."""
    where, table = path.name, dict(document.get("table", {}))
    if ("file" in document) == ("table" in document):
        raise InputError(f"{where}: give either file = 'TABLE.csv' or [table], and not both")
    file = document.get("file", table.get("file"))
    if file is not None:
        check_keys(f"{where}, [table]", table, {"file": (str,)})
        if "amputation" in document:
            raise InputError(
                f"{where}: [amputation] hides values of complete tables, not of a file; drop it"
            )
        if "rows" in document:
            raise InputError(f"{where}: 'rows' applies to complete tables, not to a file; drop it")
        beside = path.parent / file
        if not beside.is_file():
            raise InputError(
                f"{where}: there is no file '{beside}'; give a path relative to {path.parent}"
            )
        return str(beside), {"make": "real", "name": "file"}
    check_keys(f"{where}, [table]", table, None, ("name",))
    check_kind(f"{where}, [table]: 'name'", table["name"], (str,))
    table = {"make": "real", **table}
    arguments = {k: v for k, v in table.items() if k not in ("name", "make")}
    check_table(f"{where}, [table]", table["name"], table["make"], arguments)
    return None, table


def _check_range(where: str, key: str, found: Any, kind: str) -> None:
    """Check the range of a setting: numbers from low to high, or a list of choices."""
    part, _, name = key.partition(".")
    options = {"model": model_options("complete", kind), "fit": fit_options()}
    if part not in options:
        raise InputError(f"{where} is neither 'model.NAME' nor 'fit.NAME'; give one of these")
    if name not in options[part]:
        raise InputError(f"{where}: '{name}' is not one of {', '.join(options[part])}")
    check_keys(where, found, _RANGE)
    kinds = options[part][name]
    if "choice" in found:
        if len(found) > 1 or not found["choice"]:
            raise InputError(
                f"{where}: give choice = [...] with at least one value, and nothing beside it"
            )
        for value in found["choice"]:
            check_kind(f"{where}: a choice", value, kinds or (type(value),))
        return
    if not {"low", "high"} <= set(found) or not found["low"] < found["high"]:
        raise InputError(f"{where}: give low and high, with low below high, or choice = [...]")
    if found.get("log") and not found["low"] > 0:
        raise InputError(
            f"{where}: low is {found['low']}; a logarithmic scale needs a positive one"
        )
    for end in ("low", "high"):
        check_kind(f"{where}: '{end}'", found[end], kinds or NUMBER)
