"""Figures of an experiment, drawn from the results in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data.errors import InputError
from ...data.system.files import write_figure_atomic
from ...inference.plots.style import IMPUTED, MECHANISM, OBSERVED, TRUE
from ..tasks.tables import hidden_table
from .cells import plan
from .pictures import of_pictures
from .report import Report
from .spec import Spec

_ACROSS = 5  # methods beside each other


def draw(spec: Spec, budget: str, folder: Path, path: Path, score: str | None = None) -> None:
    """Draw each method's plane for tables of two columns, and pictures for tables of pictures.

    Else, or where a score is given, the scores of all methods.

    Args:
        spec, budget, folder: as for :func:`run`.
        path: of the picture, PNG.
        score: of the second kind of figure; the spec's own when left out.

    Raises:
        ValueError: there is no result to draw, or no such score.
        OSError: the picture cannot be written.
    """
    planes = _with("plane", spec, budget, folder)
    pictures = _with("pictures", spec, budget, folder)
    if planes:
        figure = _of_planes(planes)
    elif pictures and score is None:
        figure = of_pictures(pictures)
    else:
        figure = _of_scores(Report.of(spec, budget, folder, score))
    write_figure_atomic(path, figure)


def _with(what: str, spec: Spec, budget: str, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Collect method, scenario and result of the first seed's cells that have such a figure."""
    found = []
    for cell in plan(spec, budget):
        result = cell.result(folder) if cell.configuration["seed"] == 0 else None
        if result is not None and what in result:
            several = len(spec.columns) > 1
            found.append((cell.method + f", {cell.column}" * several, result))
    return found


def _of_planes(planes: list[tuple[str, dict[str, Any]]]) -> Figure:
    """Draw the reconstructed points, and below them the learnt P(missing | x)."""
    across = min(_ACROSS, len(planes))
    bands = -(-len(planes) // across)
    figure = Figure(figsize=(3.1 * across, 5.6 * bands), layout="constrained")
    axes = figure.subplots(2 * bands, across, squeeze=False)
    for panel in axes.flat:
        panel.set_visible(False)
    for number, (name, result) in enumerate(planes):
        band, place = divmod(number, across)
        above, below = axes[2 * band, place], axes[2 * band + 1, place]
        hidden = hidden_table(result["configuration"])
        truth, rows = hidden.truth, np.any(hidden.missing, axis=1)
        above.set_visible(True)
        _points(above, truth, rows, np.asarray(result["plane"]["points"]))
        above.set_title(f"{name}\nRMSE {result['metrics']['rmse']:.3f}", fontsize=9)
        if result["plane"].get("mechanism") is not None:
            below.set_visible(True)
            _mechanism(below, result["plane"]["mechanism"], truth, rows)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=3, frameon=False)
    return figure


def _points(panel: Axes, truth: np.ndarray, rows: np.ndarray, points: np.ndarray) -> None:
    panel.scatter(truth[~rows, 0], truth[~rows, 1], s=2, color=OBSERVED, label="complete rows")
    panel.scatter(
        truth[rows, 0],
        truth[rows, 1],
        s=2,
        color=TRUE,
        alpha=0.35,
        label="rows with a missing value",
    )
    panel.scatter(points[:, 0], points[:, 1], s=3, color=IMPUTED, label="the same, as imputed")
    panel.set_xlabel("x0")
    panel.set_ylabel("x1")


def _mechanism(panel: Axes, mechanism: dict[str, Any], truth: np.ndarray, rows: np.ndarray) -> None:
    across, up = (np.asarray(mechanism[axis]) for axis in ("x0", "x1"))
    shown = panel.pcolormesh(
        across, up, np.asarray(mechanism["missing"]), vmin=0, vmax=1, cmap="cividis"
    )
    panel.scatter(truth[rows, 0], truth[rows, 1], s=1, color=MECHANISM, alpha=0.4)
    panel.set_xlabel("x0")
    panel.set_ylabel("x1")
    panel.figure.colorbar(shown, ax=panel, label="P(x0 missing | x)", shrink=0.8)


def _of_scores(report: Report) -> Figure:
    """Draw a panel per heading: every method's mean, standard error and published figure."""
    methods = [m.name for m in report.spec.methods]
    shown = [e for e in report.entries if e.mean is not None or e.published is not None]
    if not shown:
        raise InputError(f"no result of {report.spec.name} to draw")
    methods = [name for name in methods if any(e.method == name for e in shown)]
    columns = report.spec.columns
    figure = Figure(
        figsize=(2.2 + 2.1 * len(columns), 1.2 + 0.27 * len(methods)), layout="constrained"
    )
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, column in zip(axes, columns, strict=True):
        for entry in shown:
            if entry.column != column:
                continue
            place = len(methods) - methods.index(entry.method)
            if entry.mean is not None:
                panel.errorbar(
                    entry.mean, place, xerr=entry.error or 0.0, fmt="o", color=MECHANISM, ms=4
                )
            if entry.published is not None:
                panel.plot(entry.published[0], place, "|", color=TRUE, ms=10)
        panel.set_title(column, fontsize=10)
        panel.set_xlabel(report.score)
        panel.grid(axis="y", alpha=0.25)
    axes[0].set_yticks(range(1, len(methods) + 1), methods[::-1])
    axes[0].plot([], [], "o", color=MECHANISM, ms=4, label="ours, standard error over seeds")
    axes[0].plot([], [], "|", color=TRUE, ms=10, ls="", label="published")
    figure.legend(loc="outside lower center", ncol=2, frameon=False)
    return figure
