"""The graph of a probabilistic program, drawn as SVG from a few lines.

    ```{program-graph} Latent variables, values and mask
    z 0 0 latent z
    x 1 0 partly x_j
    s 2 0 seen s_j
    z -> x -> s
    plate i | z x s | rows
    ```

A line with a name, a column, a row, a kind and a label places a node. Kinds are ``latent``
(white), ``partly`` (half of it grey: observed in part), ``seen`` (grey), ``given`` (no circle).
"""

from __future__ import annotations

import html
import itertools
import math
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from svg import framed

_STEP_X, _STEP_Y, _R = 118, 96, 27
_KINDS = ("latent", "partly", "seen", "given")


def _label(text: str, x: float, y: float) -> str:
    """Write a label in italics, what follows an underscore as an index."""
    base, _, index = text.partition("_")
    small = f'<tspan dy="5" font-size="12">{html.escape(index)}</tspan>' if index else ""
    return (
        f'<text x="{x:g}" y="{y + 6:g}" text-anchor="middle" font-style="italic">'
        f"{html.escape(base)}{small}</text>"
    )


class ProgramGraph(SphinxDirective):
    """Draw the graph that the lines describe."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the picture with its caption as HTML."""
        places: dict[str, tuple[float, float, str, str]] = {}
        arrows: list[tuple[str, str]] = []
        plates: list[tuple[list[str], str]] = []
        for line in filter(None, map(str.strip, self.content)):
            if "->" in line:
                names = [name.strip() for name in line.split("->")]
                arrows += list(itertools.pairwise(names))
            elif line.startswith("plate "):
                members, label = line.removeprefix("plate ").split("|")
                plates.append((members.split(), label.strip()))
            else:
                name, column, row, kind, label = re.split(r"\s+", line, maxsplit=4)
                if kind not in _KINDS:
                    raise self.error(f"kind {kind!r} is not one of {', '.join(_KINDS)}")
                places[name] = (float(column) * _STEP_X, float(row) * _STEP_Y, kind, label)
        missing = {n for pair in arrows for n in pair} - set(places)
        if missing:
            raise self.error(f"no node is called {', '.join(sorted(missing))}")
        caption = self.arguments[0]
        svg = _drawn(places, arrows, plates, caption)
        figure = (
            f'<figure class="program-graph">{svg}'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
        return [nodes.raw("", figure, format="html")]


def _drawn(
    places: dict[str, tuple[float, float, str, str]],
    arrows: list[tuple[str, str]],
    plates: list[tuple[list[str], str]],
    caption: str,
) -> str:
    body = []
    left = min(x for x, *_ in places.values()) - 58
    right = max(x for x, *_ in places.values()) + 58
    top = min(y for _, y, *_ in places.values()) - 50
    bottom = max(y for _, y, *_ in places.values()) + (68 if plates else 40)
    for depth, (members, label) in enumerate(plates):
        inset = 9 * depth
        xs = [places[name][0] for name in members]
        ys = [places[name][1] for name in members]
        x0, y0 = min(xs) - 50 + inset, min(ys) - 42 + inset
        x1, y1 = max(xs) + 50 - inset, max(ys) + 62 - inset - 14 * depth
        body.append(
            f'<rect x="{x0:g}" y="{y0:g}" width="{x1 - x0:g}" height="{y1 - y0:g}" rx="8" '
            f'class="plate"/><text x="{x1 - 8:g}" y="{y1 - 7:g}" text-anchor="end" '
            f'font-size="13">{html.escape(label)}</text>'
        )
    for start, end in arrows:
        (xa, ya, *_), (xb, yb, *_) = places[start], places[end]
        length = math.hypot(xb - xa, yb - ya)
        ux, uy = (xb - xa) / length, (yb - ya) / length
        body.append(
            f'<line x1="{xa + ux * (_R + 1):.1f}" y1="{ya + uy * (_R + 1):.1f}" '
            f'x2="{xb - ux * (_R + 9):.1f}" y2="{yb - uy * (_R + 9):.1f}" '
            'marker-end="url(#arrow)"/>'
        )
    for x, y, kind, label in places.values():
        if kind != "given":
            body.append(f'<circle cx="{x:g}" cy="{y:g}" r="{_R}" class="{kind}"/>')
        if kind == "partly":
            body.append(
                f'<path d="M {x:g} {y - _R:g} A {_R} {_R} 0 0 1 {x:g} {y + _R:g} Z" class="seen"/>'
            )
            body.append(f'<circle cx="{x:g}" cy="{y:g}" r="{_R}" class="ring"/>')
        body.append(_label(label, x, y))
    width, height = right - left, bottom - top
    view = f'viewBox="{left:g} {top:g} {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return framed(body, html.escape(caption), view, "arrow")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive ``program-graph``."""
    app.add_directive("program-graph", ProgramGraph)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
