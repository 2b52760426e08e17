"""Complete tables, pictures and ratings to experiment with, and data with exact answers."""

from . import images, ratings, statsmodels_tables, synthetic, uci

__all__ = ["images", "ratings", "statsmodels_tables", "synthetic", "uci"]
