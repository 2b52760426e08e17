"""Pixels with correlated channels, laid out over the features plate."""

import itertools

import numpy as np
import pytest
import torch
from pyro.distributions import Normal
from torch.distributions import MultivariateNormal

import absentia as ab
from absentia.models import ConvDecoder, ImageNotMIWAE, OutshinesOthers
from absentia.models.distributions.pixel_normal import PixelNormal, given_observed

N, C, PIXELS = 8, 3, 4
P = C * PIXELS
ALL = list(itertools.product([False, True], repeat=C))  # what can be seen of a pixel


@pytest.fixture
def parts():
    generator = torch.Generator().manual_seed(4)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tril = torch.nn.functional.normalize(normal(C, C).tril(-1) + torch.eye(C), dim=-1)
    return normal(5, N, P), 0.3 + normal(5, N, P).square(), tril


def by_pixel(cells):
    return cells.reshape(*cells.shape[:-1], C, PIXELS).mT  # (..., pixels, C)


def joint(loc, scale, tril):
    """torch's own Gaussian of every pixel."""
    factor = by_pixel(scale).unsqueeze(-1) * tril
    return MultivariateNormal(by_pixel(loc), scale_tril=factor)


def test_log_prob_sums_to_the_joint_density(parts):
    value = torch.randn(5, N, P, dtype=torch.float64)
    found = by_pixel(PixelNormal(*parts).log_prob(value)).sum(-1)
    torch.testing.assert_close(found, joint(*parts).log_prob(by_pixel(value)))


def test_moments_and_draws(parts):
    loc, scale, tril = parts
    ours = PixelNormal(loc[0], scale[0], tril)
    torch.testing.assert_close(ours.variance, scale[0].square())
    torch.manual_seed(0)
    draws = by_pixel((ours.rsample((20_000,)) - loc[0]) / scale[0]).reshape(-1, C)
    # 640,000 draws: the standard error of a correlation is at most .00125
    torch.testing.assert_close(torch.corrcoef(draws.T), tril @ tril.T, atol=0.005, rtol=0)
    assert ours.expand(torch.Size([3, N, P])).rsample().shape == (3, N, P)


def test_given_what_was_seen_it_is_the_conditional_gaussian(parts):
    """All eight patterns of a pixel, against the conditional of torch's joint Gaussian."""
    loc, scale, tril = parts
    seen = torch.tensor([ALL[i] for i in range(N)])  # row i: pattern i in every pixel
    s = seen[:, :, None].expand(N, C, PIXELS).reshape(N, P)
    x = torch.randn(N, P, dtype=torch.float64)
    cells = PixelNormal(loc, scale, tril).given(x, s)
    assert isinstance(cells, PixelNormal)  # pixels miss two channels here
    torch.manual_seed(1)
    value = cells.rsample()
    density, mean = by_pixel(cells.log_prob(torch.where(s, x, value))), by_pixel(cells.mean)
    variance = by_pixel(cells.variance)
    whole = joint(loc, scale, tril)
    for i in range(N):
        o, m = seen[i].nonzero().flatten(), (~seen[i]).nonzero().flatten()
        cov, mu = whole.covariance_matrix[:, i], whole.mean[:, i]
        x_o, x_m = by_pixel(x)[i][:, o], by_pixel(value)[:, i][..., m]
        if len(o):
            exact = MultivariateNormal(mu[..., o], cov[..., o, :][..., o]).log_prob(x_o)
            torch.testing.assert_close(density[:, i][..., o].sum(-1), exact)
        if len(m):
            regression = cov[..., m, :][..., o] @ torch.linalg.inv(cov[..., o, :][..., o])
            expected = mu[..., m] + (regression @ (x_o - mu[..., o]).unsqueeze(-1)).squeeze(-1)
            left = cov[..., m, :][..., m] - regression @ cov[..., o, :][..., m]
            exact = MultivariateNormal(expected, left).log_prob(x_m)
            torch.testing.assert_close(density[:, i][..., m].sum(-1), exact)
            torch.testing.assert_close(mean[:, i][..., m], expected)
            torch.testing.assert_close(
                variance[:, i][..., m], left.diagonal(dim1=-2, dim2=-1), atol=1e-9, rtol=1e-6
            )


def test_draws_of_what_is_missing_keep_their_correlation(parts):
    loc, scale, tril = parts
    s = torch.tensor([True, False, False])[:, None].expand(C, PIXELS).reshape(P).expand(N, P)
    x = torch.zeros(N, P, dtype=torch.float64)
    cells = PixelNormal(loc[0], scale[0], tril).given(x, s)
    torch.manual_seed(2)
    draws = by_pixel((cells.rsample((20_000,)) - cells.mean) / scale[0])[..., 1:].reshape(-1, 2)
    r = tril @ tril.T
    left = r[1:, 1:] - r[1:, :1] @ r[:1, 1:]
    # variances below 1, 640,000 draws: standard errors of at most .0018
    torch.testing.assert_close(torch.cov(draws.T), left, atol=0.008, rtol=0)


def test_cells_are_independent_where_no_pixel_misses_two(parts):
    s = torch.ones(N, P, dtype=torch.bool)
    s[:, :PIXELS] = False
    s[0] = True
    x = torch.zeros(N, P, dtype=torch.float64)
    assert type(PixelNormal(*parts).given(x, s)) is Normal
    plain = Normal(parts[0], parts[1])
    assert given_observed(plain, x, s) is plain


def test_without_correlation_it_is_the_plain_decoder():
    torch.manual_seed(0)
    correlated = ConvDecoder(2, (3, 4, 4), [4], scale="entry", correlated=True)
    plain = ConvDecoder(2, (3, 4, 4), [4], scale="entry")
    plain.load_state_dict(correlated.state_dict(), strict=False)
    torch.nn.init.zeros_(correlated.raw_correlation)
    z, x, s = torch.randn(5, 2), torch.rand(5, 48), torch.rand(5, 48) < 0.6
    torch.testing.assert_close(
        given_observed(correlated(z), x, s).log_prob(x), plain(z).log_prob(x)
    )


def pictures_of_one_colour():
    """Pixels whose channels are nearly equal; blue is missing in some, at random."""
    rng = np.random.default_rng(0)
    grey = rng.random((200, 1, 16))
    pixels = np.clip(grey + 0.02 * rng.standard_normal((200, 3, 16)), 0, 1)
    table = pixels.copy()
    table[:, 2][rng.random((200, 16)) < 0.3] = np.nan
    return pixels.reshape(200, 48), table.reshape(200, 48)


@pytest.mark.slow
def test_a_missing_channel_is_told_by_those_beside_it(tmp_path):
    truth, table = pictures_of_one_colour()
    data = ab.IncompleteData.from_numpy(table, standardise=False)
    options = {"latent_dim": 2, "channels": [4], "missingness": "ignorable"}
    error = {}
    for correlated in (False, True):
        model = ImageNotMIWAE(data, (3, 4, 4), correlated=correlated, **options)
        fit = ab.fit(model, data, steps=150, particles=5, learning_rate=2e-2, progress=False)
        found = ab.impute(fit, data, particles=50).mean
        error[correlated] = np.sqrt(np.mean((found - truth)[np.isnan(table)] ** 2))
    assert error[False] > 0.15  # two latents cannot hold sixteen pixels
    assert error[True] < 0.06
    fit.save(tmp_path / "fit")
    again = ab.impute(ab.load(tmp_path / "fit"), data, particles=50).mean
    np.testing.assert_array_equal(again, found)


def test_two_missing_channels_of_a_pixel_are_drawn():
    """Under a mechanism they cannot be integrated out one by one."""
    _, table = pictures_of_one_colour()
    table[:10, 20] = np.nan
    table[0, 20 + 16] = np.nan
    data = ab.IncompleteData.from_numpy(table[:20], standardise=False)
    model = ImageNotMIWAE(data, (3, 4, 4), "channel", latent_dim=2, channels=[4], correlated=True)
    with pytest.raises(ValueError, match="use unobserved='sample'"):
        ab.impute(model, data, particles=20, unobserved="integrate", unfitted=True)
    found = ab.impute(model, data, particles=20, unfitted=True)
    assert np.isfinite(found.mean).all()


def test_replicated_pictures_are_correlated():
    _, table = pictures_of_one_colour()
    data = ab.IncompleteData.from_numpy(table, standardise=False)
    mechanism = OutshinesOthers((3, 4, 4), 2)
    model = ImageNotMIWAE(
        data, (3, 4, 4), mechanism, latent_dim=2, channels=[4], correlated=True, scale="channel"
    )
    with torch.no_grad():
        model.decoder.raw_correlation[:, 0] = 20.0
    check = ab.check.check_mask(model, data, replications=5)
    assert len(check.rates)
    torch.manual_seed(0)
    whole = model.model(data.x, torch.zeros_like(data.s))
    pixels = whole.detach().reshape(len(data), 3, 16).movedim(1, 0).flatten(1)
    assert float(torch.corrcoef(pixels)[0, 2]) > 0.8


@pytest.mark.parametrize(
    "options", [{"shape": (1, 4, 4)}, {"shape": (3, 4, 4), "family": "bernoulli"}]
)
def test_refused_where_it_has_no_meaning(options):
    with pytest.raises(ValueError, match="at least two channels"):
        ConvDecoder(2, channels=[4], correlated=True, **options)
