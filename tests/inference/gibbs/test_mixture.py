"""The block of the components against the conditional distributions that it must sample."""

import numpy as np
import pytest
import torch
from scipy import stats

from absentia.inference.gibbs import factors
from absentia.inference.gibbs import mixture as mixture_module
from absentia.inference.gibbs.chains import Chains
from absentia.inference.gibbs.mixture import Components, wishart
from absentia.models.missingness.averaged import FORMS

N, P, E, C = 6, 3, 1, 3
DOUBLE = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=DOUBLE)


def made(direct):
    """Return two chains of a mixture, with arbitrary parameters."""
    d = P if direct else 2
    seen = torch.rand(N, P, generator=generator(1)) < 0.6
    seen[0], seen[:, 0] = True, True
    made = Chains(
        torch.where(seen, random(N, P), 0.0), seen, torch.ones(P, dtype=torch.bool), latent_dim=d,
        mask_latent_dim=E, chains=2, shared=False, floor=0.0, forms=tuple(FORMS),
        generator=generator(2), components=C, direct=direct,
    )  # fmt: skip
    k, q = made.forms.slope.shape
    if not direct:
        made.decoder.weight, made.decoder.mean = random(k, P, d, seed=3), random(k, P, seed=4)
    made.decoder.noise = random(k, P, seed=5).exp()
    made.forms.slope, made.forms.offset = random(k, q, seed=6), random(k, q, seed=7)
    made.forms.loading = random(k, q, d + E, seed=8)
    made.forms.coefficient = random(k, q, 1, seed=11)
    made.shared.coefficient = random(k, E, 1, seed=12)
    root = random(k, C, d, d, seed=13).tril() + 2 * torch.eye(d, dtype=DOUBLE)
    made.mixture.precision = root @ root.mT
    made.mixture.log_det = torch.linalg.slogdet(made.mixture.precision)[1]
    made.mixture.log_weight = random(k, C, seed=14).log_softmax(-1)
    made.mixture.component = torch.randint(C, (k, N), generator=generator(15))
    return made


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_components_and_latents_with_missing_values_integrated_out(direct, shared, monkeypatch):
    """log p(c | row) and E[z | c, row], by the joint Normal of values and utilities."""
    made_ = made(direct)
    monkeypatch.setattr(factors, "_MANY", 0 if shared else 10**6)
    monkeypatch.setattr(factors, "_MEMORY", 5_000)  # one or a few rows at a time
    kept = {}

    def keep(self, information, pattern, shift, source):
        kept["odds"] = self.log_odds(information, pattern, shift)

    monkeypatch.setattr(Components, "choose", keep)
    monkeypatch.setattr(mixture_module, "normal", lambda shape, like, g: like.new_zeros(shape))
    found = made_._latents()
    columns, d = made_.columns.tolist(), made_.of_rows.shape[-1]
    q = len(columns)
    for k in range(2):
        weight, noise = made_.decoder.weight[k].numpy(), made_.decoder.noise[k].numpy()
        slope, base = made_.forms.slope[k].numpy(), made_.forms.base()[k].numpy()
        loading, more = made_.forms.loading[k].numpy(), made_.shared.mean()[k].numpy()
        for i in range(N):
            # (y, u) as a linear map of the latents, the noise and the utilities' own
            map_y = np.hstack([weight, np.zeros((P, E)), np.eye(P), np.zeros((P, q))])
            map_u = np.hstack([loading, np.zeros((q, P)), np.eye(q)])
            map_u += slope[:, None] * map_y[columns]
            seen, y = made_.seen[i].numpy(), made_.y[k, i].numpy()
            known = np.vstack([map_y[seen], map_u])
            mean = made_.decoder.mean[k].numpy()
            at = np.concatenate([mean[seen], base[i] + slope * mean[columns]])
            left = np.concatenate([y[seen], made_.u[k, i].numpy()]) - at
            odds = []
            for c in range(C):
                spread = np.diag(np.concatenate([np.ones(d + E), noise, np.ones(q)]))
                spread[:d, :d] = made_.mixture.precision[k, c].inverse().numpy()
                centre = np.concatenate([made_.mixture.mean[k, c].numpy(), more[i]])
                of = known @ spread @ known.T
                off = left - known[:, : d + E] @ centre
                odds.append(
                    float(made_.mixture.log_weight[k, c])
                    + stats.multivariate_normal.logpdf(off, cov=of)
                )
                if c == int(made_.mixture.component[k, i]):
                    gain = (spread @ known.T)[: d + E] @ np.linalg.inv(of)
                    np.testing.assert_allclose(found[k, i], centre + gain @ off, rtol=1e-7)
            share = np.exp(np.array(odds) - np.max(odds))
            np.testing.assert_allclose(
                kept["odds"][k, i].softmax(-1), share / share.sum(), rtol=1e-7
            )


@pytest.mark.parametrize("shared", [False, True])
def test_latents_have_the_covariance_of_their_component_and_pattern(shared, monkeypatch):
    """The map from noise to draws is a root of the covariance, whichever way it is factored."""
    part = Components(5, 2, C, 2, True, torch.zeros((), dtype=DOUBLE), generator())
    root = random(2, C, 2, 2, seed=1)
    part.precision = root @ root.mT + torch.eye(2, dtype=DOUBLE)
    part.component = torch.randint(C, (2, 5), generator=generator(2))
    root = random(2, 3, 3, 3, seed=3)
    information, pattern = (root @ root.mT).flatten(-2), torch.tensor([2, 0, 1, 2, 0])
    monkeypatch.setattr(factors, "_MANY", 0 if shared else 10**6)
    shift, drawn = random(2, 5, 3, seed=4), []
    for direction in [None, *torch.eye(3, dtype=DOUBLE)]:
        noise = torch.zeros(3, dtype=DOUBLE) if direction is None else direction
        monkeypatch.setattr(
            mixture_module, "normal", lambda shape, like, g, noise=noise: noise.expand(*shape)
        )
        drawn.append(part.latents(information, pattern, shift, generator()))
    moved = torch.stack(drawn[1:], -1) - drawn[0].unsqueeze(-1)  # (K, n, D, D) L^-T
    wide = torch.eye(3, dtype=DOUBLE).repeat(2, C, 1, 1)
    wide[..., :2, :2] = part.precision
    chain = torch.arange(2).unsqueeze(1)
    precision = information.unflatten(-1, (3, 3))[:, pattern] + wide[chain, part.component]
    np.testing.assert_allclose(moved @ moved.mT, precision.inverse(), rtol=1e-9)


def test_only_some_rows_change_their_component_and_by_the_odds():
    many = Components(4000, 1, 2, 1, False, torch.zeros((), dtype=DOUBLE), generator())
    many.mean = torch.tensor([[[-1.0], [1.0]]], dtype=DOUBLE)
    many.component[:] = -1
    information = torch.full((1, 1, 1), 0.5, dtype=DOUBLE)
    pattern = torch.zeros(4000, dtype=torch.long)
    shift = torch.full((1, 4000, 1), 0.4, dtype=DOUBLE)
    many.choose(information, pattern, shift, generator())
    changed = many.component[0][many.component[0] >= 0]
    assert len(changed) == 1000
    # given c the row's value .4 / .5 is Normal(mean, 1 + 1 / .5)
    density = stats.norm.pdf(0.8, [-1.0, 1.0], 3**0.5)
    share = float((changed == 1).double().mean())
    assert share == pytest.approx(density[1] / density.sum(), abs=4 * 0.5 / 1000**0.5)


def test_wishart_matrices():
    rate = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=DOUBLE)
    size = 20_000
    drawn, log_det = wishart(
        torch.full((size,), 5.0, dtype=DOUBLE), rate.expand(size, 2, 2), generator()
    )
    exact = stats.wishart(5, rate.inverse().numpy())
    error = 4 * np.sqrt(exact.var() / size)
    assert (np.abs(drawn.mean(0).numpy() - exact.mean()) < error).all()
    np.testing.assert_allclose(drawn.var(0), exact.var(), rtol=0.08)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(drawn)[1])


def test_a_component_that_nothing_supports_is_left():
    """Two clusters far apart take two of six components, and what is between them none."""
    z = torch.cat([random(100, 2) - 3, random(100, 2, seed=1) + 3]).unsqueeze(0)
    mixture = Components(200, 2, 6, 1, True, z, generator())
    source, used = generator(4), []
    information = torch.full((1, 1, 4), 0.0, dtype=DOUBLE)
    information[..., [0, 3]] = 1e4  # z is nearly known
    for step in range(300):
        mixture.choose(information, torch.zeros(200, dtype=torch.long), 1e4 * z, source)
        mixture.step(z, source)
        if step >= 200:
            used.append((mixture.component[0].bincount(minlength=6) > 10).sum())
    assert float(torch.stack(used).double().mean()) < 3.0
    first, second = mixture.component[0, :100].bincount(minlength=6), mixture.component[0, 100:]
    assert not set(first.nonzero().flatten().tolist()) & set(second.tolist())


def test_rows_get_the_factors_of_their_own_pattern_and_component():
    """Against one factor for each row, of one component and of several."""
    for components in (1, 3):
        source = generator(5)
        mixture = Components(12, 2, components, 2, True, torch.zeros(1, dtype=DOUBLE), source)
        mixture.step(torch.randn(2, 12, 2, generator=source, dtype=DOUBLE), source)
        pattern = torch.tensor([0, 1, 2, 2, 1, 0, 2, 1, 0, 0, 2, 1])
        component = torch.randint(components, (2, 12), generator=source)
        half = torch.randn(2, 3, 3, 3, generator=source, dtype=DOUBLE)
        information = half @ half.mT
        factor, inverse, at, pull = mixture.posterior(information.flatten(-2), pattern, component)
        pull = pull.expand(2, 12, 3)
        for chain in range(2):
            for row in range(12):
                own = component[chain, row]
                precision = torch.eye(3, dtype=DOUBLE)
                precision[:2, :2] = mixture.precision[chain, own]
                expected = precision[:2, :2] @ mixture.mean[chain, own]
                torch.testing.assert_close(pull[chain, row, :2], expected)
                whole = precision + information[chain, pattern[row]]
                root = factor[at[chain, row]]
                torch.testing.assert_close(root @ root.mT, whole)
                torch.testing.assert_close(inverse[at[chain, row]] @ root, torch.eye(3).double())


def test_a_row_far_out_does_not_widen_a_component_in_all_directions():
    """One of 100 rows on a plane is 9 sds off it in what is observed of it, half of its columns.

    Its other columns lay 7 to 17 sds out in a tenth of the draws (six seeds; now 2.5 to 6) when
    typical covariances could count for two rows, and all columns shared a prior of the means.
    """
    rows, d, source = 100, 8, generator(6)
    plane = torch.randn(rows, 2, generator=source, dtype=DOUBLE)
    z = plane @ torch.randn(2, d, generator=source, dtype=DOUBLE)
    z = z + 0.1 * torch.randn(rows, d, generator=source, dtype=DOUBLE)
    z = (z - z.mean(0)) / z.std(0)
    z[0, 0] = 9.0
    seen = torch.ones(rows, d, dtype=torch.bool)
    seen[0, d // 2 :] = False
    pattern = (~seen[:, -1]).long()
    precision = 1e3 * torch.stack([seen[1], seen[0]]).to(DOUBLE)
    information = torch.diag_embed(precision).flatten(-2).expand(4, -1, -1)
    shift = (1e3 * z * seen).expand(4, -1, -1)
    mixture, sampled = Components(rows, d, 8, 4, True, z, source), []
    for _ in range(200):
        mixture.choose(information, pattern, shift, source)
        _, inverse, at, pull = mixture.posterior(information, pattern, mixture.component)
        root = inverse[at]
        half = (root @ (shift + pull).unsqueeze(-1)).squeeze(-1)
        half = half + torch.randn(half.shape, generator=source, dtype=DOUBLE)
        drawn = (root.mT @ half.unsqueeze(-1)).squeeze(-1)
        mixture.step(drawn, source)
        sampled.append(drawn[:, 0, d // 2 :].abs().amax(-1))
    assert float(torch.stack(sampled[100:]).quantile(0.9)) < 5.0
