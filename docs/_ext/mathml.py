"""Formulas as MathML, computed when the pages are built, with a font that has all their signs."""

from __future__ import annotations

import re
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import ziamath
from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

FONT = Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"


def _letter(found: re.Match[str]) -> str:
    """Return a script or double-struck letter as the character that it is."""
    name = f"{found[1].upper()} CAPITAL {found[2]}"
    for prefix in ("MATHEMATICAL ", ""):  # some letters are older than that alphabet
        try:
            return f'<mi mathvariant="normal">{unicodedata.lookup(prefix + name)}</mi>'
        except KeyError:
            continue
    return found[0]


def mathml(formula: str, display: str = "inline") -> str:
    """Convert a formula, with letters and spaces as browsers want them."""
    drawn = convert(formula, display=display)
    drawn = re.sub(r'<mi mathvariant="(script|double-struck)">([A-Z])</mi>', _letter, drawn)
    drawn = re.sub(r">\\([{}|])<", r">\1<", drawn)  # large braces keep a backslash
    if "\\" in drawn:
        raise ValueError(f"the formula {formula!r} has a command that is not known: {drawn}")
    return re.sub(r"<mi>log</mi>(?=<m[isr])", '<mi>log</mi><mspace width="0.17em"/>', drawn)


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _display(translator: HTML5Translator, node: nodes.math_block) -> None:
    drawn = mathml(node.astext(), "block")
    translator.body.append(f'<div class="formula">{drawn}</div>\n')
    raise nodes.SkipNode


def _copy_font(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "fonts"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FONT, target / FONT.name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("build-finished", _copy_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
