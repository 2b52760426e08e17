"""The cells of an experiment: one table, one amputation, one method, one seed; one JSON each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .spec import Spec


@dataclass(frozen=True)
class Cell:
    """What is run, as plain data, under which name its result stands, and where in the table."""

    name: str
    method: str
    column: str
    configuration: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Of the configuration: a result of another one is not this cell's."""
        text = json.dumps(self.configuration, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def path(self, folder: Path) -> Path:
        """Where the result stands in a folder."""
        return folder / f"{self.name}.json"

    def result(self, folder: Path) -> dict[str, Any] | None:
        """The result in the folder, None where there is none of this very configuration."""
        try:
            found: dict[str, Any] = json.loads(self.path(folder).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        return found if found.get("digest") == self.digest else None


def plan(spec: Spec, budget: str) -> list[Cell]:
    """All cells, seed by seed, so that a run that is cut short has whole tables of few seeds.

    Raises:
        ValueError: the spec has no such budget.
    """
    if budget not in spec.budgets:
        raise ValueError(
            f"{spec.name} has no budget '{budget}'; there are {', '.join(spec.budgets)}"
        )
    allowed = spec.budgets[budget]
    cells = []
    for seed in range(int(allowed["seeds"])):
        for table in spec.tables:
            for scenario in spec.scenarios:
                for method in spec.methods_run:
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
                    parts = [table.name, scenario.name, method.name, str(seed)]
                    if len(spec.scenarios) == 1:
                        del parts[1]
                    column = spec.column(table.name, scenario.name)
                    name = "--".join(map(_slug, parts))
                    cells.append(Cell(name, method.name, column, configuration))
    return cells


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower().replace("+", "plus")).strip("-")
