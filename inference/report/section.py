"""A section of the report, and how its pictures and tables are written into the page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd

#: dots per inch of pictures, and pixels per inch at which a page shows them
_PRINTED, _SHOWN = 150, 80
_TEXT = re.compile(r"<td>(?![-+<.\d]|&lt;|nan|</td>)")
#: tables of more rows are folded until a reader opens them
_MOST_ROWS = 25


@dataclass
class Section:
    """A section of the page: a heading with its contents.

    Attributes:
        title: the heading.
        text: a paragraph below it.
        points: sentences in a list below the tables.
        figures: captions, each with a PNG picture in base64 and its width on the screen.
        tables: captions, each with a table in HTML, and the number of its rows where it is folded.
        frames: the tables again, for a program, by name.
    """

    title: str
    text: str = ""
    points: list[str] = field(default_factory=list)
    figures: list[tuple[str, str, int]] = field(default_factory=list)
    tables: list[tuple[str, str, int]] = field(default_factory=list)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def table(
        self, caption: str, frame: pd.DataFrame, name: str | None = None, fold: bool = True
    ) -> None:
        """Add a table under a caption, and under a name for a program; long ones are folded."""
        folded = len(frame) if fold and len(frame) > _MOST_ROWS else 0
        self.tables.append((caption, html(frame), folded))
        if name is not None:
            self.frames[name] = frame

    def figure(
        self, caption: str, draw: Callable[..., Any], *arguments: Any, **options: Any
    ) -> None:
        """Draw a figure under a caption."""
        self.figures.append((caption, *png(draw, *arguments, **options)))


def png(draw: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, int]:
    """Draw a figure and return it as a PNG picture in base64, and its width on the screen."""
    buffer = io.BytesIO()
    figure = draw(*arguments, **options)
    figure.savefig(buffer, format="png", dpi=_PRINTED)
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    return picture, round(figure.get_figwidth() * _SHOWN)


def number(value: float) -> str:
    """Write a number to four figures, without an exponent up to ten million.

    >>> number(0.012345), number(12674.2), number(3.0e9), number(1234.56)
    ('0.01235', '12674', '3e+09', '1235')
    """
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.4g}"


def html(frame: pd.DataFrame) -> str:
    """Write a table in HTML; the name of its rows stands in the same line as its columns."""
    named = frame.rename_axis(columns=None)
    if named.index.nlevels == 1 and named.index.name is not None:
        named = named.rename_axis(index=None).rename_axis(columns=str(frame.index.name))
    text = named.to_html(border=0, float_format=number, na_rep="")
    head, mark, body = text.partition("</thead>")
    words = [_is_text(named.iloc[:, k]) for k in range(named.shape[1])]
    for name, is_text in zip(named.columns, words, strict=True):
        if is_text:
            heading = f"<th>{escape(str(name), quote=False)}</th>"
            head = head.replace(heading, heading.replace("<th>", '<th class="text">'), 1)
    rows = body.split("<tr>")
    for k, row in enumerate(rows):
        cells = row.split("<td>")
        for j, is_text in enumerate(words[: len(cells) - 1], 1):
            cells[j] = f'<td class="text">{cells[j]}' if is_text else f"<td>{cells[j]}"
        rows[k] = "".join(cells)
    return head + mark + "<tr>".join(rows)


def _is_text(column: pd.Series[Any]) -> bool:
    """Whether the cells of a column are words, which stand at the left."""
    cells = [str(cell) for cell in column if isinstance(cell, str) and cell]
    return any(_TEXT.match(f"<td>{escape(cell)}") for cell in cells)
