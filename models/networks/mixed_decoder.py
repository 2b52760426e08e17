"""A decoder for columns of different families: numbers, levels, grades and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pyro.distributions import Normal, StudentT
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

from ...data.errors import InputError
from ..distributions.mixed import FiniteValues, MixedColumns
from .decoders import NetworkDecoder
from .families import COUNT, GRADED, NOMINAL, REAL, Families
from .scales import ScaleKind


class MixedDecoder(NetworkDecoder):
    """A decoder of columns of different families, x | z, from the outputs of one network.

    For each column the network computes, by the column's family,

    * a real number: the location of a Normal (or Student-t), as in :class:`GaussianDecoder`;
    * one of V levels: V - 1 logits, next to a zero for the first level;
    * one of V grades: eta(z), with p(v) proportional to exp(c_v + v eta(z)), the
      adjacent-categories logit model (Agresti, Categorical Data Analysis, 2013, section 8.3.4);
    * a count 0..V - 1: eta(z), with p(v) proportional to Gamma(v + r) / v! exp(v eta(z)), a
      negative binomial of dispersion r that is truncated at the limit that the schema states.

    Every discrete family has a finite support, so missing values can be summed out exactly.
    (Mixed-type decoders: Nazabal et al., HI-VAE, Pattern Recognition 2020.)

    Args:
        latent_dim: the number d of latent dimensions.
        families: one entry per column, see :func:`absentia.models.networks.families.families_of`.
        hidden, activation, scale, floor, skip: see :class:`NetworkDecoder`; scale and floor are
            those of the real columns.
        real: the distribution of the real columns, ``"gaussian"`` or ``"student-t"``.

    >>> import torch
    >>> from absentia.models import MixedDecoder
    >>> families = [{"family": "real"}, {"family": "nominal", "values": 3}]
    >>> MixedDecoder(2, families, hidden=[16])(torch.zeros(7, 2)).batch_shape
    torch.Size([7, 2])
    """

    def __init__(
        self,
        latent_dim: int,
        families: Families,
        hidden: Sequence[int] = (128, 128),
        activation: str = "tanh",
        scale: ScaleKind = "entry",
        floor: float = 1e-2,
        skip: bool = False,
        real: Literal["gaussian", "student-t"] = "gaussian",
    ) -> None:
        if real not in ("gaussian", "student-t"):
            raise InputError(f"real {real!r} is not one of gaussian, student-t")
        of = {name: [j for j, f in enumerate(families) if f["family"] == name] for name in _ORDER}
        values = {name: [families[j]["values"] for j in of[name]] for name in _ORDER[1:]}
        levels = max(values[NOMINAL], default=1) - 1
        widths = {REAL: 1, NOMINAL: levels, GRADED: 1, COUNT: 1}
        outputs = sum(len(of[name]) * widths[name] for name in _ORDER)
        super().__init__(
            latent_dim,
            len(of[REAL]) or 1,
            hidden=hidden,
            activation=activation,
            scale=scale,
            floor=floor,
            skip=skip,
            outputs=outputs,
        )
        self.num_columns = len(families)
        self.real_columns: Tensor
        self.nominal_columns: Tensor
        self.graded_columns: Tensor
        self.count_columns: Tensor
        self.count_beyond: Tensor
        self._widths = [len(of[name]) * widths[name] for name in _ORDER]
        self._levels = levels
        for name in _ORDER:
            self.register_buffer(f"{name}_columns", torch.tensor(of[name]).long(), persistent=False)
        for name in _ORDER[1:]:
            counts = torch.tensor(values[name])
            beyond = torch.arange(max(values[name], default=0)) >= counts.unsqueeze(-1)
            self.register_buffer(f"{name}_beyond", beyond, persistent=False)
        if not of[REAL]:
            self.scale = None  # type: ignore[assignment]
        if of[GRADED]:
            self.grades = nn.Parameter(torch.zeros(len(of[GRADED]), max(values[GRADED])))
        if of[COUNT]:
            self.dispersion = nn.Parameter(torch.ones(len(of[COUNT])))
        self.df = nn.Parameter(torch.full((len(of[REAL]),), 3.0)) if real == "student-t" else None

    def forward(self, z: Tensor) -> MixedColumns:
        """Return MixedColumns of batch shape (..., n, p)."""
        hidden = self.network(z)
        output = self.mean(hidden)
        if self.skip is not None:
            output = output + self.skip(z)
        real, nominal, graded, count = output.split(self._widths, -1)
        parts: list[tuple[Tensor, Any]] = []
        if self.scale is not None:
            scale = self.scale(hidden)
            normal = Normal(real, scale)
            given = normal if self.df is None else StudentT(2.0 + softplus(self.df), real, scale)
            parts.append((self.real_columns, given))
        if len(self.nominal_columns):
            logits = pad(nominal.unflatten(-1, (-1, self._levels)), (1, 0))
            parts.append((self.nominal_columns, self._finite(NOMINAL, logits)))
        if len(self.graded_columns):
            logits = self.grades + self._steps(graded, self.grades.shape[-1])
            parts.append((self.graded_columns, self._finite(GRADED, logits)))
        if len(self.count_columns):
            steps = self._steps(count, self.count_beyond.shape[-1])
            r = softplus(self.dispersion).unsqueeze(-1)
            values = torch.arange(steps.shape[-1], dtype=z.dtype, device=z.device)
            base = torch.lgamma(values + r) - torch.lgamma(r) - torch.lgamma(values + 1)
            parts.append((self.count_columns, self._finite(COUNT, base + steps)))
        return MixedColumns(parts)

    @staticmethod
    def _steps(eta: Tensor, values: int) -> Tensor:
        """Return v eta for v = 0, 1, ...: (..., n, p) -> (..., n, p, V)."""
        return eta.unsqueeze(-1) * torch.arange(values, dtype=eta.dtype, device=eta.device)

    def _finite(self, name: str, logits: Tensor) -> FiniteValues:
        beyond = self.get_buffer(f"{name}_beyond")
        return FiniteValues(logits.masked_fill(beyond, -torch.inf), validate_args=False)


_ORDER = (REAL, NOMINAL, GRADED, COUNT)
