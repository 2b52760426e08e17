"""Encoders: the exact conditional against its formula, and what each one may see."""

import numpy as np
import pytest
import torch

from absentia.models import (
    ExactConditionalEncoder,
    GaussianDecoder,
    LinearGaussianDecoder,
    MaskAwareEncoder,
    SetEncoder,
    ZeroFilledEncoder,
)
from tests.contracts import D, N, P, randomised


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(6)
    x = torch.randn(N, P, generator=generator)
    s = torch.rand(N, P, generator=generator) < 0.6
    s[0], s[1] = True, False
    assert not s[2:].all()
    return torch.where(s, x, 0.0), s


def same(a, b):
    return torch.equal(a.mean, b.mean) and torch.equal(a.variance, b.variance)


@pytest.mark.parametrize("scale", ["shared", "column"])
def test_exact_conditional_is_the_conditional_of_the_joint_gaussian(table, scale):
    """Against Gaussian conditioning in x-space: W_o^T (W_o W_o^T + S_o)^-1, row by row."""
    x, s = table
    decoder = randomised(LinearGaussianDecoder(D, P, scale=scale)).double()
    encoder = ExactConditionalEncoder(P, D)
    encoder.attach(decoder)
    found = encoder(x.double(), s)
    weight, bias = decoder.mean.weight.detach().numpy(), decoder.mean.bias.detach().numpy()
    sigma = np.broadcast_to(decoder.scale(None).detach().numpy(), P)
    for i in range(N):
        seen = s[i].numpy()
        w = weight[seen]
        gain = w.T @ np.linalg.inv(w @ w.T + np.diag(sigma[seen] ** 2))
        mean = gain @ (x[i].numpy()[seen] - bias[seen])
        covariance = np.eye(D) - gain @ w
        tril = found.precision_tril[i].detach().numpy()
        np.testing.assert_allclose(found.mean[i].detach().numpy(), mean, atol=1e-6)
        np.testing.assert_allclose(np.linalg.inv(tril @ tril.T), covariance, atol=1e-10)


def test_exact_conditional_has_no_parameters_but_follows_the_decoder(table):
    x, s = table
    decoder = LinearGaussianDecoder(D, P)
    encoder = ExactConditionalEncoder(P, D)
    encoder.attach(decoder)
    assert not list(encoder.parameters())
    assert not encoder.state_dict()
    before = encoder(x, s)
    with torch.no_grad():
        decoder.mean.bias.add_(1.0)
    assert not same(before, encoder(x, s))
    assert encoder(x, s).mean.requires_grad


def test_exact_conditional_refuses_other_decoders():
    message = "needs a LinearGaussianDecoder, not GaussianDecoder; use MaskAwareEncoder"
    with pytest.raises(TypeError, match=message):
        ExactConditionalEncoder(P, D).attach(GaussianDecoder(D, P))


@pytest.mark.parametrize("kind", [ZeroFilledEncoder, MaskAwareEncoder, SetEncoder, "exact"])
def test_the_fill_of_missing_cells_does_not_matter(table, kind):
    x, s = table
    if kind == "exact":
        encoder = ExactConditionalEncoder(P, D)
        encoder.attach(randomised(LinearGaussianDecoder(D, P)))
    else:
        encoder = randomised(kind(P, D, hidden=[8]))
    assert same(encoder(x, s), encoder(torch.where(s, x, 17.0), s))


def test_an_observed_zero_and_a_missing_value(table):
    """The zero-filled encoder cannot tell them apart, the others can."""
    x, s = table
    x = x.clone()
    s = s.clone()
    x[:, 0], s[:, 0] = 0.0, True
    hidden = s.clone()
    hidden[:, 0] = False
    zero = randomised(ZeroFilledEncoder(P, D, hidden=[8]))
    assert same(zero(x, s), zero(x, hidden))
    exact = ExactConditionalEncoder(P, D)
    exact.attach(randomised(LinearGaussianDecoder(D, P)))
    for encoder in (MaskAwareEncoder(P, D, hidden=[8]), SetEncoder(P, D, hidden=[8]), exact):
        seen, unseen = randomised(encoder)(x, s), encoder(x, hidden)
        assert (seen.mean != unseen.mean).any(-1).all()


def test_set_encoder_does_not_mind_the_order_of_columns(table):
    x, s = table
    encoder = randomised(SetEncoder(P, D, hidden=[8])).double()
    before = encoder(x.double(), s)
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        encoder.embedding.copy_(encoder.embedding[order])
    after = encoder(x.double()[:, order], s[:, order])
    torch.testing.assert_close(after.mean, before.mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(after.scale, before.scale, rtol=1e-10, atol=1e-12)
    # without their embeddings the columns are others
    other = encoder(x.double(), s)
    assert (other.mean[0] - before.mean[0]).abs().max() > 1e-3


def test_scales_stay_positive(table):
    x, s = table
    for kind in (ZeroFilledEncoder, MaskAwareEncoder, SetEncoder):
        encoder = kind(P, D, hidden=[8])
        with torch.no_grad():
            encoder.heads.scale.bias.fill_(-200.0)
        assert (encoder(x, s).scale > 0).all()
        assert encoder(x, s).log_prob(torch.zeros(N, D)).isfinite().all()
