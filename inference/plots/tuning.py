"""The plot of a search for hyper-parameters: their importance, and what the trials reached."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import MECHANISM, OBSERVED


def plot_tuning(found: pd.DataFrame, importance: pd.DataFrame) -> Figure:
    """Plot importances, rank correlations, and RMSE against the bound.

    Args:
        found: one row per trial, with ``trial``, ``state``, ``bound`` and ``rmse``.
        importance: one row per hyper-parameter, with ``importance``, ``correlation with bound``
            and ``correlation with rmse``.
    """
    figure = Figure(figsize=(12, 1.6 + 0.45 * max(len(importance), 4)), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    at = np.arange(len(importance))[::-1]
    left.barh(at, importance["importance"].fillna(0), color=MECHANISM)
    left.set_yticks(at, list(importance.index))
    left.set_xlabel("share of the bound's variance (fANOVA)")
    for shift, score, colour in ((0.2, "bound", MECHANISM), (-0.2, "rmse", OBSERVED)):
        values = importance[f"correlation with {score}"].fillna(0)
        middle.barh(at + shift, values, 0.4, color=colour, label=score)
    middle.axvline(0, color="black", lw=0.8)
    middle.set_yticks(at, [])
    middle.set_xlim(-1, 1)
    middle.set_xlabel("rank correlation with")
    middle.legend(frameon=False, fontsize=8)
    complete = found[found["state"] == "COMPLETE"]
    if complete["rmse"].notna().any():
        right.plot(complete["bound"], complete["rmse"], "o", color=MECHANISM, ms=4)
        best = complete.sort_values("bound").iloc[-1]
        right.plot(best["bound"], best["rmse"], "o", mfc="none", mec="black", ms=10)
        right.set_ylabel("RMSE of what was hidden")
    else:
        right.plot(complete["trial"], complete["bound"].cummax(), color=MECHANISM)
        right.set_ylabel("best bound so far")
    right.set_xlabel("held-out bound" if complete["rmse"].notna().any() else "trial")
    return figure
