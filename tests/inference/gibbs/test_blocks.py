"""Each block of the sampler against the conditional distribution that it must sample."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from absentia.inference.gibbs import chains as chains_module
from absentia.inference.gibbs import forms as forms_module
from absentia.inference.gibbs import mask_latent, mixture
from absentia.inference.gibbs.bends import Bends
from absentia.inference.gibbs.chains import Chains
from absentia.inference.gibbs.evidence import log_evidence
from absentia.inference.gibbs.forms import Forms
from absentia.inference.gibbs.mask_latent import MaskLatent
from absentia.inference.gibbs.tilted import tilted
from absentia.inference.gibbs.truncated_normal import between, log_probability, of_known_sign
from absentia.models.missingness.averaged import FORMS

DOUBLE = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=DOUBLE)


def some_chains(n=6, p=3, d=2, e=1, chains=2, seed=0, **options):
    x = random(n, p, seed=seed)
    seen = torch.rand(n, p, generator=generator(seed + 1)) < 0.6
    seen[0], seen[:, 0] = True, True
    made = Chains(
        torch.where(seen, x, 0.0),
        seen,
        torch.zeros(p, dtype=torch.bool),
        latent_dim=d,
        mask_latent_dim=e,
        chains=chains,
        shared=False,
        floor=0.0,
        forms=options.pop("forms", tuple(FORMS)),
        generator=generator(seed + 2),
        **options,
    )
    k, q = made.forms.slope.shape
    made.decoder.weight = random(k, p, d, seed=3)
    made.decoder.mean = random(k, p, seed=4)
    made.decoder.noise = random(k, p, seed=5).exp()
    made.forms.slope, made.forms.offset = random(k, q, seed=6), random(k, q, seed=7)
    made.forms.loading = random(k, q, d + e, seed=8)
    made.forms.coefficient = random(k, q, made.directions.shape[1], seed=11)
    made.shared.coefficient = random(k, e, made.directions.shape[1], seed=12)
    return made


@pytest.mark.parametrize(("mean", "sd", "positive"), [(0.3, 1.5, True), (-2.0, 0.7, True),
                                                      (4.0, 1.0, False)])  # fmt: skip
def test_a_normal_of_known_sign(mean, sd, positive):
    size = (4000,)
    drawn = of_known_sign(
        torch.full(size, mean, dtype=DOUBLE),
        torch.tensor(sd, dtype=DOUBLE),
        torch.tensor(positive),
        generator(),
    )
    bounds = (-mean / sd, np.inf) if positive else (-np.inf, -mean / sd)
    assert stats.kstest(drawn.numpy(), stats.truncnorm(*bounds, mean, sd).cdf).pvalue > 0.01


def test_latents_have_their_posterior_mean_with_missing_values_integrated_out(monkeypatch):
    made = some_chains()
    monkeypatch.setattr(mixture, "normal", lambda shape, like, g: like.new_zeros(shape))
    found = made._latents()
    columns = made.columns.tolist()
    for k in range(2):
        weight, noise = made.decoder.weight[k].numpy(), made.decoder.noise[k].numpy()
        mean, slope = made.decoder.mean[k].numpy(), made.forms.slope[k].numpy()
        base, loading = made.forms.base()[k].numpy(), made.forms.loading[k].numpy()
        weight = np.hstack([weight, np.zeros((3, 1))])  # only the mask reads the third latent
        for i in range(6):
            # (y, u) as a linear map of (z, e, f), conditioned on what is known of it
            p, q, d = 3, len(columns), 3
            prior = np.append(np.zeros(2), made.shared.mean()[k, i].numpy())
            map_y = np.hstack([weight, np.diag(np.sqrt(noise)), np.zeros((p, q))])
            map_u = np.hstack([loading, np.zeros((q, p)), np.eye(q)])
            map_u += slope[:, None] * map_y[columns]
            seen = made.seen[i].numpy()
            known = np.vstack([map_y[seen], map_u])
            at = np.concatenate([mean[seen], base[i] + slope * mean[columns]])
            values = np.concatenate([made.y[k, i].numpy()[seen], made.u[k, i].numpy()])
            gain = known[:, :d].T @ np.linalg.inv(known @ known.T)
            expected = prior + gain @ (values - at - known[:, :d] @ prior)
            np.testing.assert_allclose(found[k, i].numpy(), expected, rtol=1e-8)


def test_missing_values_given_utilities_and_latents(monkeypatch):
    made = some_chains()
    made.z = random(2, 6, 3, seed=9)
    monkeypatch.setattr(chains_module, "normal", lambda shape, like, g: like.new_zeros(shape))
    made._missing_values(made.decoder.predicted(made.of_rows))
    j = 1
    column = int(made.columns[j])
    row = int(made.missing[:, j].nonzero()[0])
    predicted = made.decoder.predicted(made.of_rows)[0, row, column]
    noise, slope = made.decoder.noise[0, column], made.forms.slope[0, j]
    left = made.u[0, row, j] - made.forms.score(made.z)[0, row, j]
    expected = (predicted / noise + slope * left) / (1 / noise + slope**2)
    torch.testing.assert_close(made.y[0, row, column], expected)
    assert bool(((made.u > 0) == made.missing).all())
    torch.testing.assert_close(made.y[:, made.seen], made.bends.y[:, made.seen])


def test_forms_have_their_probabilities_with_coefficients_integrated_out():
    n, d, e = 25, 2, 2
    others = random(1, n, 3, seed=3)
    forms = Forms(torch.tensor([0.3, 0.5], dtype=DOUBLE), d, e, 1, tuple(FORMS), others[0])
    forms.shared_variance = torch.tensor([[0.4, 0.9]], dtype=DOUBLE)
    of_mask = forms.shared_variance[0].numpy()
    forms.slope_variance = torch.tensor([[0.2, 0.4]], dtype=DOUBLE)
    forms.loading_variance = torch.tensor([[0.3, 0.6]], dtype=DOUBLE)
    forms.coefficient_variance = torch.tensor([[0.5, 0.2]], dtype=DOUBLE)
    forms.weight = torch.tensor([[0.1, 0.2, 0.25, 0.3, 0.05, 0.1]], dtype=DOUBLE)
    weight, variance, spread = forms.weight, forms.slope_variance, forms.loading_variance
    width = forms.coefficient_variance
    y, z, u = random(1, n, 2), random(1, n, d + e, seed=1), random(1, n, 2, seed=2)
    forms.step(y, z, u, generator())
    for j in range(2):
        own = np.outer(y[0, :, j], y[0, :, j]) * float(variance[0, j])
        of_rows, v = z[0, :, :d].numpy(), z[0, :, d:].numpy()
        latent = of_rows @ of_rows.T * float(spread[0, j]) / d
        other = (others[0] @ others[0].T).numpy() * float(width[0, j]) / 3
        # the mask's own latent is in every form
        base = np.eye(n) + forms_module._INTERCEPT_SD**2 + v * of_mask @ v.T
        logs = [
            stats.multivariate_normal.logpdf(
                u[0, :, j].numpy(),
                np.zeros(n),
                base
                + own * ("own value" in form)
                + latent * ("latent" in form)
                + other * ("other" in form),
            )
            for form in FORMS
        ]
        odds = np.exp(np.array(logs) - max(logs)) * weight[0].numpy()
        np.testing.assert_allclose(
            forms.probability[0, j].numpy(), odds / odds.sum(), rtol=1e-7, atol=1e-12
        )


def test_a_form_that_is_not_considered_is_never_taken():
    forms = Forms(
        torch.tensor([0.4] * 40, dtype=DOUBLE),
        1,
        0,
        3,
        ("completely at random", "own value"),
        random(9, 2),
    )
    for seed in range(5):
        forms.step(random(3, 9, 40), random(3, 9, 1), random(3, 9, 40, seed=seed), generator(seed))
        assert set(forms.form.flatten().tolist()) <= {0, 3}
        assert bool((forms.loading == 0).all())
        assert bool((forms.coefficient == 0).all())


def test_bends_have_their_posterior():
    """Metropolis steps against the posterior of skew and tail on a grid."""
    n, chains = 60, 400
    seen = torch.ones(n, 1, dtype=torch.bool)
    x = random(n, 1).exp()
    x = (x - x.mean()) / x.std()
    predicted, noise = 0.3 * random(n, 1, seed=1), torch.tensor([[0.8]], dtype=DOUBLE)
    left, slope = random(n, 1, seed=2), torch.tensor([[0.4]], dtype=DOUBLE)
    straight, columns = torch.zeros(1, dtype=torch.bool), torch.tensor([0])

    def repeated(value, count):
        return value.expand(count, *value.shape[-2:])

    bends, source = Bends(x, seen, straight, chains), generator()
    for step in range(400):
        bends.move(
            repeated(predicted, chains), noise.expand(chains, 1), repeated(left, chains),
            slope.expand(chains, 1), columns, step < 200, source,
        )  # fmt: skip
    grid = torch.linspace(-1.5, 2.5, 120, dtype=DOUBLE), torch.linspace(-1.5, 1.5, 90, dtype=DOUBLE)
    skew, tail = (part.flatten().unsqueeze(1) for part in torch.meshgrid(*grid, indexing="ij"))
    fine = Bends(x, seen, straight, len(skew))
    y, log_slope, _, _ = fine._bent(skew, tail, torch.zeros_like(skew))
    density = log_slope.sum((1, 2)) - 0.5 * (
        ((y - predicted).square().sum(1) / noise).squeeze(1)
        + (left - slope * y).square().sum((1, 2))
        + ((skew / 0.5).square() + (tail / 0.5).square()).squeeze(1)
    )
    share = density.softmax(0)
    for found, at in ((bends.skew, skew), (bends.log_tail, tail)):
        mean = float((share * at[:, 0]).sum())
        sd = math.sqrt(float((share * (at[:, 0] - mean).square()).sum()))
        assert float(found.mean()) == pytest.approx(mean, abs=4 * sd / chains**0.5)
        assert float(found.std()) == pytest.approx(sd, rel=4 / (2 * chains) ** 0.5)


def a_heaped_column(n=60):
    """A skewed column of which a third is one number, with all else that its bend is given."""
    x = random(n, 1)
    x = torch.where((x > -0.6) & (x < 0.6), torch.tensor(0.05, dtype=DOUBLE), x).exp()
    parts = {
        "predicted": 0.3 * random(n, 1, seed=1),
        "variance": torch.tensor([[0.8]], dtype=DOUBLE),
        "left": random(n, 1, seed=2),
        "slope": torch.tensor([[0.4]], dtype=DOUBLE),
        "columns": torch.tensor([0]),
    }
    return (x - x.mean()) / x.std(), parts


def in_chains(parts, chains):
    """What :func:`a_heaped_column` gives, the same in all chains."""
    return {
        name: value if name == "columns" else value.expand(chains, *value.shape[-2:])
        for name, value in parts.items()
        if name not in ("variance", "slope")
    } | {name: parts[name].expand(chains, 1) for name in ("variance", "slope")}


def test_bends_of_heaped_columns_have_their_posterior():
    """Skew, tail and width against a grid; a heap counts with the probability of its interval."""
    chains, sweeps = 300, 500
    x, parts = a_heaped_column()
    seen, straight = torch.ones_like(x, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)
    bends, source = Bends(x, seen, straight, chains), generator()
    assert int(bends.heaps.at.sum()) > 15
    assert 0 < int((x[:, 0] < bends.heaps.value).sum()) < int((~bends.heaps.at).sum())
    given = in_chains(parts, chains)
    for step in range(sweeps):
        bends.move(**given, adapt=step < sweeps / 2, generator=source)
    grid = [torch.linspace(*ends, 41, dtype=DOUBLE) for ends in ((-1.5, 2.5), (-1.5, 1.5), (0, 6))]
    at = [part.flatten().unsqueeze(1) for part in torch.meshgrid(*grid, indexing="ij")]
    fine = Bends(x, seen, straight, len(at[0]))
    y, log_slope, centre, scale = fine._bent(*at)
    known, predicted, slope = fine.known, parts["predicted"], 0.4
    density = ((y - predicted).square() / 0.8 + (parts["left"] - slope * y).square()) * known
    # of the heap: the integral of the density of y and of the utility given y over the interval
    heap = fine.heaps.at[:, 0]
    ends = fine.intervals(*at, centre, scale)
    nodes, weight = np.polynomial.legendre.leggauss(30)
    shares = torch.from_numpy(nodes / 2 + 0.5)
    inside = ends[0] + shares * (ends[1] - ends[0])  # (grid, nodes)
    of_heap = 0
    for i in heap.nonzero().flatten():
        squares = (inside - predicted[i]).square() / 0.8 + (parts["left"][i] - slope * inside) ** 2
        whole = (torch.exp(-0.5 * squares) * torch.from_numpy(weight / 2)).sum(-1)
        of_heap = of_heap + (whole * (ends[1] - ends[0])[:, 0]).log()
    prior = sum((part / sd).square().squeeze(1) for part, sd in zip(at, (0.5, 0.5, 2), strict=True))
    log_density = log_slope.sum((1, 2)) - 0.5 * (density.sum((1, 2)) + prior) + of_heap
    share = log_density.softmax(0)
    for found, part in zip((bends.skew, bends.log_tail, bends.width), at, strict=True):
        mean = float((share * part[:, 0]).sum())
        sd = math.sqrt(float((share * (part[:, 0] - mean).square()).sum()))
        assert float(found.mean()) == pytest.approx(mean, abs=4 * sd / chains**0.5)
        assert float(found.std()) == pytest.approx(sd, rel=4 / (2 * chains) ** 0.5)


def test_values_in_a_heap_have_their_conditional_distribution():
    chains = 3000
    x, parts = a_heaped_column()
    parts["slope"] = torch.tensor([[1.5]], dtype=DOUBLE)
    seen, straight = torch.ones_like(x, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)
    bends = Bends(x, seen, straight, chains)
    bends.width = torch.full_like(bends.width, 2.0)
    bends.refresh()
    low, high = (
        float(part[0, 0])
        for part in bends.intervals(bends.skew, bends.log_tail, bends.width, bends.mean, bends.sd)
    )
    assert low < float(bends.y[0, bends.heaps.at[:, 0].nonzero()[0], 0]) < high
    drawn = bends.in_heaps(**in_chains(parts, chains), y=bends.y, generator=generator(3))
    assert drawn[:, bends.known[:, 0]].equal(bends.y[:, bends.known[:, 0]])
    for i in bends.heaps.at[:, 0].nonzero().flatten().tolist():
        precision = 1 / 0.8 + 1.5**2
        mean = float(parts["predicted"][i] / 0.8 + 1.5 * parts["left"][i]) / precision
        exact = stats.truncnorm(
            (low - mean) * precision**0.5, (high - mean) * precision**0.5, mean, precision**-0.5
        )
        assert stats.kstest(drawn[:, i, 0].numpy(), exact.cdf).pvalue > 1e-4


def test_intervals_far_in_the_tails():
    low = torch.tensor([-1.0, 30.0, -31.0, 50.0], dtype=DOUBLE)
    exact = [stats.norm.logsf(t) for t in (30, 30, 50)]
    found = log_probability(low, low + 1)
    np.testing.assert_allclose(found[0], np.log(stats.norm.cdf(0) - stats.norm.cdf(-1)))
    np.testing.assert_allclose(found[1:], exact, rtol=1e-9)
    drawn = between(low, low + 1, torch.zeros_like(low), torch.ones_like(low), generator())
    assert bool(((drawn >= low) & (drawn <= low + 1)).all())


def test_which_numbers_are_heaps():
    """A number that is found in a third of the cells, inside, and not since all were rounded."""
    usual = torch.cat([random(60), torch.full((40,), 0.1, dtype=DOUBLE)])
    zeros = torch.cat([random(60).abs() + 0.1, torch.zeros(40, dtype=DOUBLE)])
    rounded = torch.randint(0, 7, (100,), generator=generator()).to(DOUBLE)
    x = torch.stack([usual, zeros, rounded, random(100), usual], 1)
    seen, straight = torch.ones_like(x, dtype=torch.bool), torch.zeros(5, dtype=torch.bool)
    seen[:30, 0], straight[4] = False, True
    found = Bends(x, seen, straight, 1).heaps
    assert found.exist.tolist() == [True, False, False, False, False]
    assert float(found.value[0]) == 0.1
    assert found.at[:, 0].equal(seen[:, 0] & (x[:, 0] == 0.1))


def test_two_steps_of_a_bend_are_one_after_the_other():
    n, chains = 20, 3
    x, seen = random(n, 2), torch.ones(n, 2, dtype=torch.bool)
    seen[:5, 1] = False
    parts = (
        random(chains, n, 2, seed=1),
        torch.full((chains, 2), 0.7, dtype=DOUBLE),
        random(chains, n, 1, seed=2),
        torch.full((chains, 1), 0.4, dtype=DOUBLE),
        torch.tensor([1]),
        True,
    )
    once, twice = (Bends(x, seen, torch.zeros(2, dtype=torch.bool), chains) for _ in range(2))
    one, other = generator(), generator()
    for _ in range(20):
        for _ in range(2):
            once.move(*parts, one)
        twice.move(*parts, other, times=2)
    assert bool((once.skew != 0).any())
    assert once.skew.equal(twice.skew)
    assert once.log_tail.equal(twice.log_tail)
    assert once.y.equal(twice.y)
    assert once.step.equal(twice.step)


def skewness(bends: Bends, cells: slice) -> float:
    """The skewness of some of the bent values, on average over the chains."""
    bent = bends.y[:, cells, 0]
    left = bent - bent.mean(1, keepdim=True)
    return float((left.pow(3).mean(1) / left.square().mean(1).pow(1.5)).mean())


def bent(x, chains=50, sweeps=300):
    """The bends of one column under a standard Normal decoder."""
    n, none = len(x), torch.zeros(chains, 0, dtype=DOUBLE)
    x = ((x - x.mean()) / x.std()).unsqueeze(1)
    seen = torch.ones(n, 1, dtype=torch.bool)
    bends, source = Bends(x, seen, torch.zeros(1, dtype=torch.bool), chains), generator()
    predicted, noise = x.new_zeros(chains, n, 1), x.new_ones(chains, 1)
    left, columns = x.new_zeros(chains, n, 0), torch.zeros(0, dtype=torch.long)
    for _ in range(sweeps):
        bends.move(predicted, noise, left, none, columns, True, source)
    return bends


def test_a_heap_of_equal_values_does_not_decide_how_a_column_is_bent():
    """Half of the values of an amount are zeros; the other half, log-normal, has its own bend."""
    x = random(150).exp()
    heaped = torch.cat([x, torch.zeros(150, dtype=DOUBLE)])
    plain, found = bent(x), bent(heaped)
    assert not bool(found.straight[0])
    assert skewness(bent(heaped, sweeps=0), slice(150)) > 4
    assert abs(skewness(found, slice(150))) < 1
    # where every zero counts as one, the skew is 2.7
    assert float(found.skew.mean()) == pytest.approx(float(plain.skew.mean()), abs=0.3)


def test_heaped_columns_without_a_shape_stay_as_they_are():
    few = random(100).exp().round().clamp(max=4)
    symmetric = torch.cat([random(100, seed=1), torch.zeros(40, dtype=DOUBLE)])
    for x in (few, symmetric):
        found = bent(x, chains=2, sweeps=20)
        assert bool(found.straight[0])
        assert bool((found.skew == 0).all())


def test_no_mask_reads_complete_columns_where_no_form_does():
    made = some_chains(forms=("own value",))
    made.sweep(bend=True)
    made.read_bent()
    assert made.forms.others.shape == made.shared.others.shape == (6, 0)
    assert some_chains(forms=("own value", "other columns")).forms.others.shape == (6, 1)


def test_complete_columns_move_the_masks_own_latent(monkeypatch):
    others, v = random(9, 2), random(2, 9, 3, seed=1)
    shared = MaskLatent(3, 2, others)
    shared.variance = variance = random(2, 3, seed=2).exp()
    monkeypatch.setattr(mask_latent, "normal", lambda shape, like, g: like.new_zeros(shape))
    shared.step(v, generator())
    for k, row in np.ndindex(2, 3):
        ridge = others.T @ others + 2 / variance[k, row] * torch.eye(2, dtype=DOUBLE)
        expected = torch.linalg.solve(ridge, others.T @ v[k, :, row])
        torch.testing.assert_close(shared.coefficient[k, row], expected)
    torch.testing.assert_close(shared.mean(), others @ shared.coefficient.mT)


def test_effects_of_complete_columns_move_between_the_latent_and_the_coefficients(monkeypatch):
    """The move has the conditional distribution of the log joint density, by brute force."""
    n, r, q = 9, 2, 3
    others, v, u, y = random(n, r), random(1, n, 1, seed=1), random(1, n, q, seed=2), random(n, q)
    forms = Forms(torch.full((q,), 0.3, dtype=DOUBLE), 1, 1, 1, tuple(FORMS), others)
    forms.form = torch.tensor([[0, 1, 4]])  # the last two read complete columns
    reads = torch.tensor([0.0, 1.0, 1.0], dtype=DOUBLE)
    forms.loading, forms.offset = random(1, q, 2, seed=3), random(1, q, seed=4)
    forms.coefficient = random(1, q, r, seed=5) * reads[:, None]
    forms.coefficient_variance = random(1, q, seed=6).exp()
    shared = MaskLatent(1, 1, others)
    shared.coefficient, shared.variance = random(1, 1, r, seed=7), random(1, 1, seed=8).exp()
    z = torch.cat([random(1, n, 1, seed=9), v], -1)
    start = shared.coefficient[0, 0].clone(), forms.coefficient[0].clone(), v[0, :, 0].clone()

    def log_joint(step):
        """Of utilities, latents, and coefficients, where the latent's have moved by a step."""
        of_latent, g = start[0] + step, forms.loading[0, :, 1]
        latent, own = start[2] + others @ step, start[1] - (reads * g)[:, None] * step
        score = forms.offset[0] + z[0, :, :1] * forms.loading[0, :, 0] + latent[:, None] * g
        apart = [
            u[0] - y - score - others @ own.T,
            latent - others @ of_latent,
            of_latent / (shared.variance[0] / r).sqrt(),
            (own / (forms.coefficient_variance[0, :, None] / r).sqrt())[reads > 0],
        ]
        return -0.5 * sum(part.square().sum() for part in apart)

    at = torch.zeros(r, dtype=DOUBLE)
    slope = torch.autograd.functional.jacobian(log_joint, at)
    covariance = -torch.autograd.functional.hessian(log_joint, at).inverse()
    residual = u - y - forms.score(z)
    found = []
    for noise in torch.cat([torch.zeros(1, r), torch.eye(r)]).to(DOUBLE):
        monkeypatch.setattr(mask_latent, "normal", lambda *_, e=noise: e[None, :, None])
        shared.coefficient, forms.coefficient = start[0][None, None].clone(), start[1][None]
        moved = shared.exchange(v, forms, residual, generator())
        step = shared.coefficient[0, 0] - start[0]
        torch.testing.assert_close(moved[0, :, 0], start[2] + others @ step)
        kept = forms.score(torch.cat([z[..., :1], moved], -1))[..., 1:]
        torch.testing.assert_close(kept, (u - y - residual)[..., 1:])
        found.append(step)
    torch.testing.assert_close(found[0], covariance @ slope)
    root = torch.stack([found[1] - found[0], found[2] - found[0]], -1)
    torch.testing.assert_close(root @ root.T, covariance)


def test_a_latent_of_the_mask_alone_without_complete_columns_or_dimensions():
    for size, columns in ((0, 2), (2, 0)):
        shared = MaskLatent(size, 1, random(5, columns))
        shared.step(random(1, 5, size), generator())
        assert bool((shared.mean() == 0).all())
        assert shared.mean().shape == (1, 5, size)


def test_forms_read_complete_columns_as_the_bends_make_them():
    made = some_chains()
    made.bends.skew = made.bends.skew + 0.7
    made.bends.refresh()
    made.read_bent()
    assert made.complete.tolist() == [0]
    torch.testing.assert_close(made.forms.others, made.bends.y[0, :, :1])
    torch.testing.assert_close(made.shared.others, made.bends.y[0, :, :1])


@pytest.mark.parametrize("scale", [0.5, 8.0])
def test_modes_of_latents_given_values_and_mask(scale):
    n, q, d = 20, 4, 3
    root = random(n, d, d, seed=1)
    precision = root @ root.mT + torch.eye(d, dtype=DOUBLE)
    shift, offset = random(n, d, seed=2), scale * random(n, q, seed=3)
    at_seen, at_missing = scale * random(q, d, seed=4), scale * random(q, d, seed=5)
    missing = random(n, q, seed=6) > 0
    mode, factor = tilted(precision, shift, at_seen, at_missing, offset, missing)
    for i in range(n):

        def height(h, i=i):
            score = torch.where(missing[i], at_missing @ h, -(at_seen @ h))
            score = score + torch.where(missing[i], offset[i], -offset[i])
            return h @ shift[i] - 0.5 * h @ precision[i] @ h + torch.special.log_ndtr(score).sum()

        pull = torch.autograd.functional.jacobian(height, mode[i])
        curvature = -torch.autograd.functional.hessian(height, mode[i])
        torch.testing.assert_close(factor[i] @ factor[i].T, curvature, rtol=1e-6, atol=1e-6)
        step = torch.linalg.solve(curvature, pull)
        assert float(step @ curvature @ step) ** 0.5 < 1e-3  # in standard deviations


def test_the_evidence_of_a_row_by_quadrature():
    made = some_chains(n=5, p=3, d=1, e=1, chains=1)
    made.bends.skew = random(1, 3, seed=10) * 0.3
    made.bends.refresh()
    made.y = torch.where(made.seen, made.bends.y, 0.0)
    runs = torch.stack([log_evidence(made, 400) for _ in range(20)])
    grid = torch.linspace(-8, 8, 301, dtype=DOUBLE)
    z, v = (part.flatten() for part in torch.meshgrid(grid, grid, indexing="ij"))
    weight, noise = made.decoder.weight[0, :, 0], made.decoder.noise[0]
    mean = made.decoder.mean[0] + z[:, None] * weight
    for i in range(5):
        seen, log_p = made.seen[i], stats.norm.logpdf(z)
        log_p = log_p + stats.norm.logpdf(v, float(made.shared.mean()[0, i, 0]))
        density = stats.norm.logpdf(made.y[0, i], mean, noise.sqrt()) + np.asarray(
            made.bends.log_slope[0, i]
        )
        log_p = log_p + density[:, seen.numpy()].sum(1)
        for place, j in enumerate(made.columns.tolist()):
            slope, score = made.forms.slope[0, place], made.forms.base()[0, i, place]
            score = score + torch.stack([z, v], -1) @ made.forms.loading[0, place]
            if seen[j]:
                log_p = log_p + stats.norm.logcdf(-(score + slope * made.y[0, i, j]))
            else:
                spread = (1 + slope**2 * noise[j]).sqrt()
                log_p = log_p + stats.norm.logcdf((score + slope * mean[:, j]) / spread)
        exact = math.log(float(np.exp(log_p).sum()) * float(grid[1] - grid[0]) ** 2)
        error = float(runs[:, 0, i].std()) / 20**0.5
        assert float(runs[:, 0, i].mean()) == pytest.approx(exact, abs=4 * error + 2e-3)
