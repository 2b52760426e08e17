"""A figure that a notebook shows as the value of a cell, without pyplot or an inline backend."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A matplotlib figure of its own: nothing is kept for the whole process, nothing to close."""

    def _repr_png_(self) -> bytes:
        """What IPython displays."""
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
