"""Decoders against the densities they are named after."""

import numpy as np
import pytest
import scipy.stats
import torch

from absentia.models import GaussianDecoder, LinearGaussianDecoder, StudentTDecoder
from tests.contracts import randomised


@pytest.mark.parametrize("scale", ["shared", "column"])
def test_linear_gaussian_marginal_is_factor_analysis(scale):
    decoder = randomised(LinearGaussianDecoder(2, 3, scale=scale, floor=0.05)).double()
    weight = decoder.mean.weight.detach().numpy()
    bias = decoder.mean.bias.detach().numpy()
    raw = decoder.scale.raw.detach().numpy()
    sigma = np.broadcast_to(0.05 + np.log1p(np.exp(raw)), 3)
    z = torch.randn(4, 2, dtype=torch.float64)
    x = torch.randn(4, 3, dtype=torch.float64)
    expected = scipy.stats.norm.logpdf(x.numpy(), z.numpy() @ weight.T + bias, sigma)
    np.testing.assert_allclose(decoder(z).log_prob(x).detach().numpy(), expected, rtol=1e-12)
    assert raw.shape == ((3,) if scale == "column" else (1,))


def test_student_t_has_a_variance_whatever_its_parameter():
    decoder = StudentTDecoder(2, 3, hidden=[4]).double()
    with torch.no_grad():
        decoder.df.copy_(torch.tensor([-30.0, 0.0, 30.0]))
    given = decoder(torch.randn(5, 2, dtype=torch.float64))
    assert (given.df > 2).all()
    assert given.variance.isfinite().all()
    x = torch.randn(5, 3, dtype=torch.float64)
    df = 2 + np.log1p(np.exp([-30.0, 0.0, 30.0]))
    loc, scale = given.loc.detach().numpy(), given.scale.detach().numpy()
    expected = scipy.stats.t.logpdf(x.numpy(), df, loc, scale)
    np.testing.assert_allclose(given.log_prob(x).detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", [GaussianDecoder, StudentTDecoder, LinearGaussianDecoder])
@pytest.mark.parametrize("scale", ["entry", "column", "shared"])
def test_scales_stay_above_the_floor(kind, scale):
    if kind is LinearGaussianDecoder and scale == "entry":
        with pytest.raises(ValueError, match="scale='shared' or scale='column'"):
            kind(2, 3, scale=scale)
        return
    decoder = kind(2, 3, scale=scale, floor=0.25)
    with torch.no_grad():
        for name, parameter in decoder.scale.named_parameters():
            parameter.fill_(0.0 if "weight" in name else -50.0)
    torch.testing.assert_close(
        decoder(torch.randn(4, 2)).scale.expand(4, 3), torch.full((4, 3), 0.25)
    )


def test_entry_scale_depends_on_z_and_the_others_do_not():
    z = torch.randn(4, 2)
    for scale, varies in (("entry", True), ("column", False), ("shared", False)):
        found = randomised(GaussianDecoder(2, 3, hidden=[8], scale=scale))(z).scale
        found = found.expand(4, 3)
        assert bool((found[0] != found[1]).any()) == varies
        if scale == "shared":
            assert len(found.unique()) == 1


def test_depth_and_activation():
    decoder = GaussianDecoder(2, 3, hidden=[7, 5, 4], activation="gelu")
    widths = [layer.out_features for layer in decoder.network if hasattr(layer, "out_features")]
    assert widths == [7, 5, 4]
    assert sum(isinstance(layer, torch.nn.GELU) for layer in decoder.network) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "sin"}, "activation 'sin' is not one of tanh, relu"),
        ({"scale": "row"}, "scale 'row' is not one of entry, column, shared"),
        ({"floor": -1.0}, "floor is -1.0"),
    ],
)
def test_refuses_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        GaussianDecoder(2, 3, **options)
