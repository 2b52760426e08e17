"""The hyperbolic tangent against torch's own."""

import pytest
import torch

from absentia.models.networks.mlp import mlp
from absentia.models.networks.tanh import Tanh


@pytest.mark.parametrize(("kind", "error"), [(torch.float32, 2.5e-7), (torch.float64, 5e-16)])
def test_it_is_torchs_own(kind, error):
    x = torch.linspace(-60, 60, 100_001, dtype=kind)
    given = x.clone()
    with torch.no_grad():
        found = Tanh()(x)
    assert float((found - torch.tanh(x)).abs().max()) < error
    assert torch.equal(x, given)


def test_gradients_are_torchs_own():
    torch.manual_seed(0)
    network = mlp(3, [8, 8], 2)
    assert sum(isinstance(layer, Tanh) for layer in network) == 2
    x = torch.randn(20, 3)
    by_hand = x
    for layer in network:
        by_hand = torch.tanh(by_hand) if isinstance(layer, Tanh) else layer(by_hand)
    assert torch.equal(network(x), by_hand)
    with torch.no_grad():
        torch.testing.assert_close(network(x), by_hand.detach())
