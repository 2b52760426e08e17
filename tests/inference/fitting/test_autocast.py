"""Hidden layers in bfloat16 change a fit by their rounding, and nothing else."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.fitting.autocast import hidden_in_bfloat16


def fitted(**settings):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 1)) + 0.5 * rng.normal(size=(80, 3))
    rows[rows[:, 0] > 0.7, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    model = ab.NotMIWAE(data, sign="+", latent_dim=2, hidden=[16], seed=0)
    quick = {"steps": 30, "particles": 5, "evaluations": 3, "progress": False, "check": False}
    return ab.fit(model, data, **quick, **settings)


def test_a_fit_in_bfloat16_is_the_same_but_for_rounding():
    exact, lower = fitted(), fitted(autocast=True)
    assert lower.settings.autocast
    assert lower.bound != exact.bound
    # bfloat16 has three digits; the bound itself moved by far more during these steps
    assert lower.bound == pytest.approx(exact.bound, abs=0.05)
    assert np.ptp(exact.history["train_bound"]) > 0.2
    assert all(p.dtype == torch.float32 for p in lower.model.parameters())


def test_networks_are_as_before_when_the_block_ends():
    decoder = fitted().model.decoder
    z = torch.randn(4, 2)
    before = decoder(z).mean

    def stopped():
        with hidden_in_bfloat16(decoder):
            assert not torch.equal(decoder(z).mean, before)
            assert decoder(z).mean.dtype == torch.float32
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stopped()
    assert torch.equal(decoder(z).mean, before)


def test_other_values_are_refused():
    with pytest.raises(ValueError, match=r"autocast is 'bf16'; give True or False"):
        fitted(autocast="bf16")
