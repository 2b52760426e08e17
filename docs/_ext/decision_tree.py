"""A decision tree, drawn as SVG from a few lines.

    ```{decision-tree} What to take
    ? Is it raining?
    - yes => an umbrella
    > no
    ? Is it cold?
    - yes => a coat
    ```

A question stands at the left, its answers beside it, each with what to take. A line with ``>`` is
the answer that leads to the next question. A second drawing, with the answers below their question,
is for narrow screens; the style sheet shows one of the two.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from svg import framed

_LINE, _ROW, _GAP = 19, 30, 34


@dataclass(frozen=True)
class _Layout:
    """Where the parts of a drawing stand.

    Attributes:
        name: of its class in the style sheet, and of its arrow.
        width: of the whole.
        box: the width of a question, and the letters of one of its lines.
        trunk: of the line from which answers branch off.
        answer: where answers begin.
        take: where what to take begins, and the letters of one of its lines.
        below: whether answers stand below their question, and what to take below its answer.
    """

    name: str
    width: int
    box: tuple[int, int]
    trunk: int
    answer: int
    take: tuple[int, int]
    below: bool = False


_WIDE = _Layout("wide", 900, (214, 21), 236, 262, (548, 40))
_NARROW = _Layout("narrow", 384, (380, 42), 46, 66, (82, 34), below=True)


@dataclass
class _Question:
    text: str
    answers: list[tuple[str, str]] = field(default_factory=list)
    onward: str = ""


class DecisionTree(SphinxDirective):
    """Draw the tree that the lines describe."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the picture with its caption as HTML."""
        try:
            questions = _read(self.content)
        except ValueError as error:
            raise self.error(str(error)) from error
        caption = html.escape(self.arguments[0])
        drawings = "".join(
            f'<div class="{layout.name}">{_drawn(questions, caption, layout)}</div>'
            for layout in (_WIDE, _NARROW)
        )
        figure = (
            f'<figure class="decision-tree">{drawings}<figcaption>{caption}</figcaption></figure>'
        )
        return [nodes.raw("", figure, format="html")]


def _read(lines: Iterable[str]) -> list[_Question]:
    """Return the questions that the lines describe, with their answers."""
    questions: list[_Question] = []
    for line in filter(None, map(str.strip, lines)):
        mark, text = line[0], line[1:].strip()
        if mark == "?":
            questions.append(_Question(text))
        elif mark == "-" and questions and "=>" in text:
            answer, take = map(str.strip, text.split("=>", 1))
            questions[-1].answers.append((answer, take))
        elif mark == ">" and questions:
            questions[-1].onward = text
        else:
            raise ValueError(f"{line!r} is no question, answer or way on")
    return questions


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{html.escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, further: str = "") -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"{further}/>'


def _drawn(questions: list[_Question], caption: str, layout: _Layout) -> str:
    body, top, arrow = [], 2.0, f"onward-{layout.name}"
    width, letters = layout.box
    gap = _GAP + 8 * layout.below
    take, most = layout.take
    for question in questions:
        lines = textwrap.wrap(question.text, letters)
        box = _LINE * len(lines) + 18
        body.append(
            f'<rect x="2" y="{top:g}" width="{width}" height="{box}" rx="8" class="asked"/>'
        )
        for k, line in enumerate(lines):
            body.append(_text(14, top + 23 + _LINE * k, line, "question"))
        y = top + box + 24 if layout.below else top + 22
        if layout.below:
            first = top + box
        else:
            first = y
            body.append(_line(width + 2, first, layout.trunk, first))
        for answer, taken in question.answers:
            body.append(_line(layout.trunk, y, layout.answer - 6, y))
            body.append(_text(layout.answer, y + 5, answer, "answer"))
            last = y
            y += _LINE * layout.below
            for k, line in enumerate(textwrap.wrap(taken, most)):
                y += _LINE * (k > 0)
                body.append(_text(take, y + 5, line, "take"))
            y += _ROW
        body.append(_line(layout.trunk, first, layout.trunk, last))
        end = max(y - _ROW / 2, top + box)
        if question.onward:
            x = 20 if layout.below else 30
            to = f' marker-end="url(#{arrow})"'
            body.append(_line(x, top + box, x, end + gap - 10, to))
            middle = end + 16 if layout.below else (top + box + end + gap) / 2
            body.append(_text(x + 12, middle, question.onward, "answer"))
        top = end + gap
    view = f'viewBox="0 0 {layout.width} {top - gap + 8:g}"'
    return framed(body, caption, view, arrow)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive ``decision-tree``."""
    app.add_directive("decision-tree", DecisionTree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
