"""Plots of the mask: its pattern in the table, and in replicated tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data import IncompleteData
from ..checks import MaskCheck
from .names import shorts
from .patterns import missingness_figure
from .style import MECHANISM, OBSERVED, QUIET, panels, plain, shown

_MOST_RATES = 30


def plot_missingness(
    table: IncompleteData | pd.DataFrame, columns: Sequence[str] | None = None
) -> Figure:
    """Plot rates, patterns, and which columns are missing together.

    Of more than 30 columns the most missing are drawn, and the title says so.

    Args:
        columns: which; all when left out.

    Raises:
        ValueError: there is no such column.

    >>> import pandas as pd
    >>> import absentia as ab
    >>> frame = pd.DataFrame({"a": [1, None, None], "b": [1, None, 2]})
    >>> len(ab.plots.plot_missingness(frame).axes) > 3
    True
    """
    return missingness_figure(table, columns)


def plot_mask_check(check: MaskCheck, columns: Sequence[str] | None = None) -> Figure:
    """Plot the observed mask beside replicates: rates, tenths of other columns, calibration.

    Of the tenths those are drawn whose column of the two deviates most; of the rates of more than
    thirty columns the highest, and the title says so.

    Args:
        columns: whose rates and tenths; all when left out.

    Raises:
        ValueError: there is no such column.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows)
    >>> model = ab.NotMIWAEPPCA(data, sign="+")
    >>> len(ab.plots.plot_mask_check(ab.check.check_mask(model, data, replications=20)).axes)
    3
    """
    names, left_out = shown(
        list(check.rates.index), columns, check.rates["observed"].tolist(), _MOST_RATES
    )
    rates = check.rates.loc[names]
    written = shorts(list(rates.index))
    many = max(len(rates) - 10, 0)
    # long names below the left panel leave it as much height as short ones
    room = 0.08 * max(max(map(len, written), default=0) - 6, 0)
    count = 2 + bool(len(check.calibration))
    # and many names beside each other as much width as few
    figure, axes = panels(count, size=(4.2, 3.2 + room), first=1 + many / 24)
    left, middle = axes[:2]
    _beside(left, rates)
    left.set_xticks(range(len(rates)), written, rotation=60, ha="right", rotation_mode="anchor")
    left.tick_params(axis="x", labelsize=8 if many else 10)
    plain(left, "missing, by column", "", "share")
    figure.suptitle(left_out and f"rates: {left_out}", fontsize=10)
    deciles = check.deciles
    if columns is not None and len(deciles):
        deciles = deciles[deciles.index.get_level_values("missing").isin(names)]
    if len(deciles):
        pairs = deciles.groupby(level=["missing", "by"], sort=False)["p_value"].min()
        missing, by = pairs.index[int(pairs.to_numpy().argmin())]
        tenths = pd.DataFrame(deciles.xs((missing, by), level=["missing", "by"]))
        _beside(middle, tenths)
        middle.set_xticks(range(len(tenths)), tenths.index)
        names = sorted({*rates.index, missing, by})
        told = dict(zip(names, shorts(names, 28), strict=True))
        missing, by = told[missing], told[by]
        plain(middle, f"{missing} missing, by {by}", f"tenth of {by}, as observed", "share")
    for right in axes[2:]:
        right.plot([0, 1], [0, 1], color=QUIET, lw=1)
        right.plot(
            check.calibration["predicted"], check.calibration["missing"], "o-", color=OBSERVED
        )
        plain(right, "calibration", "P(missing), by the mechanism", "share that was missing")
    return figure


def _beside(panel: Axes, frame: pd.DataFrame) -> None:
    at = np.arange(len(frame))
    middle = frame["mean"].to_numpy()
    error = np.abs(np.stack([middle - frame["lower"], frame["upper"] - middle]))
    panel.errorbar(
        at, middle, yerr=error, fmt="none", color=QUIET, capsize=3, label="replicates, 90 %"
    )
    panel.plot(at, frame["observed"], "o", color=MECHANISM, ms=4, label="seen")
    panel.legend(frameon=True, edgecolor="none", framealpha=0.85, fontsize=8)
