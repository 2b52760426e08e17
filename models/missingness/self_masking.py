"""Self-masking: the probability that a value is observed depends on the value itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn
from torch.nn.functional import softplus

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ..distributions.mask import ProbitBernoulli
from .affine import Affine, Link
from .base import Missingness
from .dependence import Dependence
from .directions import Sign, directions
from .equations import equation, in_units
from .shown import in_own_units, incomplete, term_of
from .shrinkage import checked_shrinkage
from .starts import score_of_rate


class SelfMasking(Missingness):
    """P(s_j = 1 | x) = link^-1(a_j x_j + b_j), the self-masking of not-MIWAE (Ipsen et al., 2021).

    Args:
        num_columns: the number p of columns.
        link: ``"logit"`` or ``"probit"``, the scale on which a_j x_j + b_j is linear.
        sign: the direction, where it is known: ``"+"`` or ``"high"`` where high values go missing
            (a_j < 0), ``"-"`` or ``"low"`` where low ones do, None or ``"free"`` where it is not
            known; one for all columns or one per column. (The named models take it by column name.)
        slope, offset: given values of a and b, for all columns or one per column; given values are
            not learnt. They apply to the standardised columns: :meth:`in_units_of` takes them in
            the data's own units. (``slope=-50, offset=37.5`` is the clipping mechanism of the
            paper's SVHN experiment, for data read with ``standardise=False``.)
        prior_scale: the standard deviation of a Normal prior with mean 0 on the slopes. They then
            have a posterior: they are a Pyro site ``slope`` outside the plate of the rows, and no
            sign may be given.
        shared: whether all columns share one slope, while each has its own offset. This suits
            columns that hold the same kind of measurement, such as ratings of items.
        shrinkage: the standard deviation of a Normal prior with mean 0 on slopes without a sign,
            which stay parameters, unlike under ``prior_scale``: a fit ends at their posterior mode.
            None is a flat prior. (Slopes are per standard deviation of a column, so 1.0 is weakly
            informative.)

    >>> import torch
    >>> from absentia.models import SelfMasking
    >>> hides_high = SelfMasking(2, slope=-3.0, offset=0.0)
    >>> hides_high(torch.tensor([[-1.0, 1.0]])).probs.round(decimals=3)
    tensor([[0.9530, 0.0470]])
    """

    def __init__(
        self,
        num_columns: int,
        link: Link = "logit",
        sign: Sign = None,
        slope: float | Sequence[float] | None = None,
        offset: float | Sequence[float] | None = None,
        prior_scale: float | None = None,
        shared: bool = False,
        shrinkage: float | None = None,
    ) -> None:
        super().__init__()
        if link not in ("logit", "probit"):
            raise InputError(f"link {link!r} is not one of logit, probit")
        if isinstance(sign, Mapping):
            raise InputError(
                "a mechanism does not know the names of the columns; give sign= as a list with one "
                "entry per column, or give it by name to a model such as NotMIWAE"
            )
        if slope is not None and (sign is not None or prior_scale is not None):
            raise InputError(
                "slope= is given, so that nothing about the slopes is learnt; leave out sign= and "
                "prior_scale="
            )
        if prior_scale is not None and not prior_scale > 0:
            raise InputError(f"prior_scale is {prior_scale}; give a positive number")
        if prior_scale is not None and sign is not None:
            raise InputError(
                "prior_scale= is a Normal prior, under which slopes have either sign; leave out "
                "sign= or prior_scale="
            )
        if shared and not (sign is None or isinstance(sign, str)):
            raise InputError(
                "shared=True gives all columns one slope, which has one direction; give sign= as "
                "one of '+', '-', 'high', 'low' or None"
            )
        if shared and prior_scale is not None:
            raise InputError(
                "prior_scale= is a prior on a slope for each column; leave out shared= or "
                "prior_scale="
            )
        if shrinkage is not None and (slope is not None or prior_scale is not None):
            raise InputError(
                "shrinkage= is for slopes that are learnt and have no other prior; leave out "
                "slope= and prior_scale=, or leave out shrinkage="
            )
        self.link, self.shared = link, shared
        self.shrinkage = checked_shrinkage(shrinkage)
        self.prior_scale = prior_scale
        slopes = 1 if shared else num_columns
        self.register_buffer("sign", _signs(sign, slopes))
        self.sign: Tensor
        self.fixed_slope = slope is not None
        self.fixed_offset = offset is not None
        self.raw_slope: Tensor
        self.offset: Tensor
        self._set("raw_slope", slope, slopes)
        self._set("offset", offset, num_columns)
        if slope is None:
            with torch.no_grad():
                start = torch.where(self.sign == 0, 0.0, _RAW_SLOPE_OF_KNOWN_SIGN)
                self.raw_slope.copy_(start)

    @classmethod
    def in_units_of(
        cls,
        data: IncompleteData,
        slope: float | Sequence[float],
        offset: float | Sequence[float],
        link: Link = "logit",
    ) -> SelfMasking:
        """Make the given mechanism link^-1(slope x + offset) with x in the data's own units.

        >>> import numpy as np
        >>> import absentia as ab
        >>> data = ab.IncompleteData.from_numpy(np.array([[50.0], [54.0], [np.nan]]))
        >>> mechanism = ab.models.SelfMasking.in_units_of(data, slope=-0.3, offset=15.6)
        >>> probability = mechanism(data.x).probs[0].item()     # at 50: logit -0.3 * 50 + 15.6
        >>> round(probability, 4)
        0.6457
        """
        a = np.broadcast_to(np.asarray(slope, dtype=float), data.scaler.scale.shape)
        b = np.broadcast_to(np.asarray(offset, dtype=float), a.shape)
        scaled = (a * data.scaler.scale).tolist(), (b + a * data.scaler.center).tolist()
        return cls(len(data.columns), link, slope=scaled[0], offset=scaled[1])

    def _set(self, name: str, value: float | Sequence[float] | None, columns: int) -> None:
        """Register a parameter that is learnt, or a buffer where its value is given."""
        start = torch.zeros(columns)
        if value is not None:
            given = torch.as_tensor(value, dtype=start.dtype)
            if given.dim() > 1 or given.numel() not in (1, columns):
                raise InputError(
                    f"{name.removeprefix('raw_')} has {given.numel()} values; give one number, or "
                    f"one for each of {columns} columns"
                )
            start = start + given
        if value is None and not (name == "raw_slope" and self.prior_scale is not None):
            self.register_parameter(name, nn.Parameter(start))
        else:
            self.register_buffer(name, start)

    @property
    def slope(self) -> Tensor:
        """The slopes a (p,) of the log-odds (or probit) of being *observed*.

        If ``prior_scale`` is given, this is the prior's mean; their posterior is in the guide.
        """
        raw = self.raw_slope
        if not self.fixed_slope and bool(self.sign.any()):
            raw = torch.where(self.sign == 0, raw, -self.sign * softplus(raw))
        return raw.expand_as(self.offset) if self.shared else raw

    def dependence(self, num_columns: int) -> Dependence:
        """Each column's absence depends on its own value and nothing else."""
        return Dependence.of_own_value(num_columns)

    def forward(self, x: Tensor, slope: Tensor | None = None) -> Bernoulli:
        """Return a Bernoulli (..., n, p); ``slope`` is given where it is a Pyro site."""
        score = (self.slope if slope is None else slope) * x + self.offset
        return ProbitBernoulli(score) if self.link == "probit" else Bernoulli(logits=score)

    def affine(self, x: Tensor, slope: Tensor | None = None) -> Affine:
        """Return slope, offset and link, with which missing values have closed-form integrals."""
        return Affine(self.slope if slope is None else slope, self.offset, self.link)

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of being missing, with slope and offset of one column."""
        intercept = -float(self.offset.expand_as(self.slope)[column])
        if self.prior_scale is not None:
            center = 0.0 if scaler is None else float(scaler.center[column])
            name = f"({names[column]} - {center:.4g})" if center else names[column]
            prior = f"[Normal(0, {self.prior_scale:g}) per sd]"
            return equation(self.link, names[column], intercept, [(prior, name)])
        return equation(
            self.link,
            names[column],
            *in_units(intercept, [(-float(self.slope[column]), column)], names, scaler),
        )

    def known(self, column: int) -> str | None:
        """Return "given", "prior", "direction" or "shrunk", or None where the slope is free."""
        if self.fixed_slope:
            return "given"
        if self.prior_scale is not None:
            return "prior"
        if bool(self.sign.expand_as(self.offset)[column] != 0):
            return "direction"
        return None if self.shrinkage is None else "shrunk"

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates, unless they were given."""
        if not self.fixed_offset:
            self.offset.copy_(score_of_rate(observed_rate, self.link))

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return slopes and offsets of the log-odds (or probit) of being observed."""
        own = self.slope[:1] if self.shared else self.slope
        return {"slope": sampled.get("slope", own), "offset": self.offset}

    def directions(self) -> dict[str, Tensor]:
        """Return the signs of the slopes of being observed, each opposite to ``sign``."""
        return {} if self.fixed_slope else {"slope": -self.sign}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return slopes and offsets of the log-odds (or probit) of being missing, in data units."""
        slopes = sampled.get("slope", self.slope)
        found: dict[str, Tensor] = {}
        for j, _ in incomplete(data):
            found |= in_own_units(data, j, self.offset[j], [(j, slopes[j])])
        return found

    def shown_directions(self, data: IncompleteData) -> dict[str, Tensor]:
        """Return the slopes' signs: 1 if high values go missing, -1 if low ones do, 0 if free."""
        if self.fixed_slope:
            return {}
        sign = self.sign.expand_as(self.offset)
        return {f"{name} ~ {term_of(data, j)}": sign[j] for j, name in incomplete(data)}

    @property
    def has_priors(self) -> bool:
        """Whether the slopes have a prior and are sampled as a Pyro site."""
        return self.prior_scale is not None

    def log_prior(self) -> Tensor | None:
        """Return the log-density Normal(0, shrinkage) of the slopes of free sign, summed."""
        free = self.sign == 0
        if self.shrinkage is None or not bool(free.any()):
            return None
        density = Normal(0.0, self.shrinkage).log_prob(self.raw_slope)
        return torch.where(free, density, 0.0).sum()

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample the site ``slope`` (p,) in the features plate, where the slopes have a prior."""
        if self.prior_scale is None:
            return {}
        zero = self.raw_slope.new_zeros(())
        with features:
            return {"slope": pyro.sample("slope", Normal(zero, zero + self.prior_scale))}


#: the initial raw slope where the sign is known; its softplus is 1, the initial absolute slope
_RAW_SLOPE_OF_KNOWN_SIGN = 0.5413


def _signs(sign: Sign, columns: int) -> Tensor:
    """Return +1 where high values go missing, -1 where low ones do, 0 where the sign is free."""
    found = directions(sign, [f"column {j}" for j in range(columns)])
    return torch.tensor([{"+": 1.0, "-": -1.0, None: 0.0}[one] for one in found])
