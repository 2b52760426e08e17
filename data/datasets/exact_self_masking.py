"""One missing normal entry under self-masking, integrated to about twelve digits.

Faster integrals are tested against this reference, so it shares no code with them. For the logit
link it is a plain trapezoid sum in logs, whose step follows from the poles of the sigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import log_expit, log_ndtr, logsumexp

from ..errors import InputError

Link = Literal["logit", "probit"]

# the number of points above which a spline through a table replaces the direct sum
_DIRECT = 1500
_SPLINE_DEGREE = 9


def log_link(t: np.ndarray, link: Link) -> np.ndarray:
    """Return log P(s = 1) at the linear predictor ``t``, for the logit or probit link."""
    if link == "logit":
        return cast(np.ndarray, log_expit(t))
    if link == "probit":
        return cast(np.ndarray, log_ndtr(t))
    raise InputError(f"link is {link!r}; give 'logit' or 'probit'.")


@dataclass(frozen=True)
class HiddenEntry:
    """x ~ N(mu, sigma^2) with P(s = 1 | x) = link(slope x + offset), of which only s = 0 is known.

    >>> entry = HiddenEntry(slope=2.0, offset=0.0, sigma=1.0, link="probit")
    >>> np.exp(entry.log_prob(np.array([0.0])))
    array([0.5])
    >>> entry.mean(np.array([0.0])).round(4)
    array([-0.7136])

    Args:
        slope: the slope of the link, per unit of x.
        offset: the offset of the link.
        sigma: the standard deviation of x, which is positive.
        link: "logit" or "probit".
    """

    slope: float
    offset: float
    sigma: float
    link: Link

    def log_prob(self, mu: np.ndarray) -> np.ndarray:
        """Return log P(s = 0 | mu) = log int (1 - link(slope x + offset)) N(x; mu, sigma^2) dx."""
        return self._both(mu)[0]

    def mean(self, mu: np.ndarray) -> np.ndarray:
        """Return E[x | s = 0, mu], in the shape of ``mu``."""
        return mu + self.sigma * self._both(mu)[1]

    def width(self) -> float:
        """Return a length in ``mu`` over which ``log_prob`` is smooth enough for one step."""
        steepness = max(abs(self.slope), 1e-300)
        if self.link == "probit":
            return 0.6 * float(np.hypot(1 / steepness, self.sigma))
        return max(0.5 / steepness, 0.6 * self.sigma)

    def _both(self, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log P(s = 0) and E[(x - mu) / sigma | s = 0]."""
        t = self.slope * np.asarray(mu, dtype=np.float64) + self.offset
        w = abs(self.slope) * self.sigma
        sign = float(np.sign(self.slope))
        if self.link == "probit":
            # The truncated normal's hazard; see Barr & Sherrill (1999), The American
            # Statistician 53.
            r = np.hypot(1.0, w)
            c = -t / r
            log_p = log_ndtr(c)
            hazard = np.exp(-0.5 * c**2 - 0.5 * np.log(2 * np.pi) - log_p)
            return log_p, -sign * (w / r) * hazard
        if t.size <= _DIRECT:
            log_p, e = _logit_sum(t.ravel(), w)
            return log_p.reshape(t.shape), sign * e.reshape(t.shape)
        # Both functions of t are smooth on the scale of max(1, w), so a spline of degree nine on
        # this spacing adds less than 1e-11.
        low, high = float(t.min()), float(t.max())
        count = max(int((high - low) / max(0.1, w / 20)) + 1, 2 * _SPLINE_DEGREE)
        knots = np.linspace(low, max(high, low + 1.0), count)
        splines = (make_interp_spline(knots, y, k=_SPLINE_DEGREE) for y in _logit_sum(knots, w))
        log_p, e = (spline(t) for spline in splines)
        return log_p, sign * e


def _logit_sum(t: np.ndarray, w: float) -> tuple[np.ndarray, np.ndarray]:
    """Return log E[sigmoid(-t - w e)] and E[e | ...] for e ~ N(0, 1) and t of shape (m,).

    The error of the trapezoid sum is exp(-2 pi y / h), where y = pi / w is the distance of the
    nearest pole.
    """
    # The mass of the product lies at e >= -w, and where the normal density does not underflow.
    reach = 10.0 + min(w, 30.0)
    step = min(0.4, 0.6 / max(w, 1e-300))
    e = np.arange(-reach, 10.0 + step, step)
    log_p, mean = np.empty_like(t), np.empty_like(t)
    log_weight = -0.5 * e**2 - 0.5 * np.log(2 * np.pi) + np.log(step)
    for part in np.array_split(np.arange(len(t)), 1 + len(t) * len(e) // 1_000_000):
        terms = log_weight + log_expit(-t[part, None] - w * e)
        log_p[part] = logsumexp(terms, axis=1)
        mean[part] = np.exp(terms - log_p[part, None]) @ e
    return log_p, mean
