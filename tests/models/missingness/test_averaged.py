"""What every step of a fit asks the averaged mechanism for, against longer ways to the same."""

import pytest
import torch
from pyro.distributions import Cauchy, Normal, StudentT

from absentia.models import AveragedMissingness
from absentia.models.missingness.averaged import (
    LOADING_RATE,
    LOADING_SHAPE,
    SHARED_SCALE,
    SLOPE_DF,
    SLOPE_SCALE,
)


@pytest.mark.parametrize("complete", [[], [0, 2]])
def test_prior_is_that_of_the_distributions(complete: list[int]) -> None:
    torch.manual_seed(0)
    mechanism = AveragedMissingness(5, 3, mask_latent_dim=2, complete=complete).double()
    for parameter in mechanism.parameters():
        parameter.data.normal_()

    def sd(width: int) -> float:
        return (LOADING_RATE / (LOADING_SHAPE + 1) / width) ** 0.5

    expected = (
        StudentT(SLOPE_DF, 0.0, SLOPE_SCALE).log_prob(mechanism.slope).sum()
        + Normal(0.0, sd(3)).log_prob(mechanism.loading).sum()
        + Cauchy(0.0, SHARED_SCALE).log_prob(mechanism.shared).sum()
    )
    if complete:
        expected = expected + Normal(0.0, sd(2)).log_prob(mechanism.of_complete).sum()
    found = mechanism.log_prior()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    learnt = [p for p in mechanism.parameters() if p.requires_grad]
    ours, theirs = (torch.autograd.grad(t, learnt, allow_unused=True) for t in (found, expected))
    for own, other in zip(ours, theirs, strict=True):
        assert (own is None) == (other is None)
        if own is not None:
            torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-8)


def test_columns_depend_on_what_has_a_coefficient() -> None:
    own = torch.eye(4, dtype=torch.bool)
    mechanism = AveragedMissingness(4, 2, complete=[1])
    reads = own.clone()
    reads[:, 1] = True
    assert mechanism.dependence(4).reads.equal(reads)
    mechanism.others[2, 3] = 0.5
    reads[2, 3] = True
    assert mechanism.dependence(4).reads.equal(reads)
    # what was given to others before is not changed by it
    mechanism.others.zero_()
    reads[2, 3] = False
    assert mechanism.dependence(4).reads.equal(reads)
    assert AveragedMissingness(4, 2).dependence(4).reads.equal(own)
