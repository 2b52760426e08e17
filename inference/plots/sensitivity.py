"""The plot of a sensitivity curve: the answer, where it tips, and what the data support."""

from __future__ import annotations

from matplotlib.figure import Figure
from scipy.stats import chi2

from ..sensitivity import SensitivityCurve
from .axis import numbers
from .names import short
from .style import IMPUTED, MECHANISM, OBSERVED, QUIET, panels, plain

_WIDTH = 54


def plot_sensitivity(
    curve: SensitivityCurve, estimand: str | None = None, value: float | None = None
) -> Figure:
    """Plot the estimate with its interval, and filled points where the model was fitted.

    Shaded: slopes that the data do not contradict; with a profile, a second panel shows it.

    Args:
        value: a value to mark with its tipping points: that of no effect, say.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[:20, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    >>> mar = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=50, progress=False)
    >>> tables = ab.multiple_imputation(mar, data, m=5, parameters="fixed")
    >>> mean = lambda t: t["a"].mean()
    >>> curve = ab.sensitivity.delta_sensitivity(tables, "a", mean, deltas=[-1, 0, 1])
    >>> len(ab.plots.plot_sensitivity(curve, value=0.0).axes)
    1
    """
    has_profile = not curve.profile.empty
    figure, axes = panels(1 + has_profile, size=(5.4, 3.6))
    panel, rows = axes[0], curve.of(estimand)
    panel.fill_between(rows.index, rows["lower"], rows["upper"], color=OBSERVED, alpha=0.3, lw=0)
    panel.plot(rows.index, rows["estimate"], color=OBSERVED, lw=2)
    weighed = rows["how"] == "reweighted"
    if weighed.any():
        panel.scatter(
            rows.index[weighed], rows["estimate"][weighed], s=26, facecolor="white",
            edgecolor=OBSERVED, zorder=3, label="reweighted",
        )  # fmt: skip
    panel.scatter(
        rows.index[~weighed], rows["estimate"][~weighed], s=26, color=OBSERVED, zorder=3,
        label=", ".join(dict.fromkeys(rows["how"][~weighed])),
    )  # fmt: skip
    panel.axvline(0.0, color=QUIET, ls=":", lw=1)
    if value is not None:
        panel.axhline(value, color=MECHANISM, lw=1)
        for at in curve.tipping_points(value, estimand):
            panel.plot(at, value, "v", color=MECHANISM, ms=8)
            panel.annotate(
                _three_digits(at), (at, value), (0, 7), textcoords="offset points", ha="center"
            )
    if has_profile:
        low, high = curve.supported()
        left, right = panel.get_xlim()
        panel.axvspan(max(low, left), min(high, right), color=IMPUTED, alpha=0.15, lw=0)
        panel.set_xlim(left, right)
    panel.legend(frameon=False, fontsize=8)
    name = estimand or curve.estimands[0]
    # the figure is wider than others, and so are its lines
    varied = f"{curve.assumption.rstrip(',')} of {short(curve.column, 44)}"
    plain(panel, name, varied, "estimate", width=_WIDTH)
    if has_profile:
        profile = curve.profile.sort_index()
        axes[1].plot(profile.index, profile - profile.max(), "o-", color=IMPUTED, ms=4)
        drop = chi2.ppf(curve.level, 1) / 2
        level = f"{100 * curve.level:g} % of a chi-square"
        axes[1].axhline(-drop, color=QUIET, ls="--", lw=1, label=level)
        axes[1].legend(frameon=False, fontsize=8)
        plain(
            axes[1], "what the data say of the slope", "slope", "log-likelihood, less its maximum"
        )
    return figure


def _three_digits(value: float) -> str:
    return numbers([float(f"{value:.3g}")])[0]
