"""Which values the absence of each column depends on, and which columns are ignorable."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dependence:
    """The values that a mechanism depends on, from which the rest of its structure follows.

    Attributes:
        reads: (p, p) booleans, ``reads[j, k]`` where the absence of column j depends on the value
            of column k.
        ignorable: (p,) booleans, the columns whose mask is left out of the likelihood.
        seen_only: whether values of other columns are read only where they are observed, so that
            the mechanism never needs a missing value of another column.

    >>> own = Dependence.of_own_value(3)
    >>> own.sampled.any().item(), own.columnwise
    (False, True)
    """

    reads: Tensor
    ignorable: Tensor
    seen_only: bool = False

    @classmethod
    @functools.cache  # every step of a fit asks for it
    def of_own_value(cls, num_columns: int, seen_only: bool = False) -> Dependence:
        """Each column's absence depends on its own value."""
        with torch.inference_mode(False):
            eye = torch.eye(num_columns, dtype=torch.bool)
            return cls(eye, torch.zeros(num_columns, dtype=torch.bool), seen_only)

    @classmethod
    def of_every_value(cls, num_columns: int) -> Dependence:
        """Each column's absence depends on all values of the row."""
        every = torch.ones(num_columns, num_columns, dtype=torch.bool)
        return cls(every, torch.zeros(num_columns, dtype=torch.bool))

    @classmethod
    def of_no_value(cls, num_columns: int, ignorable: bool = False) -> Dependence:
        """The mask depends on no value: on latents alone, or it is left out of the likelihood."""
        none = torch.zeros(num_columns, num_columns, dtype=torch.bool)
        return cls(none, torch.full((num_columns,), ignorable))

    @functools.cached_property
    def sampled(self) -> Tensor:
        """The columns (p,) to be sampled where they are missing, since another column depends on
        them.

        All other missing values can be integrated out.
        """
        if self.seen_only:
            return torch.zeros_like(self.ignorable)
        return self._others.any(0)

    @functools.cached_property
    def columnwise(self) -> bool:
        """Whether each column's missingness probability depends on its own value alone."""
        return not self.seen_only and not bool(self._others.any())

    @property
    def free(self) -> Tensor:
        """The columns (p,) whose absence does not depend on their own value, given z."""
        return ~self.reads.diagonal()

    @property
    def _others(self) -> Tensor:
        return self.reads & ~torch.eye(len(self.reads), dtype=torch.bool)
