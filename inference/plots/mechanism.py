"""Plots of the mechanism: the probability of being missing by a column's value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ...models.programs.base import RowModel
from ..imputing.imputation import Imputation
from ..prepare import Fitted, coefficient_medians, fit_of, prepared
from ..uncertainty.sources import Parameters, sources
from .axis import value_axis
from .names import TITLE, shorts
from .style import IMPUTED, MECHANISM, OBSERVED, panels, plain, shown

_POINTS = 200


@torch.no_grad()
def missing_probability(
    model: RowModel, scaler: Standardiser, values: np.ndarray, **context: Any
) -> np.ndarray:
    """Return the learnt P(missing | x) (..., p) at values (..., p) in the data's units.

    Args:
        context: the inputs that the mechanism asks for besides x.
    """
    mechanism = model.missingness
    mechanism.eval()
    parameter = next(model.parameters())
    x = torch.as_tensor(scaler.apply(values), dtype=parameter.dtype, device=parameter.device)
    mask = mechanism(x, **context)
    # a mask whose columns depend on each other's absence has a density and no mean
    missing = mask.log_prob(torch.zeros_like(x)).exp() if "s" in context else 1 - mask.mean
    found: np.ndarray = missing.double().cpu().numpy()
    return found


def plot_mechanism(
    fitted: Fitted,
    data: IncompleteData,
    columns: Sequence[str] | None = None,
    *,
    imputation: Imputation | None = None,
    parameters: Parameters = "auto",
    draws: int = 60,
    level: float = 0.9,
    seed: int = 0,
) -> Figure:
    """Plot P(missing | value) of each incomplete column, with a posterior band.

    The curve is the median of the band's; the other columns, which a mechanism may read, are held
    at their means. Below the curves the
    distribution of what was observed and, given an imputation, of what was imputed.

    Args:
        columns: which; those that have missing values when left out, of more than twelve the most
            missing (a line above says so).
        parameters: where the band's parameters come from, as for
            :func:`absentia.multiple_imputation`; ``"fixed"`` draws none.

    Raises:
        ValueError: for an ignorable mechanism, one that reads latents or covariates, or a column
            without missing values.

    >>> import numpy as np
    >>> import absentia as ab
    >>> rows = np.random.default_rng(0).normal(size=(60, 2))
    >>> rows[rows > 1] = np.nan
    >>> data = ab.IncompleteData.from_numpy(rows)
    >>> fitted = ab.fit(ab.NotMIWAEPPCA(data, sign="+"), data, steps=20, progress=False)
    >>> len(ab.plots.plot_mechanism(fitted, data, parameters="fixed").axes)
    4
    """
    model, data = prepared(fitted, data)
    mechanism = model.missingness
    if mechanism.ignorable:
        raise InputError("the mechanism is ignorable: there is no curve to draw")
    if set(mechanism.asks) - {"s"}:
        raise InputError(
            f"the mechanism reads {', '.join(mechanism.asks)}, so that every row has a curve of "
            f"its own; plot a mechanism that reads values only"
        )
    fit = fit_of(fitted)
    if fit is None and parameters != "fixed":
        raise InputError(
            "a band needs a fit, and a model by itself was given; give what absentia.fit returned, "
            "or parameters='fixed'"
        )
    imputation = None if imputation is None else imputation.modelled
    gaps = data.gaps(columns)
    rates = 1 - data.s.double().mean(0).cpu().numpy()
    columns, left_out = shown(gaps, columns, [rates[list(data.columns).index(g)] for g in gaps])
    grids = {name: _grid(data, name, imputation) for name in columns}
    context = {"s": data.s[:1].new_ones(1, len(data.columns))} if mechanism.asks else {}
    place = {name: list(data.columns).index(name) for name in columns}
    middle = {
        name: mechanism_curve(model, data, place[name], grids[name], **context) for name in columns
    }
    bands: dict[str, list[np.ndarray]] = {name: [] for name in columns}
    if fit is not None and parameters != "fixed":
        for one, coefficients in sources(fit, data, draws, parameters, seed=seed).models:
            for name in columns:
                curve = mechanism_curve(
                    one, data, place[name], grids[name], coefficients, **context
                )
                bands[name].append(curve)
    figure, axes = panels(len(columns))
    for panel, name, written in zip(axes, columns, shorts(columns, TITLE), strict=True):
        below = panel.twinx()
        _distributions(below, data, name, imputation)
        panel.set_zorder(below.get_zorder() + 1)
        panel.patch.set_visible(False)
        line = np.median(bands[name], axis=0) if bands[name] else middle[name]
        ends = None
        if bands[name]:
            ends = np.quantile(bands[name], [(1 - level) / 2, (1 + level) / 2], axis=0)
        column = data.schema[name]
        if column.levels:  # there is nothing between two levels
            panel.plot(grids[name], line, "o", color=MECHANISM)
            if ends is not None:
                panel.vlines(grids[name], *ends, color=MECHANISM, alpha=0.4, lw=4)
        else:
            panel.plot(grids[name], line, color=MECHANISM, lw=2)
            if ends is not None:
                panel.fill_between(grids[name], *ends, color=MECHANISM, alpha=0.25, lw=0)
        panel.set_ylim(-0.02, 1.02)
        plain(panel, "", written, "P(missing | value)")
        value_axis(panel, column)
    figure.suptitle(left_out, fontsize=10)
    return figure


def mechanism_curve(
    model: RowModel,
    data: IncompleteData,
    column: int,
    values: np.ndarray,
    coefficients: Any = None,
    **context: Any,
) -> np.ndarray:
    """Return P(missing | value) of one column, with the other columns at their means."""
    average = np.asarray(data.scaler.invert(np.zeros((1, len(data.columns)))))
    table = np.tile(average, (len(values), 1))
    table[:, column] = values
    held = coefficient_medians(model) if coefficients is None else coefficients
    found = missing_probability(model, data.scaler, table, **context, **held)
    return found[:, column]


def _grid(data: IncompleteData, name: str, imputation: Imputation | None) -> np.ndarray:
    j = list(data.columns).index(name)
    if data.schema[j].levels:
        return np.arange(float(len(data.schema[j].levels)))
    shown = data.values[:, j] if imputation is None else imputation.mean[:, j]
    low, high = np.nanmin(shown), np.nanmax(shown)
    room = 0.15 * (high - low)
    lowest, highest = low - room, high + room
    column = data.schema[j]
    if column.kind == "positive":  # values up to 0 have no probability
        lowest = max(lowest, min(low, 1e-3 * high))
    elif column.kind == "count":
        lowest = max(lowest, 0.0)
    elif column.kind == "bounded" and column.lower is not None and column.upper is not None:
        lowest, highest = max(lowest, column.lower), min(highest, column.upper)
    return np.linspace(lowest, highest, _POINTS)


def _distributions(
    panel: Axes, data: IncompleteData, name: str, imputation: Imputation | None
) -> None:
    j = list(data.columns).index(name)
    seen = data.s[:, j].cpu().numpy()
    parts, colours = [data.values[seen, j]], [OBSERVED]
    if imputation is not None:
        parts.append(imputation.draws(1)[0][~seen, j])
        colours.append(IMPUTED)
    levels = len(data.schema[j].levels)
    bins: Any = np.arange(levels + 1) - 0.5 if levels else 30
    panel.hist(parts, bins=bins, color=colours, stacked=True, alpha=0.6)
    panel.set_ylim(0, 3 * panel.get_ylim()[1])
    panel.set_yticks([])
    panel.spines[["top", "right"]].set_visible(False)
