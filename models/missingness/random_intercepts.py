"""Self-masking with a random intercept for each group, as a Pyro program with its own site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from ..plates import Plate
from ..sites import ROW_DIM
from .affine import Affine
from .directions import Sign, directions
from .self_masking import SelfMasking
from .shown import incomplete


class RandomIntercepts(SelfMasking):
    """Self-masking with random group intercepts: logit P(s_ij = 1) = a_j x_ij + b_j + u_{g(i) j}.

    The groups, with u_gj ~ Normal(0, tau_j), are for example clinics, schools or interviewers that
    record more or less often. The intercepts are the Pyro site ``group_offset`` in the plates
    ``groups`` and ``features``, with the posterior in the model's ``coefficient_guide``; tau is
    learnt.

    Args:
        num_columns: the number p of columns.
        num_groups: the number of groups.
        covariate: the position of the covariate that holds the groups, as codes 0, 1, ...
        sign: see :class:`SelfMasking`.

    >>> import torch
    >>> from absentia.models import RandomIntercepts
    >>> mechanism = RandomIntercepts(3, num_groups=4)
    >>> mechanism(torch.zeros(7, 3), covariates=torch.zeros(7, 1)).batch_shape
    torch.Size([7, 3])
    """

    hyperparameters = ("log_tau",)

    def __init__(
        self, num_columns: int, num_groups: int, covariate: int = 0, sign: Sign = None
    ) -> None:
        super().__init__(num_columns, sign=sign)
        if num_groups < 1:
            raise InputError(f"num_groups is {num_groups}; give at least 1")
        self.num_groups, self.covariate = num_groups, covariate
        self.log_tau = nn.Parameter(torch.full((num_columns,), -1.0))

    @classmethod
    def by(cls, data: IncompleteData, column: str, sign: Sign = None) -> RandomIntercepts:
        """Group the rows by one of the data's covariates, a column with levels.

        Raises:
            ValueError: for a column that is not a covariate, or has no levels.
        """
        schema = data.covariate_schema
        names = () if schema is None else schema.names
        if schema is None or column not in names:
            raise InputError(
                f"'{column}' is not a covariate of the data; read it with "
                f"IncompleteData.from_frame(df, covariates=['{column}'])"
            )
        levels = schema[column].num_values
        if not levels:
            raise InputError(
                f"covariate '{column}' is {schema[column].kind}, but groups are levels; declare it "
                f"with schema={{'{column}': 'categorical'}}"
            )
        if isinstance(sign, Mapping):
            sign = directions(sign, data.columns)
        return cls(len(data.columns), levels, names.index(column), sign)

    def check(self, data: IncompleteData) -> None:
        """Refuse group codes that are not 0, 1, ..."""
        if "covariates" not in data.extras():
            raise InputError(
                "the groups are read from a covariate, and the data have no covariates; read the "
                "data with IncompleteData.from_frame(df, covariates=[...])"
            )
        codes = data.extras()["covariates"][:, self.covariate]
        bad = (codes < 0) | (codes >= self.num_groups) | (codes != codes.round())
        if bool(bad.any()):
            row = int(bad.nonzero()[0])
            raise InputError(
                f"covariate {self.covariate} is {float(codes[row]):g} in row {data.index[row]!r}, "
                f"which is not the code of a group; codes are 0 to {self.num_groups - 1}"
            )

    def _offset(self, covariates: Tensor, group_offset: Tensor | None) -> Tensor:
        if group_offset is None:  # outside a Pyro program: an average group
            return self.offset.expand(len(covariates), -1)
        return self.offset + group_offset[covariates[..., self.covariate].long()]

    # beyond the arguments of self-masking it takes the covariate with the groups
    def forward(  # type: ignore[override]
        self, x: Tensor, covariates: Tensor, group_offset: Tensor | None = None
    ) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.slope * x + self._offset(covariates, group_offset))

    def affine(  # type: ignore[override]
        self, x: Tensor, covariates: Tensor, group_offset: Tensor | None = None
    ) -> Affine:
        """Return the slopes, and an offset for each row."""
        return Affine(self.slope, self._offset(covariates, group_offset), "logit")

    @property
    def has_priors(self) -> bool:
        """True, since the groups' offsets always have a prior."""
        return True

    def estimands(self, **sampled: Tensor) -> dict[str, Tensor]:
        """Return slopes, offsets, and the groups' deviations from them."""
        return {"slope": self.slope, "offset": self.offset, **sampled}

    def shown(self, data: IncompleteData, **sampled: Tensor) -> dict[str, Tensor]:
        """Return slopes, intercepts of an average group, and the groups' deviations from it."""
        found = super().shown(data)
        for j, name in incomplete(data) if "group_offset" in sampled else ():
            for g, deviation in enumerate(sampled["group_offset"][:, j]):
                found[f"{name} ~ group {g}"] = -deviation
        return found

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample the site ``group_offset`` of shape (groups, p)."""
        zero = torch.zeros_like(self.offset)
        with Plate("groups", self.num_groups, dim=ROW_DIM), features:
            return {"group_offset": pyro.sample("group_offset", Normal(zero, self.log_tau.exp()))}

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write self-masking's equation, plus the spread of the groups."""
        tau = float(self.log_tau[column].exp())
        return f"{super().equation(column, names, scaler)} + group (sd {tau:.3g})"
