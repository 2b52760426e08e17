"""The plot of an experiment's scores, with the published figures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from .style import MECHANISM, TRUE


class Score(NamedTuple):
    """The score of one method under one heading.

    Attributes:
        method: the method's name.
        column: the heading of its panel.
        mean: over the seeds; None where there is no result.
        error: the standard error of the mean; None for a single seed.
        published: the published figure; None where there is none.
    """

    method: str
    column: str
    mean: float | None
    error: float | None
    published: float | None


def plot_scores(
    scores: Sequence[Score], methods: Sequence[str], columns: Sequence[str], label: str
) -> Figure:
    """Plot a panel per heading: every method's mean, standard error and published figure.

    Args:
        scores: the scores to draw.
        methods: the names of the methods, from top to bottom.
        columns: the headings, from left to right.
        label: the name of the score.
    """
    figure = Figure(
        figsize=(2.2 + 2.1 * len(columns), 1.2 + 0.27 * len(methods)), layout="constrained"
    )
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, column in zip(axes, columns, strict=True):
        for score in scores:
            if score.column != column:
                continue
            place = len(methods) - methods.index(score.method)
            if score.mean is not None:
                panel.errorbar(
                    score.mean, place, xerr=score.error or 0.0, fmt="o", color=MECHANISM, ms=4
                )
            if score.published is not None:
                panel.plot(score.published, place, "|", color=TRUE, ms=10)
        panel.set_title(column, fontsize=10)
        panel.set_xlabel(label)
        panel.grid(axis="y", alpha=0.25)
    axes[0].set_yticks(range(1, len(methods) + 1), methods[::-1])
    axes[0].plot([], [], "o", color=MECHANISM, ms=4, label="ours, standard error over seeds")
    axes[0].plot([], [], "|", color=TRUE, ms=10, ls="", label="published")
    figure.legend(loc="outside lower center", ncol=2, frameon=False)
    return figure
