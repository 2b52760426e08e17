"""The cells of an experiment: each is one table, amputation, method and seed, with one result."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...data.errors import InputError
from .spec import Method, Scenario, Spec, Table

Named = TypeVar("Named", Table, Scenario, Method)
#: the most characters of a name; the name of a file is made of three names and a seed
_LONGEST = 60


@dataclass(frozen=True)
class Cell:
    """The configuration of one run, as plain data.

    Attributes:
        name: the name of the cell, and of the file of its result.
        method: the name of the method.
        column: the heading of the result in the table of results.
        configuration: all that the result depends on.
    """

    name: str
    method: str
    column: str
    configuration: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Hash the configuration, so that only a result of the same configuration is reused."""
        text = json.dumps(self.configuration, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def path(self, folder: Path) -> Path:
        """Return the path of the result in a folder."""
        return folder / f"{self.name}.json"

    def result(self, folder: Path) -> dict[str, Any] | None:
        """Read the result in a folder; None unless there is one of exactly this configuration."""
        try:
            found: dict[str, Any] = json.loads(self.path(folder).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        return found if found.get("digest") == self.digest else None


def plan(spec: Spec, budget: str) -> list[Cell]:
    """List all cells, seed by seed, so that an interrupted run has complete tables of few seeds.

    Raises:
        InputError: if the spec has no such budget.
    """
    if budget not in spec.budgets:
        raise InputError(
            f"{spec.name} has no budget '{budget}'; choose from {', '.join(spec.budgets)}"
        )
    allowed = spec.budgets[budget]
    of_table = file_names([table.name for table in spec.tables])
    of_scenario = file_names([scenario.name for scenario in spec.scenarios])
    of_method = file_names([method.name for method in spec.methods_run])
    tables = _allowed(spec.tables, allowed.get("tables"))
    scenarios = _allowed(spec.scenarios, allowed.get("scenarios"))
    methods = _allowed(spec.methods_run, allowed.get("methods"))
    cells = []
    for seed in range(int(allowed["seeds"])):
        for table in tables:
            for scenario in scenarios:
                for method in methods:
                    if method.tables and table.name not in method.tables:
                        continue
                    if method.scenarios and scenario.name not in method.scenarios:
                        continue
                    configuration = {
                        "table": {"name": table.name, "make": table.make, **table.arguments},
                        "amputation": {"name": scenario.amputation, **scenario.arguments},
                        "kind": method.kind,
                        "model": dict(method.model),
                        "fit": {**method.fit, **allowed.get("fit", {})},
                        "impute": {**method.impute, **allowed.get("impute", {})},
                        "choose": dict(method.choose),
                        "scale": method.scale,
                        "rows": allowed.get("rows"),
                        "seed": seed,
                    }
                    if spec.task != "complete":
                        configuration["task"] = spec.task
                    parts = [of_table[table.name], of_scenario[scenario.name]]
                    parts += [of_method[method.name], str(seed)]
                    if len(spec.scenarios) == 1:
                        del parts[1]
                    column = spec.column(table.name, scenario.name)
                    cells.append(Cell("--".join(parts), method.name, column, configuration))
    return cells


def _allowed(things: Sequence[Named], names: Sequence[str] | None) -> list[Named]:
    """Return the things that a budget names, in the order of the experiment."""
    return [thing for thing in things if names is None or thing.name in names]


def file_names(names: Sequence[str]) -> dict[str, str]:
    """Return a unique file name for each name, in ASCII and lower case.

    A hash is appended to a name that would lose something essential: one that has letters of other
    alphabets, begins with a dot, is very long, or would equal an earlier one.

    >>> from absentia.experiments.runner.cells import file_names
    >>> list(file_names(["PPCA, limit", "not-MIWAE"]).values())
    ['ppca-limit', 'not-miwae']
    >>> len(set(file_names(["self", "Self", "均值", "中位数", ".ring"]).values()))
    5
    """
    found: dict[str, str] = {}
    for name in names:
        slug = re.sub(r"[^a-z0-9.]+", "-", name.lower().replace("+", "plus")).strip("-")
        foreign = any(c.isalnum() and not c.isascii() for c in name)
        if foreign or not slug or slug.startswith(".") or len(slug) > _LONGEST:
            slug = _hashed(slug, name)
        found[name] = _hashed(slug, name) if slug in found.values() else slug
    return found


def _hashed(slug: str, name: str) -> str:
    """Append a hash of the name to what is left of it."""
    start = slug[:_LONGEST].strip(".-")
    return f"{start}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("-")
