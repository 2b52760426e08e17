"""A column's mechanism with all else integrated out, against joint Normals and plain searches."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from torch.nn.functional import one_hot

from absentia.inference.gibbs.chains import Chains
from absentia.inference.gibbs.collapsed import log_likelihood, log_prior, scores
from absentia.inference.gibbs.mechanism import collapsed, propose
from absentia.inference.gibbs.proposal import Proposal
from absentia.models.missingness.averaged import FORMS

N, P, E, C = 8, 3, 1, 2
DOUBLE = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=DOUBLE)


def made(direct, components=C, rows=N):
    """Return two chains with arbitrary parameters; the first column is complete."""
    d = P if direct else 2
    seen = torch.rand(rows, P, generator=generator(1)) < 0.6
    seen[0], seen[:, 0] = True, True
    found = Chains(
        torch.where(seen, random(rows, P), 0.0), seen, torch.ones(P, dtype=torch.bool),
        latent_dim=d, mask_latent_dim=E, chains=2, shared=False, floor=0.0, forms=tuple(FORMS),
        generator=generator(2), components=components, direct=direct,
    )  # fmt: skip
    k, q = found.forms.slope.shape
    if not direct:
        found.decoder.weight, found.decoder.mean = random(k, P, d, seed=3), random(k, P, seed=4)
    found.decoder.noise = random(k, P, seed=5).exp()
    found.forms.slope, found.forms.offset = random(k, q, seed=6), random(k, q, seed=7)
    found.forms.loading = random(k, q, d + E, seed=8)
    if direct:  # no column reads the latent that is its own value
        for place, j in enumerate(found.columns.tolist()):
            found.forms.loading[:, place, j] = 0.0
    found.forms.coefficient = random(k, q, 1, seed=11)
    found.shared.coefficient = random(k, E, 1, seed=12)
    if components > 1:
        root = random(k, components, d, d, seed=13).tril() + 2 * torch.eye(d, dtype=DOUBLE)
        found.mixture.precision = root @ root.mT
        found.mixture.log_det = torch.linalg.slogdet(found.mixture.precision)[1]
        found.mixture.component = torch.randint(components, (k, rows), generator=generator(15))
    return found


def joint(chains, k, i):
    """Return mean and covariance of all values and utilities of row i in chain k."""
    columns, d = chains.columns.tolist(), chains.of_rows.shape[-1]
    q, c = len(columns), int(chains.mixture.component[k, i])
    weight = chains.decoder.weight[k].numpy()
    map_y = np.hstack([weight, np.zeros((P, E)), np.eye(P), np.zeros((P, q))])
    map_u = np.hstack([chains.forms.loading[k].numpy(), np.zeros((q, P)), np.eye(q)])
    map_u += chains.forms.slope[k].numpy()[:, None] * map_y[columns]
    spread = np.diag(np.concatenate([np.ones(d + E), chains.decoder.noise[k].numpy(), np.ones(q)]))
    spread[:d, :d] = chains.mixture.precision[k, c].inverse().numpy()
    centre = np.concatenate(
        [chains.mixture.mean[k, c].numpy(), chains.shared.mean()[k, i].numpy(), np.zeros(P + q)]
    )
    both, mean = np.vstack([map_y, map_u]), chains.decoder.mean[k].numpy()
    base = chains.forms.base()[k, i].numpy() + chains.forms.slope[k].numpy() * mean[columns]
    return both @ centre + np.concatenate([mean, base]), both @ spread @ both.T


def given(mean, cov, known, values, asked):
    """Condition a joint Normal on some of its values."""
    gain = cov[np.ix_(asked, known)] @ np.linalg.inv(cov[np.ix_(known, known)])
    return (
        mean[asked] + gain @ (values - mean[known]),
        cov[np.ix_(asked, asked)] - gain @ cov[np.ix_(known, asked)],
    )


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_the_likelihood_of_a_column_by_the_joint_normal_of_values_and_utilities(direct, place):
    chains = made(direct)
    column = collapsed(chains, place)
    j, q = int(chains.columns[place]), len(chains.columns)
    now = chains.forms.coefficients(place)
    at = now + 0.5 * random(*now.shape, seed=20)
    at[:, 2:-1] = torch.where(now[:, 2:-1] == 0, 0.0, at[:, 2:-1])
    found = [log_likelihood(column, one.unsqueeze(1)).squeeze(1) for one in (now, at)]
    moments = [part.squeeze(1) for part in scores(column, at.unsqueeze(1))]
    other = made(direct)  # with the new coefficients, and the shift as the state absorbs it
    other.forms.put(place, torch.zeros(2, dtype=torch.long), at)
    if direct:
        other.mixture.mean[..., j] += at[:, -1:]
        other.forms.offset = other.forms.offset - other.forms.loading[..., j] * at[:, -1:]
    else:
        other.decoder.mean[:, j] += at[:, -1]
    for k in range(2):
        totals = []
        for which in (chains, other):
            total = 0.0
            for i in range(N):
                mean, cov = joint(which, k, i)
                seen = chains.seen[i].numpy()
                known = [c for c in range(P) if seen[c] and c != j]
                known += [P + c for c in range(q) if c != place]
                values = np.concatenate([chains.y[k, i].numpy(), chains.u[k, i].numpy()])
                if seen[j]:
                    m, v = given(mean, cov, known, values[known], [j])
                    total += stats.norm.logpdf(values[j], m[0], v[0, 0] ** 0.5)
                    known = [*known, j]
                m, v = given(mean, cov, known, values[known], [P + place])
                sign = -1 if seen[j] else 1
                total += stats.norm.logcdf(sign * m[0] / v[0, 0] ** 0.5)
                if which is other:
                    np.testing.assert_allclose(moments[0][k, i], m[0], rtol=1e-7)
                    np.testing.assert_allclose(moments[1][k, i], v[0, 0], rtol=1e-7)
            totals.append(total)
        difference = float(found[1][k] - found[0][k])
        assert difference == pytest.approx(totals[1] - totals[0], rel=1e-7)


@pytest.mark.parametrize("direct", [False, True])
def test_the_prior_of_a_shift_is_that_of_all_that_moves_with_it(direct):
    chains = made(direct)
    column, t = collapsed(chains, 0), 0.7
    found = -0.5 * column.shift[:, 0] * t**2 + column.shift[:, 1] * t
    j = int(chains.columns[0])
    for k in range(2):
        if direct:
            spread = float(chains.mixture.mean_variance[k, j]) ** 0.5
            before = chains.mixture.mean[k, :, j].numpy()
            expected = stats.norm.logpdf(before + t, 0, spread).sum()
            expected -= stats.norm.logpdf(before, 0, spread).sum()
            offset, read = chains.forms.offset[k].numpy(), chains.forms.loading[k, :, j].numpy()
            expected += stats.norm.logpdf(offset - t * read, 0, 3).sum()
            expected -= stats.norm.logpdf(offset, 0, 3).sum()
        else:
            before = float(chains.decoder.mean[k, j])
            expected = stats.norm.logpdf(before + t, 0, 2) - stats.norm.logpdf(before, 0, 2)
        assert float(found[k]) == pytest.approx(expected, rel=1e-9)


def test_modes_are_those_that_a_plain_search_finds(monkeypatch):
    monkeypatch.setattr("absentia.inference.gibbs.proposal._STEPS", 30)
    monkeypatch.setattr("absentia.inference.gibbs.proposal._FLAT", 1e-12)
    chains = made(False, rows=120)
    proposal = Proposal(collapsed(chains, 1), chains.forms.prior(1), chains.forms.modes[:, 1])
    column, prior = proposal.column, chains.forms.prior(1)
    for g, form in enumerate(prior.group.tolist()):
        there = proposal.terms[g]

        def height(values, form=form, there=there):
            at = torch.zeros(2, len(there), dtype=DOUBLE)
            at[0, there] = torch.from_numpy(values)
            return -float(proposal.log_target(torch.tensor([form, form]), at)[0])

        found = proposal.mode[0, g, there].numpy()
        best = optimize.minimize(height, found + 0.05, options={"gtol": 1e-5})
        assert height(found) == pytest.approx(best.fun, abs=1e-5)
    target = log_likelihood(column, proposal.mode)
    target = target + log_prior(column, proposal.mode, prior.precision, proposal.terms)
    weight = prior.log_weight[:, prior.group]
    own = torch.stack(
        [
            proposal.log_target(form.expand(2), proposal.mode[:, g])
            for g, form in enumerate(prior.group)
        ],
        1,
    )
    np.testing.assert_allclose(own, target + weight, rtol=1e-9)


def test_proposals_have_the_density_that_is_said():
    """The mean over proposals of f / density is the integral of f, here of a Normal by form."""
    chains = made(False, rows=40)
    proposal = Proposal(collapsed(chains, 0), chains.forms.prior(0), chains.forms.modes[:, 0])
    source, both, ratios = generator(3), torch.arange(2), []
    for _ in range(3000):
        form, at = proposal.draw(source)
        g = (proposal.prior.group == form.unsqueeze(1)).int().argmax(1)  # one of the form's modes
        left = (at - proposal.mode[both, g]).unsqueeze(-1)
        squares = (proposal.factor[both, g].mT @ left).square().sum((-2, -1))
        f = proposal.log_det[both, g] - 0.5 * squares
        f = f - 0.5 * proposal.count[g] * math.log(2 * math.pi)
        ratios.append((f - proposal.log_density(form, at)).exp())
    ratio = torch.stack(ratios)
    error = ratio.std(0) / len(ratio) ** 0.5
    assert ((ratio.mean(0) - len(FORMS)).abs() < 4 * error).all()


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True])
def test_forms_are_visited_by_their_posterior(direct):
    """Of a column given the other utilities: by importance sampling, and by steps of the chain."""
    chains = made(direct, rows=40)
    proposal = Proposal(collapsed(chains, 0), chains.forms.prior(0), chains.forms.modes[:, 0])
    found, source = torch.zeros(2, len(FORMS), dtype=DOUBLE), generator(4)
    for _ in range(1500):
        form, at = proposal.draw(source)
        weight = (proposal.log_target(form, at) - proposal.log_density(form, at)).exp()
        found[torch.arange(2), form] += weight
    expected = found / found.sum(-1, keepdim=True)
    steps, chains.forms.sought[0] = [], True  # as the proposals above
    for _ in range(600):
        propose(chains, 0, adapt=False)
        steps.append(one_hot(chains.forms.form[:, 0], len(FORMS)).to(DOUBLE))
    batches = torch.stack(steps).unflatten(0, (20, -1)).mean(1)  # (20, K, F)
    error = batches.std(0) / 20**0.5 + 0.01
    assert ((batches.mean(0) - expected).abs() < 4 * error).all()
    # the steps move, and leave what is observed as it is
    assert len({int(one) for step in steps for one in step.argmax(-1)}) > 2
    assert torch.equal(chains.y[:, chains.seen], made(direct, rows=40).y[:, chains.seen])


def test_the_first_proposals_are_accepted_as_later_ones_are(monkeypatch):
    """Large tables visit a column five times in all; the first time was in vain in all chains."""
    monkeypatch.setattr("absentia.inference.gibbs.chains._RARELY", 10**6)
    source = generator(0)
    x = torch.randn(800, 3, generator=source, dtype=DOUBLE)
    x = x @ torch.randn(3, 12, generator=source, dtype=DOUBLE)
    x = x + 0.7 * torch.randn(800, 12, generator=source, dtype=DOUBLE)
    x = (x - x.mean(0)) / x.std(0)
    seen = torch.ones(800, 12, dtype=torch.bool)
    for j in (0, 2):
        seen[:, j] = torch.rand(800, generator=source, dtype=DOUBLE) > (2 * x[:, j] - 1.2).sigmoid()
    chains = Chains(
        torch.where(seen, x, 0.0), seen, torch.ones(12, dtype=torch.bool), latent_dim=12,
        mask_latent_dim=1, chains=8, shared=False, floor=0.01, forms=tuple(FORMS),
        generator=source, components=2, direct=True,
    )  # fmt: skip
    for _ in range(6):
        chains.sweep(bend=True)
    assert int(propose(chains, 0, adapt=True).sum()) >= 3
    assert chains.forms.sought.tolist() == [True, False]
