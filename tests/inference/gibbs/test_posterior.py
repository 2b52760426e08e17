"""What draws of the parameters say of a mechanism."""

import numpy as np
import pytest
import torch

from absentia.data import Standardiser
from absentia.inference.gibbs.posterior import (
    NO_FORM,
    Posterior,
    posterior_of_tensors,
    tensors_of_posterior,
)
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
    table = Posterior(tensors, forms, odds, scaler).table(["a", "b"])
    assert list(table.index) == ["a"]
    assert table.loc["a", "slope"] == pytest.approx(1.6 * (10**-0.5 + 2) / 2)
    assert table.loc["a", "together"] == pytest.approx((0.9 + 0) / 2)
    slopes = {"missingness.slope": tensors["missingness.slope"]}
    alone = Posterior(slopes, forms, odds, scaler).table(["a", "b"])
    assert alone.loc["a", "slope"] == pytest.approx(1.6 * 1.5)
    assert alone.loc["a", "together"] == 0


def test_saved_fits_that_had_weights_of_chains_are_read():
    forms, odds = torch.zeros(2, 1, dtype=torch.long), torch.ones(1, len(FORMS))
    scaler = Standardiser(np.zeros(1), np.ones(1))
    kept = tensors_of_posterior(Posterior({"a": torch.ones(2)}, forms, odds, scaler))
    assert set(kept) == {"posterior/a", "posterior/forms", "posterior/odds"}
    older = {**kept, "posterior/chains": torch.tensor([0.75, 0.25]), "bias": torch.zeros(1)}
    read, others = posterior_of_tensors(older, {"posterior_scaler": scaler.to_dict()})
    assert set(read.tensors) == {"a"}
    assert torch.equal(read.odds, odds)
    assert set(others) == {"bias"}
