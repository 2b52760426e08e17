"""Figures of imputations and of learnt mechanisms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..data.system.files import write_figure_atomic
from ..inference import FitResult, Imputation
from ..inference.plots.mechanism import mechanism_curve
from ..inference.plots.style import IMPUTED, MECHANISM, OBSERVED, TRUE


def imputed_columns(
    path: Path,
    fitted: FitResult,
    imputation: Imputation,
    truth: np.ndarray,
    columns: list[int],
    true_missing: Any,
) -> None:
    """Draw observed, true and imputed values of some columns, with P(missing | value) above.

    Args:
        truth: the complete table (n, p), in the data's units.
        columns: which columns to draw, one panel each.
        true_missing: (column, values) -> the true P(missing | value).
    """
    data = imputation.data
    missing = np.isnan(data.values)
    draws = imputation.draws(50)
    across = (len(columns) + 1) // 2
    figure = Figure(figsize=(4.6 * across, 7))
    axes = figure.subplots(2, across, squeeze=False)
    for panel, j in zip(axes.flat, columns, strict=False):
        hidden = missing[:, j]
        _histograms(panel, data.values[~hidden, j], truth[hidden, j], draws[:, hidden, j].ravel())
        panel.set_title(data.columns[j])
        panel.set_ylabel("rows")
        twin = panel.twinx()
        values = np.linspace(truth[:, j].min(), truth[:, j].max(), 400)
        twin.plot(values, true_missing(j, values), color=TRUE, ls=":", lw=1.5)
        twin.plot(values, mechanism_curve(fitted.model, data, j, values), color=MECHANISM, lw=2)
        twin.set_ylim(-0.02, 1.02)
        twin.set_ylabel("P(missing | value)", color=MECHANISM)
    for panel in axes.flat[len(columns) :]:
        panel.set_visible(False)
    axes.flat[0].plot([], [], color=MECHANISM, lw=2, label="learned P(missing)")
    axes.flat[0].plot([], [], color=TRUE, ls=":", lw=1.5, label="true P(missing)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=5, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    write_figure_atomic(path, figure)


def _histograms(panel: Axes, observed: np.ndarray, hidden: np.ndarray, draws: np.ndarray) -> None:
    span = np.concatenate([observed, hidden])
    bins = np.linspace(span.min(), span.max(), 45).tolist()
    panel.hist(observed, bins=bins, color=OBSERVED, label="observed")
    # draws outside the range of the truth are counted at its ends, not left out
    weight = np.full(draws.shape, len(hidden) / len(draws))
    panel.hist(
        np.clip(draws, bins[0], bins[-1]),
        bins=bins,
        weights=weight,
        color=IMPUTED,
        alpha=0.75,
        label="imputed (draws)",
    )
    panel.hist(
        hidden, bins=bins, histtype="step", color=TRUE, lw=1.5, label="true values of the missing"
    )
