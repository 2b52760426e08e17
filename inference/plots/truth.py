"""The plot of imputed values beside the true ones, where an experiment knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..fitting.result import FitResult
from ..imputing.imputation import Imputation
from .mechanism import mechanism_curve
from .style import IMPUTED, MECHANISM, OBSERVED, TRUE

_DRAWS = 50


def plot_beside_truth(
    fitted: FitResult,
    imputation: Imputation,
    truth: np.ndarray,
    columns: Sequence[int],
    true_missing: Callable[[int, np.ndarray], np.ndarray],
) -> Figure:
    """Plot observed, true and imputed values of some columns, with P(missing | value) above.

    Args:
        fitted: the fit, whose learnt mechanism is drawn.
        imputation: the imputation of the table, with at least 50 draws.
        truth: the complete table (n, p), in the data's units.
        columns: the positions of the columns to draw, one panel each.
        true_missing: the true P(missing | value), called with a column's position and values.
    """
    data = imputation.data
    missing = np.isnan(data.values)
    draws = imputation.draws(_DRAWS)
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
    return figure


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
