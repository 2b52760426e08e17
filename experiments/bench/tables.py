"""Tables of what the benchmarks measured, drawn from the JSON files of their cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from .answers import MODELS
from .growth import SIZES
from .ours import OURS
from .peers import TABLES


def measured(name: str, results: Path) -> tuple[list[list[str]], int]:
    """Return the rows of a table of measurements, with its headings first, and the cells' number.

    Args:
        name: a key of ``DRAWN``, which is also the name of the folder.
        results: the folder that holds the folders of cells.
    """
    paths = sorted((results / name).glob("*.json"))
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return DRAWN[name](cells), len(cells)


def _peers(cells: Sequence[dict[str, Any]]) -> list[list[str]]:
    headings = ["method", *(f"{name}: RMSE | CPU s | MB" for name in TABLES)]
    methods = {cell["method"]: None for cell in cells}
    order = sorted(methods, key=lambda name: (name in OURS, name))
    rows = [[part for heading in headings for part in heading.split(" | ")]]
    for method in order:
        row = [method]
        for name in TABLES:
            those = [c for c in cells if c["method"] == method and c["table"] == name]
            row += [
                _spread([c["rmse"] for c in those], 3),
                _spread([c["cpu_seconds"] for c in those], 1),
                f"{max(c['megabytes'] for c in those):,}" if those else "",
            ]
        rows.append(row)
    return rows


def _answers(cells: Sequence[dict[str, Any]]) -> list[list[str]]:
    parts = (
        ("within .005 nats, CPU s", "cpu_seconds_within", 2),
        ("whole fit, CPU s", "cpu_seconds_fit", 2),
        ("imputation, CPU s", "cpu_seconds_impute", 2),
        ("bound", "bound", 3),
        ("RMSE", "rmse", 3),
    )
    rows = [["table", "model", *(heading for heading, _, _ in parts)]]
    for name in TABLES:
        for model in MODELS:
            those = [c for c in cells if c["table"] == name and c["model"] == model]
            if those:
                found = [_spread([c[key] for c in those], digits) for _, key, digits in parts]
                rows.append([name, model, *found])
    return rows


def _growth(cells: Sequence[dict[str, Any]]) -> list[list[str]]:
    rows = [
        ["rows", "columns", "fit, CPU s", "fit, MB", "impute, CPU s", "impute, MB", "iterations"]
    ]
    for size in SIZES:
        for cell in cells:
            if (cell["rows"], cell["columns"]) == size:
                spent = [
                    f"{cell[what][cost]:,.{digits}f}"
                    for what in ("fit", "impute")
                    for cost, digits in (("cpu_seconds", 1), ("megabytes", 0))
                ]
                found = [f"{size[0]:,}", f"{size[1]:,}", *spent, str(cell["iterations"])]
                rows.append(found)
    return rows


def _spread(values: Sequence[float], digits: int) -> str:
    """Write the mean, and from two values on its standard error."""
    if not values:
        return ""
    text = f"{mean(values):.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ± {stdev(values) / len(values) ** 0.5:.{digits}f}"


#: by the name of the folder, functions of the cells that return the rows of a table
DRAWN: dict[str, Callable[[Sequence[dict[str, Any]]], list[list[str]]]] = {
    "bench-peers": _peers,
    "bench-answers": _answers,
    "bench-growth": _growth,
}
