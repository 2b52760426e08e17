"""Plots of the check of cells: histograms of transforms, and how many values intervals hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binom

from ..checks.cells import CellCheck
from .names import TITLE, shorts
from .style import OBSERVED, QUIET, panels, plain, shown

#: columns in one figure, each with two panels
_MOST = 6


def plot_cell_check(found: CellCheck, columns: Sequence[str] | None = None) -> Figure:
    """Plot, for each column, the histogram of its transform and a curve of reliability.

    Bars are the share of seen values, weighted with their odds of being missing, in each tenth of
    their predictions; a slope of them means that values lie above or below, a bowl that predictions
    are too narrow, and a hump that they are too wide. The curve shows how many of these values
    central intervals of each level hold; below the diagonal intervals are too short. Grey are the
    bands in which 99 % of bars and points would be, were the model right; dashed is what they would
    be on average.

    Args:
        found: from :func:`absentia.check.check_cells`.
        columns: which; the six that fit worst when left out.

    Raises:
        ValueError: there is no column of a name.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[::3, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, progress=False)
    >>> checked = ab.check.check_cells(ab.impute(fitted, data))
    >>> len(ab.plots.plot_cell_check(checked).axes)
    2
    """
    p_values = found.columns["p_value"].astype(float)
    of = list(found.pit.index)
    names, left_out = shown(of, columns, [-p_values[name] for name in of], _MOST, "worst fitting")
    titles = dict(zip(names, shorts(names, TITLE), strict=True))
    figure, axes = panels(2 * len(names), across=4 if len(names) > 1 else 2, size=(3.4, 2.8))
    for k, name in enumerate(names):
        bars, curve = axes[2 * k], axes[2 * k + 1]
        size = max(int(found.columns["effective"][name]), 1)
        share = found.pit.loc[name].to_numpy()
        parts = len(share)
        low, high = binom.interval(0.99, size, 1 / parts)
        bars.axhspan(low / size, high / size, color=QUIET, alpha=0.25, lw=0, zorder=0)
        bars.axhline(1 / parts, color=QUIET, ls="--", lw=1, zorder=3)
        bars.bar((np.arange(parts) + 0.5) / parts, share, 0.95 / parts, color=OBSERVED)
        bars.set(xlim=(0, 1), ylim=(0, 1.15 * max(share.max(), high / size)))
        p_value = "p < .001" if p_values[name] < 0.001 else f"p = {p_values[name]:.2g}"
        plain(bars, f"{titles[name]}, {p_value}", "place in the prediction", "share")
        held = found.reliability.loc[name]
        levels = held.index.to_numpy(float)
        edges = np.array([binom.interval(0.99, size, level) for level in levels]) / size
        curve.fill_between(levels, edges[:, 0], edges[:, 1], color=QUIET, alpha=0.25, lw=0)
        curve.plot([0, 1], [0, 1], color=QUIET, ls="--", lw=1)
        curve.plot(levels, held.to_numpy(), color=OBSERVED)
        curve.set(xlim=(0, 1), ylim=(0, 1.02))
        plain(curve, "", "level of the interval", "share inside")
    figure.suptitle(left_out, fontsize=10)
    return figure
