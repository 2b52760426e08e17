"""The plot of a mechanism's graph: which values the absence of each column depends on."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data.errors import InputError
from ...models.missingness.description import Description
from .names import shorts
from .style import MECHANISM, QUIET, panels

#: the most columns whose absence is drawn
_MOST = 15
_COLOURS = {"self-censoring": MECHANISM, "colluder": "#CC79A7"}


def plot_graph(description: Description) -> Figure:
    """Draw an arrow from each value to the absence that depends on it.

    Arrows from a value to its own absence are red and thick. Of more than fifteen columns the first
    are drawn, and the title says so.

    Raises:
        InputError: nothing depends on anything.

    >>> from absentia.models import SelfMasking
    >>> len(plot_graph(SelfMasking(2).describe()).axes)
    1
    """
    targets = list(dict.fromkeys(target for _, target, _ in description.edges))
    if not targets:
        raise InputError("the mechanism's graph has no edges: there is nothing to draw")
    shown = targets[:_MOST]
    edges = [edge for edge in description.edges if edge[1] in shown]
    sources = list(dict.fromkeys(source for source, _, _ in edges))
    order = {name: k for k, name in enumerate(_names(description))}
    sources.sort(key=lambda name: order.get(_column(name), len(order)))
    tall = max(len(sources), len(shown))
    figure, (panel,) = panels(1, size=(6.4, 0.7 + 0.42 * tall))
    left, right = _places(sources, tall), _places(shown, tall)
    for source, target, kind in edges:
        colour = _COLOURS.get(kind, QUIET)
        width = 2.6 if kind == "self-censoring" else 1.4
        panel.annotate(
            "", (0.64, right[target]), (0.36, left[source]),
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0,
                        "shrinkB": 2},
        )  # fmt: skip
    columns = list(dict.fromkeys(map(_column, [*left, *right])))
    written = dict(zip(columns, shorts(columns), strict=True))
    for x, side, places in ((0.35, "right", left), (0.65, "left", right)):
        for name, y in places.items():
            # R[income] stands for the absence of income
            ending = " missing" if name.startswith("R[") else ""
            _write(panel, x, y, written[_column(name)] + ending, side)
    panel.set(xlim=(0, 1), ylim=(-0.6, tall - 0.4))
    panel.axis("off")
    more = len(targets) - len(shown)
    title = "red and thick: a value hides itself"
    panel.set_title(f"{title}; {more} more columns are not drawn" if more else title, fontsize=9)
    return figure


def _names(description: Description) -> list[str]:
    return [one.column for one in description.columns]


def _column(name: str) -> str:
    return name.removeprefix("R[").removesuffix("]")


def _places(names: list[str], tall: int) -> dict[str, float]:
    """Return heights, from the top down, centred."""
    start = (tall + len(names)) / 2 - 1
    return {name: start - k for k, name in enumerate(names)}


def _write(panel: Axes, x: float, y: float, text: str, side: str) -> None:
    box = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": QUIET, "lw": 0.8}
    panel.text(x, y, text, ha=side, va="center", fontsize=9, bbox=box)
