"""Mechanisms that read what stands beside the value: observed columns, latents, groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ..plates import Plate
from ..sites import ROW_DIM
from .base import Affine, Missingness, logit_of_rate
from .description import equation, in_units
from .self_masking import SelfMasking, Sign


class ObservedMissingness(Missingness):
    """logit P(s_j = 1 | x) = b_j + sum over columns k that are never missing of w_jk x_k: MAR.

    It changes no imputation of its own (the mechanism is ignorable in Rubin's sense), but it makes
    p(s | x) a model that can be drawn from, compared by its bound, and tilted in a sensitivity
    analysis.

    :param observed: positions of the columns that are never missing.

    >>> import torch
    >>> from absentia.models import ObservedMissingness
    >>> ObservedMissingness(3, observed=[0])(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    elementwise = True

    def __init__(self, num_columns: int, observed: Sequence[int]) -> None:
        super().__init__()
        wrong = [k for k in observed if not 0 <= k < num_columns]
        if wrong or not len(observed):
            raise ValueError(
                f"observed is {list(observed)}; give positions from 0 to {num_columns - 1}"
            )
        self.observed: Tensor
        self.register_buffer("observed", torch.tensor(list(observed)), persistent=False)
        self.linear = nn.Linear(len(observed), num_columns)
        nn.init.zeros_(self.linear.weight)

    def check(self, data: IncompleteData) -> None:
        """Refuse a table in which one of these columns has missing values."""
        for k in self.observed.tolist():
            if not bool(data.s[:, k].all()):
                raise ValueError(
                    f"column '{data.columns[k]}' is declared never missing, but has missing "
                    f"values; leave it out of observed="
                )

    def forward(self, x: Tensor) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.linear(x[..., self.observed]))

    def affine(self, x: Tensor) -> Affine:
        """Of slope zero, with an offset a row."""
        offset = self.linear(x[..., self.observed])
        return Affine(torch.zeros_like(self.linear.bias), offset, "logit")

    def reads(self, num_columns: int) -> Tensor:
        """The columns that are never missing."""
        found = torch.zeros(num_columns, num_columns, dtype=torch.bool)
        found[:, self.observed] = True
        return found

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Weights turned to the log-odds of being missing."""
        weights = zip(self.linear.weight[column].tolist(), self.observed.tolist(), strict=True)
        terms = [(-w, k) for w, k in weights]
        intercept = -float(self.linear.bias[column])
        return equation("logit", names[column], *in_units(intercept, terms, names, scaler))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Offsets from the observed rates."""
        self.linear.bias.copy_(logit_of_rate(observed_rate))


class NoSelfCensoring(Missingness):
    """logit P(s_j = 1 | row) = b_j + w_j' u with u a latent of the row: none reads its own value.

    Values and masks are then independent given the latents. ``latent="z"`` shares the latent of
    x, so that the mask informs the values through it (a shared-parameter model: Wu & Carroll,
    Biometrics 1988); ``latent="mask"`` gives the mask a latent of its own, site ``z_mask``, which
    lets absences depend on each other and on nothing else.

    :param latent_dim: of z, or of the mask's own latent.

    >>> import torch
    >>> from absentia.models import NoSelfCensoring
    >>> NoSelfCensoring(3, 2)(torch.zeros(7, 3), z=torch.zeros(7, 2)).batch_shape
    torch.Size([7, 3])
    """

    elementwise = True

    def __init__(self, num_columns: int, latent_dim: int, latent: str = "z") -> None:
        super().__init__()
        if latent not in ("z", "mask"):
            raise ValueError(f"latent {latent!r} is not one of z, mask")
        self.asks = ("z" if latent == "z" else "z_mask",)
        self.mask_latent_dim = 0 if latent == "z" else latent_dim
        self.linear = nn.Linear(latent_dim, num_columns)
        # away from zero: at zero the encoder of a latent of the mask's own would learn nothing
        nn.init.normal_(self.linear.weight, std=0.1)

    def forward(
        self, x: Tensor, z: Tensor | None = None, z_mask: Tensor | None = None
    ) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self._logits(z, z_mask))

    def _logits(self, z: Tensor | None, z_mask: Tensor | None) -> Tensor:
        logits: Tensor = self.linear(z if z is not None else z_mask)
        return logits

    def affine(self, x: Tensor, z: Tensor | None = None, z_mask: Tensor | None = None) -> Affine:
        """Of slope zero, with an offset a row and particle."""
        return Affine(torch.zeros_like(self.linear.bias), self._logits(z, z_mask), "logit")

    def reads(self, num_columns: int) -> Tensor:
        """No value at all."""
        return torch.zeros(num_columns, num_columns, dtype=torch.bool)

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Its form; a latent has no units."""
        latent = "mask_latent" if self.mask_latent_dim else "latent"
        terms = [
            (-float(w), f"{latent}[{d + 1}]") for d, w in enumerate(self.linear.weight[column])
        ]
        return equation("logit", names[column], -float(self.linear.bias[column]), terms)

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Offsets from the observed rates."""
        self.linear.bias.copy_(logit_of_rate(observed_rate))


class RandomIntercepts(SelfMasking):
    """Self-masking whose offsets differ by group: logit P(s_ij = 1) = a_j x_ij + b_j + u_{g(i) j}.

    u_gj ~ Normal(0, tau_j): clinics, schools, interviewers that record more or less. A Pyro program
    with a site of its own, ``group_offset`` in the plates ``groups`` and ``features``; its
    posterior is the model's ``coefficient_guide``, tau is learnt.

    :param num_groups: how many groups there are.
    :param covariate: which covariate holds the group, as codes 0, 1, ...
    :param sign: see :class:`SelfMasking`.

    >>> import torch
    >>> from absentia.models import RandomIntercepts
    >>> mechanism = RandomIntercepts(3, num_groups=4)
    >>> mechanism(torch.zeros(7, 3), covariates=torch.zeros(7, 1)).batch_shape
    torch.Size([7, 3])
    """

    asks = ("covariates",)

    def __init__(
        self, num_columns: int, num_groups: int, covariate: int = 0, sign: Sign = None
    ) -> None:
        super().__init__(num_columns, sign=sign)
        if num_groups < 1:
            raise ValueError(f"num_groups is {num_groups}; give at least 1")
        self.num_groups, self.covariate = num_groups, covariate
        self.log_tau = nn.Parameter(torch.full((num_columns,), -1.0))

    @classmethod
    def by(cls, data: IncompleteData, column: str, sign: Sign = None) -> RandomIntercepts:
        """Grouped by one of the data's covariates, a column with levels.

        :raises ValueError: for a column that is no covariate, or has no levels.
        """
        schema = data.covariate_schema
        names = () if schema is None else schema.names
        if schema is None or column not in names:
            raise ValueError(
                f"'{column}' is no covariate of the data; read them with "
                f"IncompleteData.from_frame(df, covariates=['{column}'])"
            )
        levels = schema[column].num_values
        if not levels:
            raise ValueError(f"covariate '{column}' is {schema[column].kind}; groups need levels")
        return cls(len(data.columns), levels, names.index(column), sign)

    def check(self, data: IncompleteData) -> None:
        """Refuse group codes that are not 0, 1, ..."""
        codes = data.extras()["covariates"][:, self.covariate]
        bad = (codes < 0) | (codes >= self.num_groups) | (codes != codes.round())
        if bool(bad.any()):
            row = int(bad.nonzero()[0])
            raise ValueError(
                f"covariate {self.covariate}, row {data.index[row]!r}: {float(codes[row]):g} is no "
                f"group from 0 to {self.num_groups - 1}"
            )

    def _offset(self, covariates: Tensor, group_offset: Tensor | None) -> Tensor:
        if group_offset is None:  # outside of a model: an average group
            return self.offset.expand(len(covariates), -1)
        return self.offset + group_offset[covariates[..., self.covariate].long()]

    def forward(
        self, x: Tensor, covariates: Tensor, group_offset: Tensor | None = None
    ) -> Bernoulli:
        """Bernoulli of batch shape (..., n, p)."""
        return Bernoulli(logits=self.slope * x + self._offset(covariates, group_offset))

    def affine(self, x: Tensor, covariates: Tensor, group_offset: Tensor | None = None) -> Affine:
        """Slopes, and an offset a row."""
        return Affine(self.slope, self._offset(covariates, group_offset), "logit")

    @property
    def has_priors(self) -> bool:
        """The groups' offsets."""
        return True

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Site ``group_offset`` (groups, p)."""
        zero = torch.zeros_like(self.offset)
        with Plate("groups", self.num_groups, dim=ROW_DIM), features:
            return {"group_offset": pyro.sample("group_offset", Normal(zero, self.log_tau.exp()))}

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Self-masking, and the spread of the groups."""
        tau = float(self.log_tau[column].exp())
        return f"{super().equation(column, names, scaler)} + group (sd {tau:.3g})"


class GroupMissingness(Missingness):
    """Columns of a group go missing together: logit P(group seen) = b_g + sum_{j in g} a_j x_j.

    A questionnaire's page, a blood sample, a day of a diary. One draw of s serves the whole group;
    its density stands at the group's first column. Columns in no group are a group of their own,
    which is self-masking.

    :param groups: lists of column positions.

    >>> import torch
    >>> from absentia.models import GroupMissingness
    >>> s = GroupMissingness(3, groups=[[0, 2]])(torch.zeros(7, 3)).sample()
    >>> bool((s[:, 0] == s[:, 2]).all())
    True
    """

    def __init__(self, num_columns: int, groups: Sequence[Sequence[int]]) -> None:
        super().__init__()
        named = [j for group in groups for j in group]
        if len(set(named)) < len(named) or any(not 0 <= j < num_columns for j in named):
            raise ValueError(
                f"groups {[list(g) for g in groups]}: give each position from 0 to "
                f"{num_columns - 1} at most once"
            )
        whole = [sorted(group) for group in groups]
        whole += [[j] for j in range(num_columns) if j not in named]
        self.members = sorted(group for group in whole if group)
        first = torch.zeros(num_columns, dtype=torch.long)
        for group in self.members:
            first[group] = group[0]
        self.first: Tensor
        self.register_buffer("first", first, persistent=False)
        self.slope = nn.Parameter(torch.zeros(num_columns))
        self.offset = nn.Parameter(torch.zeros(len(self.members)))
        of = torch.zeros(num_columns, dtype=torch.long)
        for g, group in enumerate(self.members):
            of[group] = g
        self.group_of: Tensor
        self.register_buffer("group_of", of, persistent=False)
        self.elementwise = len(self.members) == num_columns

    def forward(self, x: Tensor) -> GroupMask:
        """One Bernoulli a group, shown at all of its columns."""
        term = self.slope * x
        total = torch.zeros_like(term).index_add(-1, self.first, term)
        return GroupMask((total + self._offsets())[..., self.first], self.first)

    def _offsets(self) -> Tensor:
        return self.offset[self.group_of]

    def drawn_columns(self, num_columns: int) -> Tensor:
        """Columns of groups of two and more."""
        counts = self.group_of.bincount(minlength=len(self.members))
        return (counts[self.group_of] > 1).cpu()

    def reads(self, num_columns: int) -> Tensor:
        """A group's absence depends on all of its values."""
        return (self.group_of.unsqueeze(0) == self.group_of.unsqueeze(1)).cpu()

    def check(self, data: IncompleteData) -> None:
        """Refuse rows in which a group is seen in part."""
        s = data.s
        for group in self.members:
            partly = (s[:, group] != s[:, group[:1]]).any(1)
            if bool(partly.any()):
                names = ", ".join(data.columns[j] for j in group)
                row = int(partly.nonzero()[0])
                raise ValueError(
                    f"columns {names} are declared to go missing together, but row "
                    f"{data.index[row]!r} has only some of them; leave them out of the group"
                )

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Of the column's group."""
        group = self.members[int(self.group_of[column])]
        terms = [(-float(self.slope[j]), j) for j in group]
        intercept = -float(self.offset[self.group_of[column]])
        return equation("logit", names[column], *in_units(intercept, terms, names, scaler))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Offsets from the observed rates."""
        self.offset.copy_(logit_of_rate(observed_rate[[group[0] for group in self.members]]))


class GroupMask(Bernoulli):
    """A Bernoulli a group of columns: one draw for all, its density at the group's first column."""

    def __init__(self, logits: Tensor, first: Tensor, validate_args: bool | None = None) -> None:
        self.first = first
        super().__init__(logits=logits, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: object = None) -> GroupMask:
        """The same distribution over more leading dimensions."""
        return GroupMask(self.logits.expand(batch_shape), self.first, validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Masks that agree within groups."""
        return super().sample(sample_shape)[..., self.first]

    def log_prob(self, value: Tensor) -> Tensor:
        """Of the group at its first column, zero at the others; -inf for a group seen in part."""
        own = torch.arange(len(self.first), device=self.first.device) == self.first
        log_prob = super().log_prob(value).where(own, 0.0)
        agrees = value == value[..., self.first]
        return log_prob.where(agrees, -torch.inf)
