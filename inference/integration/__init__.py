"""Missing values integrated out: in closed form, by sums, by quadrature, or by sampling."""

from .handler import IntegrationError, integrate_out

__all__ = ["IntegrationError", "integrate_out"]
