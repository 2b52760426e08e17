"""A figure that notebooks show as a cell's value, without pyplot or an inline backend."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A matplotlib figure outside pyplot, so that none is kept open or has to be closed."""

    def _repr_png_(self) -> bytes:
        """Return the PNG image that IPython displays."""
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
