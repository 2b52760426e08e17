"""A mechanism for groups of columns that are missing together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ...data.errors import InputError
from .base import Missingness
from .dependence import Dependence
from .equations import equation, in_units
from .starts import score_of_rate


class GroupMissingness(Missingness):
    """Columns of a group are missing together: logit P(group seen) = b_g + sum_{j in g} a_j x_j.

    A group is, for example, a page of a questionnaire, a blood sample or a day of a diary. There is
    one mask per group, whose log-density is that of the group's first column; the other columns
    have 0. A column in no group is a group of its own, which is self-masking.

    Args:
        num_columns: the number p of columns.
        groups: the positions of the columns in each group.

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
            raise InputError(
                f"groups are {[list(g) for g in groups]}; give positions from 0 to "
                f"{num_columns - 1}, each at most once"
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

    def forward(self, x: Tensor) -> GroupMask:
        """Return one Bernoulli per group, repeated over the columns of the group."""
        term = self.slope * x
        total = torch.zeros_like(term).index_add(-1, self.first, term)
        return GroupMask((total + self._offsets())[..., self.first], self.first)

    def _offsets(self) -> Tensor:
        return self.offset[self.group_of]

    def dependence(self, num_columns: int) -> Dependence:
        """A group's absence depends on the values of all of its columns."""
        together = (self.group_of.unsqueeze(0) == self.group_of.unsqueeze(1)).cpu()
        return replace(Dependence.of_no_value(num_columns), reads=together)

    def check(self, data: IncompleteData) -> None:
        """Refuse rows in which a group is only partly observed."""
        s = data.s
        for group in self.members:
            partly = (s[:, group] != s[:, group[:1]]).any(1)
            if bool(partly.any()):
                names = ", ".join(data.columns[j] for j in group)
                row = int(partly.nonzero()[0])
                raise InputError(
                    f"the columns {names} are declared to be missing together, but row "
                    f"{data.index[row]!r} has some and not others; leave these columns out of "
                    f"groups="
                )

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of the column's group being missing."""
        group = self.members[int(self.group_of[column])]
        terms = [(-float(self.slope[j]), j) for j in group]
        intercept = -float(self.offset[self.group_of[column]])
        return equation("logit", names[column], *in_units(intercept, terms, names, scaler))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the observed rates."""
        self.offset.copy_(score_of_rate(observed_rate[[group[0] for group in self.members]]))


class GroupMask(Bernoulli):
    """One Bernoulli per group of columns, whose log-density is that of the first column."""

    def __init__(self, logits: Tensor, first: Tensor, validate_args: bool | None = None) -> None:
        self.first = first
        super().__init__(logits=logits, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: object = None) -> GroupMask:
        """Return the same distribution over more leading dimensions."""
        return GroupMask(self.logits.expand(batch_shape), self.first, validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sample masks that agree within each group."""
        return super().sample(sample_shape)[..., self.first]

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of a group in its first column, else 0; -inf in mixed groups."""
        own = torch.arange(len(self.first), device=self.first.device) == self.first
        log_prob = super().log_prob(value).where(own, 0.0)
        agrees = value == value[..., self.first]
        return log_prob.where(agrees, -torch.inf)
