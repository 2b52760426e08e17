"""One self-contained HTML page about an analysis: what was assumed and what came out."""

from .page import report

__all__ = ["report"]
