"""Proposals around the modes of the latents under networks: the same answers, fewer particles."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.imputing import own_proposals
from absentia.inference.imputing.around_mode import around_modes, may_help
from absentia.inference.prepare import Programs


def table(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(n, 5))
    x[:, 0] = np.where(x[:, 0] > 0.5, np.nan, x[:, 0])
    x[rng.random((n, 5)) < 0.2] = np.nan
    return x[np.isfinite(x).any(1)]


@pytest.fixture(scope="module")
def fitted():
    data = ab.IncompleteData.from_numpy(table())
    model = ab.NotMIWAE(data, "self-masking", latent_dim=8, hidden=[8], scale="column", seed=1)
    return ab.fit(model, data, steps=300, learning_rate=1e-2, progress=False, check=False), data


def imputed(fitted, monkeypatch, worth, **options):
    found, data = fitted
    monkeypatch.setattr(own_proposals, "_WORTH_A_MODE", worth)
    return ab.impute(
        found, data, refine=False, check=False, independent_rows=True, **{"seed": 1, **options}
    )


def test_answers_are_those_of_the_guide(fitted, monkeypatch):
    own = imputed(fitted, monkeypatch, 10**9, tolerance=0.01, seed=2)
    moved = imputed(fitted, monkeypatch, 128, tolerance=0.01)
    fewer = moved.row_particles < own.row_particles
    assert fewer.mean() > 0.3
    assert moved.row_particles.sum() < 0.7 * own.row_particles.sum()
    cells = np.isnan(table()) & fewer[:, None]
    error = np.hypot(moved.mcse, own.mcse)[cells]
    z = (moved.mean - own.mean)[cells] / error
    assert np.abs(z).max() < 5
    assert np.sqrt(np.mean(z**2)) < 1.5
    apart = (moved.log_evidence - own.log_evidence)[fewer]
    assert np.abs(apart).max() < 0.3  # each has a standard error of at most a tenth of a nat


def test_a_row_by_itself_is_the_same(fitted, monkeypatch):
    found, _ = fitted
    whole = imputed(fitted, monkeypatch, 128)
    monkeypatch.setattr(own_proposals, "_MOVED_AT_ONCE", 7)
    few = ab.IncompleteData.from_numpy(table()[5:20], like=found)
    part = ab.impute(found, few, refine=False, check=False, independent_rows=True, seed=1)
    assert (part.row_particles == whole.row_particles[5:20]).all()
    np.testing.assert_allclose(part.mean, whole.mean[5:20], rtol=1e-4, atol=1e-4)


def test_the_proposal_is_around_the_mode_and_keeps_the_guide(fitted):
    found, data = fitted
    programs = Programs(found.model.model, found.model.guide)
    around = around_modes(programs, data.x, data.s, "auto", **data.extras())
    proposal = around.fn
    assert around.name == "z"
    guide = found.model.encoder(data.x, data.s)
    torch.testing.assert_close(proposal.loc[..., -1], guide.loc)
    torch.testing.assert_close(proposal.log_share.exp().sum(-1), torch.ones(len(data)))
    # the curvature is at least the prior's, which is one
    precision = proposal.precision_tril[..., 0, :]
    assert float(torch.linalg.eigvalsh(precision @ precision.mT).min()) > 0.99
    some = around.at(torch.tensor([3, 1])).fn
    torch.testing.assert_close(some.loc, proposal.loc[[3, 1]])


def test_where_they_may_help(fitted):
    found, data = fitted
    linear = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    assert may_help(Programs(found.model.model, found.model.guide))
    assert not may_help(Programs(linear.model, linear.guide))
