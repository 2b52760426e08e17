"""Missing values integrated out: in closed form, by sums, by quadrature, or by sampling."""

from .handler import CollapseError, collapse

__all__ = ["CollapseError", "collapse"]
