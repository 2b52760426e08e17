"""A decision tree, drawn as SVG from a few lines.

    ```{decision-tree} What to take
    ? Is it raining?
    - yes => an umbrella
    > no
    ? Is it cold?
    - yes => a coat
    ```

A question stands at the left, its answers beside it, each with what to take. A line with ``>`` is
the answer that leads to the next question.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from svg import framed

_BOX, _TRUNK, _ANSWER, _TAKE, _WIDTH = 214, 236, 262, 548, 900
_LINE, _ROW, _GAP = 19, 30, 34


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
        questions: list[_Question] = []
        for line in filter(None, map(str.strip, self.content)):
            mark, text = line[0], line[1:].strip()
            if mark == "?":
                questions.append(_Question(text))
            elif mark == "-" and questions and "=>" in text:
                answer, take = map(str.strip, text.split("=>", 1))
                questions[-1].answers.append((answer, take))
            elif mark == ">" and questions:
                questions[-1].onward = text
            else:
                raise self.error(f"{line!r} is no question, answer or way on")
        caption = html.escape(self.arguments[0])
        figure = (
            f'<figure class="decision-tree"><div>{_drawn(questions, caption)}</div>'
            f"<figcaption>{caption}</figcaption></figure>"
        )
        return [nodes.raw("", figure, format="html")]


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{html.escape(text)}</text>'


def _drawn(questions: list[_Question], caption: str) -> str:
    body, top = [], 2.0
    for question in questions:
        lines = textwrap.wrap(question.text, 21)
        box = _LINE * len(lines) + 18
        body.append(f'<rect x="2" y="{top:g}" width="{_BOX}" height="{box}" rx="8" class="asked"/>')
        for k, line in enumerate(lines):
            body.append(_text(14, top + 23 + _LINE * k, line, "question"))
        first = top + 22
        body.append(f'<line x1="{_BOX + 2}" y1="{first:g}" x2="{_TRUNK}" y2="{first:g}"/>')
        y = first
        for answer, take in question.answers:
            body.append(f'<line x1="{_TRUNK}" y1="{y:g}" x2="{_ANSWER - 6}" y2="{y:g}"/>')
            body.append(_text(_ANSWER, y + 5, answer, "answer"))
            taken = textwrap.wrap(take, 40)
            for k, line in enumerate(taken):
                body.append(_text(_TAKE, y + 5 + _LINE * k, line, "take"))
            last, y = y, y + _ROW + _LINE * (len(taken) - 1)
        body.append(f'<line x1="{_TRUNK}" y1="{first:g}" x2="{_TRUNK}" y2="{last:g}"/>')
        end = max(y - _ROW / 2, top + box)
        if question.onward:
            body.append(
                f'<line x1="30" y1="{top + box:g}" x2="30" y2="{end + _GAP - 10:g}" '
                'marker-end="url(#onward)"/>'
            )
            body.append(_text(42, (top + box + end + _GAP) / 2, question.onward, "answer"))
        top = end + _GAP
    view = f'viewBox="0 0 {_WIDTH} {top - _GAP + 8:g}"'
    return framed(body, caption, view, "onward")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive ``decision-tree``."""
    app.add_directive("decision-tree", DecisionTree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
