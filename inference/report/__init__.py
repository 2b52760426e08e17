"""The report: one self-contained HTML page on an analysis, its assumptions and results."""

from .head import About
from .page import report

__all__ = ["About", "report"]
