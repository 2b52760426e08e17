"""Missing values integrated out of a model: in closed form, by sums, by quadrature, or drawn."""

from .handler import CollapseError, collapse

__all__ = ["CollapseError", "collapse"]
