"""Plots of imputed values: a column's values, and one row's posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...data.errors import InputError
from ..imputing.imputation import Imputation
from .axis import value_axis
from .names import TITLE, short, shorts
from .style import IMPUTED, OBSERVED, QUIET, panels, plain, shown


def plot_imputed(imputation: Imputation, columns: Sequence[str] | None = None) -> Figure:
    """Plot observed and imputed values of each incomplete column, as densities.

    Of more than twelve columns the most missing are drawn, and a line above says so.

    The two need not be alike, and under missing not at random they differ. Imputed values are
    draws, which spread like the missing values, and not means.

    Args:
        columns: which; those that have missing values when left out.

    Raises:
        ValueError: for a column without missing values.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows)
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=20, progress=False)
    >>> imputation = ab.impute(fitted, data, particles=50)
    >>> len(ab.plots.plot_imputed(imputation).axes)
    2
    """
    data = imputation.data
    seen = data.s.cpu().numpy()
    rates = dict(zip(data.columns, (~seen).mean(0), strict=True))
    gaps = data.gaps(columns)
    columns, left_out = shown(gaps, columns, [rates[name] for name in gaps])
    draws = imputation.draws(min(50, imputation.num_draws))
    figure, axes = panels(len(columns))
    for panel, name, written in zip(axes, columns, shorts(columns, TITLE), strict=True):
        j = list(data.columns).index(name)
        column = data.schema[name]
        there, drawn = data.values[seen[:, j], j], draws[:, ~seen[:, j], j].ravel()
        if column.levels:
            _levels(panel, len(column.levels), there, drawn)
        else:
            span = np.concatenate([there, drawn])
            bins = _bins(span)
            panel.hist(there, bins=bins, density=True, color=OBSERVED, alpha=0.75, label="observed")
            panel.hist(
                drawn, bins=bins, density=True, histtype="step", color=IMPUTED, lw=2,
                label="imputed",
            )  # fmt: skip
        share = 100 * np.mean(~seen[:, j])
        what = "share" if column.levels else "density"
        plain(panel, f"{written} ({share:.0f} % missing)", "", what)
        value_axis(panel, column)
        if column.kind == "datetime":
            panel.set_yticks([])  # densities are per second
    axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(left_out, fontsize=10)
    return figure


def plot_row(imputation: Imputation, row: Any, columns: Sequence[str] | None = None) -> Figure:
    """Plot one row's posterior: a histogram per missing cell, beside the column's observed values.

    If there are more than twelve missing cells, only the first are drawn, and a line above says so.

    Args:
        row: the row's label in the table.
        columns: the columns of the missing cells to draw; all when left out.

    Raises:
        ValueError: there is no row of this label, or it has no missing value in these columns.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=20, progress=False)
    >>> imputation = ab.impute(fitted, data, particles=50)
    >>> ab.plots.plot_row(imputation, 1).axes[0].get_xlabel()
    'x1'
    """
    data = imputation.data
    if row not in data.index:
        raise InputError(f"the table has no row {row!r}; its labels run from {data.index[0]!r}")
    i = int(np.flatnonzero(np.asarray(data.index == row))[0])
    missing = np.flatnonzero(~data.s[i].cpu().numpy())
    if not len(missing):
        raise InputError(f"row {row!r} has no missing value")
    names, left_out = shown([data.columns[j] for j in missing], columns)
    draws = imputation.draws(imputation.num_draws)[:, i]
    figure, axes = panels(len(names))
    for panel, name, written in zip(axes, names, shorts(names, TITLE), strict=True):
        j = list(data.columns).index(name)
        column = data.schema[name]
        seen = data.values[~np.isnan(data.values[:, j]), j]
        if column.levels:
            _levels(panel, len(column.levels), seen, draws[:, j], ("column, observed", "this cell"))
        else:
            panel.hist(
                seen, bins=30, density=True, color=OBSERVED, alpha=0.35, label="column, observed"
            )
            panel.hist(
                draws[:, j], bins=30, density=True, color=IMPUTED, alpha=0.75, label="this cell"
            )
            panel.axvline(imputation.mean[i, j], color=QUIET, lw=1.5, label="mean")
        plain(panel, "", written, "share" if column.levels else "density")
        value_axis(panel, column)
        if column.kind == "datetime":
            panel.set_yticks([])  # densities are per second
    axes[0].legend(frameon=False, fontsize=8)
    khat = imputation.khat[i]
    title = f"row {short(row)}: k-hat {khat:.2f}, ESS {imputation.ess[i]:.0f}"
    figure.suptitle("\n".join(filter(None, (title, left_out))), fontsize=10)
    return figure


def _bins(values: np.ndarray) -> list[float]:
    low, high = np.quantile(values, [0.001, 0.999])
    found: list[float] = np.linspace(float(low), float(high), 40).tolist()
    return found


def _levels(
    panel: Any,
    count: int,
    there: np.ndarray,
    drawn: np.ndarray,
    labels: tuple[str, str] = ("observed", "imputed"),
) -> None:
    at = np.arange(count)
    for shift, values, colour, label in (
        (-0.2, there, OBSERVED, labels[0]),
        (0.2, drawn, IMPUTED, labels[1]),
    ):
        share = np.array([(values == k).mean() if len(values) else 0.0 for k in at])
        panel.bar(at + shift, share, 0.4, color=colour, label=label)
