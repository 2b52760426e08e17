"""What distributions of a mask that wrap another one have in common."""

from __future__ import annotations

from typing import Any

from pyro.distributions import TorchDistribution
from torch import Size, Tensor


class OfBase(TorchDistribution):
    """A mask distribution that wraps another one, ``base``, with the same moments and samples."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch's own convention)

    def __init__(self, base: TorchDistribution) -> None:
        self.base = base
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """The support is that of the base distribution."""
        return self.base.support

    @property
    def mean(self) -> Tensor:
        """The mean is P(observed) of each cell."""
        return self.base.mean

    @property
    def variance(self) -> Tensor:
        """The variance is that of the base distribution."""
        return self.base.variance

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sample masks, which are 1 where a cell is observed."""
        return self.base.sample(Size(sample_shape))
