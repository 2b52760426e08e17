"""The TOML file of ``absentia fit``: a table, a model and settings of a fit, checked at once."""

from __future__ import annotations

import glob
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..data.arguments import names_of, nearest
from ..data.errors import FileError, InputError
from ..data.scan import scan
from ..inference.fitting.settings import NOT_OF_SWEEPS, FitSettings
from ..models import NotMIWAEPPCA, RowModel
from ..models.zoo.chosen import BUILDERS, chosen_for
from ..models.zoo.mechanism_names import USUAL
from .choices import ModelName

_TABLES = ("read", "model", "fit")
#: arguments of the functions that the file cannot or need not give
_NOT_OF_THE_FILE = {"where", "progress", "like", "dtype", "data", "seed"}


@dataclass(frozen=True)
class FitFile:
    """What the file of ``absentia fit`` says.

    Attributes:
        path: the file.
        table: the files of the table: a file, a folder, a pattern, or several of them.
        save: the folder in which the fitted model is saved.
        checkpoint: the file that keeps the state of the fit, or None.
        rows_in_memory: the number of rows that are read at once.
        seed: the seed of all random numbers.
        read: arguments of :func:`absentia.scan`.
        model: the name of the model.
        options: arguments of the model's builder.
        settings: fields of :class:`~absentia.inference.FitSettings`.
    """

    path: Path
    table: list[str]
    save: Path
    checkpoint: Path | None = None
    rows_in_memory: int = 50_000
    seed: int = 0
    read: Mapping[str, Any] = field(default_factory=dict)
    model: ModelName = ModelName.auto
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> FitFile:
        """Read a file, in which paths are relative to the file's folder.

        Raises:
            FileError: the file cannot be read, or is not TOML.
            InputError: a key is unknown or lacking, or a value is not allowed; names the key.
        """
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FileError(f"cannot read '{path}': {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FileError(f"{path} is not a TOML file: {error}") from error
        own = [one.name for one in fields(cls) if one.name not in ("path", "options", "settings")]
        _check_keys(f"{path}", found, {*own, "fit"})
        for name in ("table", "save"):
            if name not in found:
                raise InputError(f"{path} has no '{name}'; add it: {name} = \"...\"")
        for name in _TABLES:
            if not isinstance(found.get(name, {}), dict):
                raise InputError(f"{path}: '{name}' is {found[name]!r}; write it as [{name}]")
        model = dict(found.get("model", {}))
        read, settings = dict(found.get("read", {})), dict(found.get("fit", {}))
        kind = _model_of(path, model.pop("name", ModelName.auto.value))
        _check_keys(f"{path}, [read]", read, {*names_of(scan)} - _NOT_OF_THE_FILE)
        # whatever the table decides, the linear model takes what the other takes
        builder = BUILDERS.get(kind.value, NotMIWAEPPCA)
        allowed = {*names_of(builder)} - _NOT_OF_THE_FILE
        _check_keys(f"{path}, [model]", model, allowed)
        of_fits = {one.name for one in fields(FitSettings)} - {"seed"}
        _check_keys(f"{path}, [fit]", settings, of_fits)
        seed = _whole(path, "seed", found.get("seed", 0), 0)
        try:
            FitSettings(**settings, seed=seed)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}, [fit]: {error}") from None
        folder = path.resolve().parent
        checkpoint = None
        if "checkpoint" in found:
            checkpoint = folder / _text(path, "checkpoint", found["checkpoint"])
        return cls(
            path=path,
            table=[_inside(folder, one) for one in _texts(path, "table", found["table"])],
            save=folder / _text(path, "save", found["save"]),
            checkpoint=checkpoint,
            rows_in_memory=_whole(path, "rows_in_memory", found.get("rows_in_memory", 50_000), 1),
            seed=seed,
            read=read,
            model=kind,
            options=model,
            settings=settings,
        )

    def build(self, data: Any) -> RowModel:
        """Make the model for some rows of the table."""
        return self._builder(data)(data, **self.options, seed=self.seed)

    def _builder(self, data: Any) -> Callable[..., RowModel]:
        if self.model is not ModelName.auto:
            return BUILDERS[self.model.value]
        said = [self.options.get(name) for name in ("sign", "slope_prior")]
        serves = {*self.options} <= {*names_of(BUILDERS[ModelName.not_miwae_mixture.value])}
        swept = self.settings.get("optimiser", "auto") in ("auto", "gibbs")
        swept = swept and not {*self.settings} & {*NOT_OF_SWEEPS}
        why = self.options.get("missingness", USUAL)
        return chosen_for(data, why, said[0], said[1] or "weak", serves and swept)


def _model_of(path: Path, name: Any) -> ModelName:
    if name not in [one.value for one in ModelName]:
        known = ", ".join(one.value for one in ModelName)
        raise InputError(f"{path}, [model]: name is {name!r}; give one of {known}")
    return ModelName(name)


def _check_keys(where: str, found: Mapping[str, Any], known: set[str]) -> None:
    for name in found:
        if name not in known:
            raise InputError(
                f"{where}: '{name}' is not one of {', '.join(sorted(known))}{nearest(name, known)}"
            )


def _inside(folder: Path, pattern: str) -> str:
    """Return a path or pattern relative to a folder, whose own name is no pattern."""
    plain = folder / pattern
    return str(plain) if plain.exists() else str(Path(glob.escape(str(folder))) / pattern)


def _text(path: Path, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{path}: '{name}' is {value!r}; give a path in quotation marks")
    return value


def _texts(path: Path, name: str, value: Any) -> list[str]:
    several = value if isinstance(value, list) and value else [value]
    return [_text(path, name, one) for one in several]


def _whole(path: Path, name: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{path}: '{name}' is {value!r}; give a whole number of at least {least}")
    return value
