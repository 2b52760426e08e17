"""The figure of an experiment, from the results in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...data.errors import InputError
from ...data.system.files import write_figure_atomic
from ...inference.plots.pictures import plot_pictures
from ...inference.plots.planes import MissingGrid, Plane, plot_planes
from ...inference.plots.ratios import RatioCell, plot_ratios
from ...inference.plots.scores import Score, plot_scores
from ..tasks.mechanisms import ratios
from ..tasks.tables import hidden_table
from .cells import plan
from .pictures import MAPS, lines_of
from .report import Report, results
from .spec import Spec

_RUN = "run absentia reproduce"


def draw(spec: Spec, budget: str, folder: Path, path: Path, score: str | None = None) -> None:
    """Draw the results: planes of two columns, completed pictures, ratios by mechanism, or scores.

    Args:
        spec: the experiment.
        budget: one of its budgets.
        folder: the folder of the results.
        path: the PNG file to write.
        score: the score to draw, also for pictures; the spec's own when left out.

    Raises:
        InputError: if there is no result to draw, or no such score.
        FileError: if the file cannot be written.
    """
    if spec.task == "mechanisms":
        write_figure_atomic(path, _of_mechanisms(spec, budget, folder, score))
        return
    planes = _with("plane", spec, budget, folder)
    pictures = _with("pictures", spec, budget, folder)
    if planes:
        figure = plot_planes(_planes(planes))
    elif pictures and score is None:
        figure = plot_pictures(lines_of(pictures), MAPS)
    else:
        figure = _of_scores(Report.of(spec, budget, folder, score))
    write_figure_atomic(path, figure)


def _of_mechanisms(spec: Spec, budget: str, folder: Path, score: str | None) -> Figure:
    read = [(cell.method, cell.column, found) for cell, found in results(spec, budget, folder)]
    cells = [(method, column, found) for method, column, found in read if found is not None]
    found = ratios(cells, score or spec.score)
    if not found:
        raise InputError(f"there is no result of {spec.name} to draw; {_RUN} {spec.name}")
    shown = [RatioCell(one.method, one.scenario, one.mean, one.worst) for one in found]
    methods = [method.name for method in spec.methods if method.name in {m for m, *_ in shown}]
    scenarios = [one.name for one in spec.scenarios if one.name in {s for _, s, *_ in shown}]
    return plot_ratios(shown, methods, scenarios, f"{score or spec.score} / that of the best peer")


def _with(what: str, spec: Spec, budget: str, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Collect the names and results of the first seed's cells whose result has a part ``what``."""
    found = []
    for cell in plan(spec, budget):
        result = cell.result(folder) if cell.configuration["seed"] == 0 else None
        if result is not None and what in result:
            several = len(spec.columns) > 1
            found.append((cell.method + f", {cell.column}" * several, result))
    return found


def _planes(found: list[tuple[str, dict[str, Any]]]) -> list[Plane]:
    planes = []
    for name, result in found:
        hidden = hidden_table(result["configuration"])
        learnt = result["plane"].get("mechanism")
        grid = None
        if learnt is not None:
            grid = MissingGrid(**{key: np.asarray(value) for key, value in learnt.items()})
        title = f"{name}\nRMSE {result['metrics']['rmse']:.3f}"
        incomplete, points = np.any(hidden.missing, axis=1), np.asarray(result["plane"]["points"])
        planes.append(Plane(title, hidden.truth, incomplete, points, grid))
    return planes


def _of_scores(report: Report) -> Figure:
    scores = [
        Score(
            one.method,
            one.column,
            one.mean,
            one.error,
            None if one.published is None else one.published[0],
        )
        for one in report.entries
        if one.mean is not None or one.published is not None
    ]
    if not scores:
        raise InputError(
            f"there is no result of {report.spec.name} to draw; {_RUN} {report.spec.name}"
        )
    drawn = {score.method for score in scores}
    methods = [method.name for method in report.spec.methods if method.name in drawn]
    return plot_scores(scores, methods, report.spec.columns, report.score)
