"""The head of the report: what was analysed, when, by what, and how to do it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..fitting.settings import FitSettings
from ..prepare import Fitted, fit_of, model_of

_PACKAGES = ("absentia", "torch", "pyro-ppl", "numpy", "arviz")


@dataclass(frozen=True)
class About:
    """What a report cannot read off the fit.

    Attributes:
        file: the file that the table was read from, if there is one.
        command: the command that wrote the report.
        further: further lines, by what they say.
        words: writes a text of this library in the reader's words, such as ``parameters="fixed"``
            as an option of the command.
    """

    file: Path | None = None
    command: str = ""
    further: Mapping[str, str] = field(default_factory=dict)
    words: Callable[[str], str] = str


def head_of(fitted: Fitted, about: About, seed: int) -> dict[str, str]:
    """Return the lines of the head, by what they say."""
    lines: dict[str, str] = {}
    if about.file is not None and about.file.is_file():
        lines["table"] = str(about.file)
        lines["SHA-256"] = hashlib.sha256(about.file.read_bytes()).hexdigest()
    lines["date"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines["version"] = ", ".join(versions())
    lines["model"] = repr(model_of(fitted))
    fit = fit_of(fitted)
    if fit is not None:
        changed = [
            f"{one.name}={getattr(fit.settings, one.name)!r}"
            for one in fields(FitSettings)
            if getattr(fit.settings, one.name) != one.default
        ]
        lines["seed of the fit"] = str(fit.settings.seed)
        lines["settings of the fit"] = ", ".join(changed) or "the defaults"
        lines["bound"] = f"{fit.bound:.4g} nats per row"
    lines["seed of the report"] = str(seed)
    lines |= about.further
    if about.command:
        lines["command"] = about.command
    return lines


def versions() -> list[str]:
    """Return the versions of the libraries that the numbers depend on."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # run from a folder that is not installed
            continue
    return found
