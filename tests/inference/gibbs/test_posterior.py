"""What draws of the parameters say of a mechanism."""

import numpy as np
import pytest
import torch

from absentia.data import Standardiser
from absentia.inference.gibbs.posterior import NO_FORM, Posterior
from absentia.models.missingness.averaged import FORMS


def test_slopes_are_averaged_over_the_masks_own_latent():
    """P(missing | x) = E Phi(b + a x + g v) = Phi((b + a x) / sqrt(1 + g^2)) for a Normal v."""
    own = list(FORMS).index("own value")
    tensors = {
        "missingness.slope": torch.tensor([[-1.0, 0.0], [-2.0, 0.0]]),
        "missingness.shared": torch.tensor([[[3.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]),
    }
    forms = torch.tensor([[own, NO_FORM], [own, NO_FORM]])
    odds = torch.zeros(2, len(FORMS))
    odds[0, own] = 1.0
    scaler = Standardiser(np.zeros(2), np.ones(2))
    table = Posterior(tensors, forms, odds, scaler, torch.ones(1)).table(["a", "b"])
    assert list(table.index) == ["a"]
    assert table.loc["a", "slope"] == pytest.approx(1.6 * (10**-0.5 + 2) / 2)
    assert table.loc["a", "together"] == pytest.approx((0.9 + 0) / 2)
    alone = Posterior({"missingness.slope": tensors["missingness.slope"]}, forms, odds, scaler,
                      torch.ones(1)).table(["a", "b"])  # fmt: skip
    assert alone.loc["a", "slope"] == pytest.approx(1.6 * 1.5)
    assert alone.loc["a", "together"] == 0
