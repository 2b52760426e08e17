"""One figure of a table's missing values: rates, patterns, and correlations of the masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...data.errors import InputError
from ...data.patterns import Table, missing_mask, pattern_masks
from ...data.system.files import write_figure_atomic
from .names import shorts

_MOST_PATTERNS = 20
_MOST_COLUMNS = 30
_INK, _PALE, _GREY = "#b5432f", "#e9e5dc", "#6b7a83"


def draw_missingness(table: Table, path: Path, columns: Sequence[str] | None = None) -> None:
    """Write the figure as PNG: one panel for rates and patterns, one for the masks' correlations.

    Columns that are never missing are counted in the title and not drawn; of more than 30 columns
    or 20 patterns the most frequent are, and the title says so.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "missingness.png"
    >>> draw_missingness(pd.DataFrame({"a": [1, None, None], "b": [1, None, 2]}), path)
    >>> path.read_bytes()[1:4]
    b'PNG'

    Args:
        table: a table with missing values.
        path: the path of the PNG file.
        columns: which columns; all when left out.

    Raises:
        ValueError: the table has no row, no column, or not the columns that were asked for.
        OSError: the file cannot be written.
    """
    write_figure_atomic(path, missingness_figure(table, columns), dpi=130)


def missingness_figure(table: Table, columns: Sequence[str] | None = None) -> Any:
    """Make the figure that :func:`draw_missingness` writes.

    Args:
        table: a table with missing values.
        columns: which columns; all when left out.

    Raises:
        ValueError: the table has no row, no column, or not the columns that were asked for.
    """
    # pyplot would keep figures and a backend for the whole process
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from .shown_figure import ShownFigure

    missing = _chosen(missing_mask(table), columns)
    n, width = missing.shape
    rates = missing.mean().sort_values(ascending=False, kind="stable")
    lacking = missing.loc[:, list(rates.index[rates > 0])]
    drawn = lacking.iloc[:, :_MOST_COLUMNS]
    masks, counts = pattern_masks(drawn)
    found = len(masks)
    masks, counts = masks[:_MOST_PATTERNS], counts[:_MOST_PATTERNS]
    p, m = max(drawn.shape[1], 1), len(masks)
    if not drawn.shape[1]:
        masks = np.zeros((m, 1), dtype=bool)
    names = shorts(list(drawn.columns))
    # many columns stand closer, so that the letters stay large where a page narrows the figure
    side = max(0.42 * min(p, 8) + 0.24 * max(p - 8, 0), 2.6)
    tall = max(0.26 * m + 2.2, side) + 0.07 * max(map(len, names), default=0)
    figure = ShownFigure(figsize=(2 * side + 4.6, tall), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 3, width_ratios=(side, 1.5, side), height_ratios=(1, 3))
    body = figure.add_subplot(grid[1, 0])
    _pattern_panel(body, masks, names)
    bars = figure.add_subplot(grid[0, 0], sharex=body)
    bars.bar(range(len(names)), 100 * drawn.mean(), color=_INK, width=0.8)
    bars.set(ylabel="missing, %")
    bars.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    share = figure.add_subplot(grid[1, 1], sharey=body)
    share.barh(range(m), 100 * counts / n, color=_GREY, height=0.8)
    for i, count in enumerate(counts):
        share.annotate(
            f"{count}", (100 * count / n, i), (3, 0), textcoords="offset points", va="center",
            fontsize=8,
        )  # fmt: skip
    share.set(xlabel="rows, %")
    share.margins(x=0.35)
    share.tick_params(which="both", left=False, labelleft=False)
    for axes in (bars, share):
        axes.spines[["top", "right"]].set_visible(False)
    _correlations(figure, figure.add_subplot(grid[:, 2]), drawn, names)
    figure.suptitle(_title(n, width, lacking.shape[1], found), x=0.01, ha="left", fontsize=11)
    return figure


def _chosen(missing: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    if columns is None:
        return missing
    asked = [columns] if isinstance(columns, str) else list(columns)
    for name in asked:
        if name not in missing.columns:
            few = ", ".join(map(str, missing.columns[:12])) + (
                ", ..." if missing.shape[1] > 12 else ""
            )
            raise InputError(f"columns= names {name!r}, which is not one of {few}")
    if not asked:
        raise InputError("columns= is empty; name at least one, or leave it out")
    return missing[list(dict.fromkeys(asked))]


def _title(n: int, width: int, lacking: int, patterns: int) -> str:
    text = f"{n} rows, {width} columns, {width - lacking} of them complete"
    cut = []
    if lacking > _MOST_COLUMNS:
        cut.append(f"the {_MOST_COLUMNS} most missing of {lacking} columns with gaps")
    if patterns > _MOST_PATTERNS:
        cut.append(f"the {_MOST_PATTERNS} most frequent of {patterns} patterns")
    return text + (f"\n(shown: {' and '.join(cut)})" if cut else "")


def _pattern_panel(axes: Any, masks: np.ndarray, names: list[str]) -> None:
    m, p = masks.shape
    colours = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (_PALE, _INK)])
    image = colours[masks.astype(int)].astype(np.uint8)
    axes.imshow(image, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks([])
    axes.set_ylabel("patterns (dark: missing)")
    axes.set_xticks(np.arange(p + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(m + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)


def _correlations(figure: Any, axes: Any, missing: pd.DataFrame, names: list[str]) -> None:
    """Draw the masks' correlations; the diagonal and columns without any value stay empty."""
    mask = missing.to_numpy(dtype=np.float64)
    centred = mask - mask.mean(0)
    spread = np.sqrt((centred**2).sum(0))
    with np.errstate(invalid="ignore"):
        matrix = centred.T @ centred / np.outer(spread, spread)
    np.fill_diagonal(matrix, np.nan)
    if not names:
        matrix = np.full((1, 1), np.nan)
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_facecolor(_PALE)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("correlation of being missing (phi)", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.6)
