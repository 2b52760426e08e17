"""Plots of diagnostics: weights, the course of a fit, ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binom

from ..checks import Calibration
from ..diagnostics import khat_threshold
from ..fitting.result import FitResult
from ..imputing.imputation import Imputation
from .names import TITLE, shorts
from .style import IMPUTED, MECHANISM, OBSERVED, QUIET, panels, plain, shown


def plot_reliability(imputation: Imputation) -> Figure:
    """Plot Pareto k-hat and effective sample size of every row, in the table's order.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=20, progress=False)
    >>> imputation = ab.impute(fitted, data, particles=50)
    >>> len(ab.plots.plot_reliability(imputation).axes)
    2
    """
    figure, (left, right) = panels(2)
    incomplete = ~imputation.data.s.cpu().numpy().all(1)
    rows = np.flatnonzero(incomplete)
    threshold = khat_threshold(imputation.particles)
    khat = np.maximum(imputation.khat[rows], -0.5)  # equal weights have k-hat minus infinity
    bad = ~imputation.reliable[rows]  # each by the threshold of its own number of particles
    left.scatter(rows[~bad], khat[~bad], s=8, color=OBSERVED)
    left.scatter(rows[bad], khat[bad], s=14, color=MECHANISM, marker="x",
                 label="uneven" if bad.any() else None)  # fmt: skip
    left.axhline(threshold, color=QUIET, ls="--", lw=1, label=f"threshold {threshold:.2f}")
    left.legend(frameon=True, edgecolor="none", framealpha=0.9, fontsize=8)
    plain(
        left,
        f"weights good in {100 * imputation.reliable.mean():.1f} % of rows",
        "row",
        "k-hat",
    )
    share = imputation.ess[rows] / imputation.row_particles[rows]
    right.hist(100 * share, bins=np.linspace(0, 100, 41).tolist(), color=OBSERVED)
    plain(right, "effective sample size", "% of the particles", "rows")
    return figure


def plot_history(fitted: FitResult) -> Figure:
    """Plot the bound in the course of a fit, in training and on held-out rows.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(30, 2)))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=40, progress=False)
    >>> ab.plots.plot_history(fitted).axes[0].get_xlabel()
    'step'
    """
    figure, (panel,) = panels(1, size=(6.0, 3.4))
    history = fitted.history
    panel.plot(history["step"], history["train_bound"], color=OBSERVED, label="training")
    if history["validation_bound"].notna().any():
        panel.plot(history["step"], history["validation_bound"], color=IMPUTED, label="held out")
        panel.axvline(fitted.best_step, color=QUIET, ls="--", lw=1, label="kept")
    # the first evaluations are so low that they would flatten the rest of the curve
    bounds = history[["train_bound", "validation_bound"]].to_numpy(float)
    late = bounds[len(bounds) // 4 :]
    low, high = np.nanmin(late), np.nanmax(bounds)
    room = max(0.25 * (high - low), 1e-3)
    panel.set_ylim(low - room, high + room)
    panel.legend(frameon=False, fontsize=8)
    plain(panel, "bound on log p(x_o, s)", "step", "nats per row")
    return figure


def plot_calibration(found: Calibration, columns: Sequence[str] | None = None) -> Figure:
    """Plot histograms of ranks, with the band that contains 99 % of uniform ranks.

    Of more than twelve the first are drawn, and a line above says so.

    Args:
        columns: which; all when left out.

    Raises:
        ValueError: there are no ranks of this name.

    >>> import numpy as np
    >>> import absentia as ab
    >>> ranks = np.random.default_rng(0).integers(0, 100, size=1000)
    >>> from absentia.inference import Calibration
    >>> len(ab.plots.plot_calibration(Calibration({"x": ranks}, 99, 10)).axes)
    1
    """
    names, left_out = shown(list(found.ranks), columns)
    figure, axes = panels(len(names))
    table = found.table
    for panel, name, written in zip(axes, names, shorts(names, TITLE), strict=True):
        counts = found.counts(name)
        panel.bar(np.arange(found.bins) + 0.5, counts, 0.95, color=OBSERVED)
        low, high = binom.interval(0.99, counts.sum(), 1 / found.bins)
        panel.axhspan(low, high, color=QUIET, alpha=0.25, lw=0)
        edges = np.linspace(0, found.bins, 3)
        panel.set_xticks(edges, [f"{edge * (found.draws + 1) / found.bins:.0f}" for edge in edges])
        p_value = float(table["p_value"][name])
        plain(panel, f"{written}, p = {p_value:.2g}", "rank of the truth", "simulations")
    figure.suptitle(left_out, fontsize=10)
    return figure
