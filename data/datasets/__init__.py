"""Data sets: complete tables, pictures and ratings, and synthetic data with exact answers."""

from . import images, ratings, statsmodels_tables, synthetic, uci

__all__ = ["images", "ratings", "statsmodels_tables", "synthetic", "uci"]
