"""The number of particles that each row gets where it is chosen row by row."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.inference.imputing import blocks
from absentia.inference.imputing.enough import FEWEST, MOST, particles_needed, sizes
from absentia.inference.imputing.gathered import Gathered
from absentia.inference.imputing.particles import Sampler
from absentia.models import ExactConditionalEncoder, MaskAwareEncoder, SelfMasking
from tests.oracles import true_model

P, D, SLOPE, OFFSET = 4, 2, -2.0, 0.5


@pytest.fixture(scope="module")
def truth():
    return LinearGaussian.random(p=P, d=D, sigma=0.5, seed=1)


@pytest.fixture(scope="module")
def data(truth):
    _, x = truth.sample(90, seed=2)
    rng = np.random.default_rng(3)
    hidden = rng.random(x.shape) > 1 / (1 + np.exp(-(SLOPE * x + OFFSET)))
    x[hidden] = np.nan
    x[0], x[1] = truth.mean, np.nan
    return ab.IncompleteData.from_numpy(x, standardise=False)


@pytest.fixture(scope="module")
def model(truth, data):
    return true_model(
        truth,
        SelfMasking(P, slope=SLOPE, offset=OFFSET),
        ExactConditionalEncoder(P, D),
        data.columns,
    )


@pytest.fixture(scope="module")
def found(model, data):
    return ab.impute(model, data)


@pytest.fixture(scope="module")
def exact(truth, data):
    s = data.s.numpy()
    return truth.posterior_mean(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)


def test_means_are_the_exact_ones_within_their_standard_errors(data, exact, found):
    z = np.abs(((found.mean - exact) / np.maximum(found.mcse, 1e-9))[~data.s.numpy()])
    # Student's t of 7 degrees of freedom has the standard deviation 1.18 and the quantile 2.36
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.6
    assert np.mean(z < 2.36) == pytest.approx(0.95, abs=0.06)


def test_the_error_is_what_was_asked_for(data, model, exact):
    hidden = ~data.s.numpy()
    counts = []
    for tolerance in (0.05, 0.01):
        found = ab.impute(model, data, tolerance=tolerance, draws=0)
        error = ((found.mean - exact)[hidden] / found.sd[hidden]) ** 2
        assert np.sqrt(error.mean()) < 1.3 * tolerance
        counts.append(found.row_particles.mean())
    assert counts[1] > 2 * counts[0]


def test_hard_rows_get_more_particles(found):
    counts, shares = found.row_particles, found.ess / found.row_particles
    assert set(counts) <= set(sizes())
    assert counts.min() < counts.max()
    uneven = shares < np.quantile(shares, 0.2)
    assert counts[uneven].mean() > 1.5 * counts[~uneven].mean()
    assert counts[0] == FEWEST  # a complete row
    assert f"{counts.min()} to {counts.max()} particles" in repr(found)
    assert found.rows()["particles"].tolist() == counts.tolist()


def test_blocks_and_rows_beside_do_not_matter(model, data, monkeypatch):
    whole = ab.impute(model, data, refine=False, draws=3)
    monkeypatch.setattr(blocks.Blocks, "at_once", lambda self, particles: 7)
    for again in (ab.impute(model, data, refine=False, draws=3),
                  ab.impute(model, data.rows(slice(0, 30)), refine=False, draws=3)):  # fmt: skip
        some = slice(0, len(again.khat))
        np.testing.assert_array_equal(again.row_particles, whole.row_particles[some])
        for name in ("mean", "sd", "mcse"):
            np.testing.assert_allclose(
                getattr(again, name), getattr(whole, name)[some], rtol=1e-4, atol=1e-5
            )
        np.testing.assert_allclose(again.log_evidence, whole.log_evidence[some], atol=1e-5)


def test_rows_that_share_random_numbers_do_not_depend_on_their_order(model, data):
    order = np.random.default_rng(0).permutation(len(data))
    options = {"refine": False, "independent_rows": True, "draws": 0}
    one, other = ab.impute(model, data, **options), ab.impute(model, data.rows(order), **options)
    np.testing.assert_array_equal(one.row_particles[order], other.row_particles)
    np.testing.assert_allclose(one.mean[order], other.mean, rtol=1e-4, atol=1e-5)


def test_errors_of_different_rows_are_independent(truth, model):
    """One row many times: the mean of its imputations has the error of so many particles."""
    row, seen = np.array([[0.3, 9.0, 9.0, -0.4]]), np.array([[True, False, False, True]])
    table = np.vstack([np.where(seen, row, np.nan).repeat(400, 0), np.zeros((1, P))])
    data = ab.IncompleteData.from_numpy(table, standardise=False)
    found = ab.impute(model, data, draws=0, refine=False)
    exact = truth.posterior_mean(row, seen, SLOPE, OFFSET)[0, 1]
    error = found.mean[:400, 1] - exact
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(400)
    assert error.std() == pytest.approx(np.sqrt((found.mcse[:400, 1] ** 2).mean()), rel=0.25)


@pytest.mark.slow
def test_draws_of_rows_with_different_numbers_have_the_reported_moments(data, model):
    found = ab.impute(model, data, draws=2000)
    assert len(np.unique(found.row_particles)) > 2
    hidden = ~data.s.numpy()
    draws = found.draws(2000)[:, hidden]
    between = np.sqrt(1 / 2000 + 1 / found.ess)[:, None].repeat(P, 1)[hidden]
    z = (draws.mean(0) - found.mean[hidden]) / (found.sd[hidden] * between)
    assert np.abs(z).max() < 4.5
    assert np.abs(draws.std(0) / found.sd[hidden] - 1).max() < 0.15
    low, high = found.interval(0.8)
    inside = ((draws >= low[hidden]) & (draws <= high[hidden])).mean()
    assert inside == pytest.approx(0.8, abs=0.01)


def test_a_refined_row_gets_as_many_as_its_proposal_needs(truth, data, exact):
    mechanism = SelfMasking(P, slope=SLOPE, offset=OFFSET)
    model = true_model(truth, mechanism, off_the_mark(), data.columns)
    found = ab.impute(model, data, draws=0)
    assert found.refined.mean() > 0.5
    assert found.row_particles[found.refined].mean() < 2000
    hidden = ~data.s.numpy() & found.refined[:, None]
    z = (found.mean - exact)[hidden] / found.mcse[hidden]
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.3


def off_the_mark():
    encoder = MaskAwareEncoder(P, D, hidden=[4])
    with torch.no_grad():
        for parameter in encoder.heads.parameters():
            parameter.zero_()
        encoder.heads.mean.bias.fill_(1.0)
        encoder.heads.scale.bias.fill_(float(np.log(np.expm1(0.3))))
    return encoder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance is 0.0; give a share"),
        ({"tolerance": 1.5}, "tolerance is 1.5"),
        ({"tolerance": "0.1"}, "tolerance is '0.1'"),
        ({"tolerance": 0.1, "particles": 50}, "tolerance is 0.1 and particles is 50"),
        ({"particles": "most"}, "particles is 'most'.* or 'auto'"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for(model, data, options, message):
    with pytest.raises(ValueError, match=message):
        ab.impute(model, data, **options)


# --- the rule ---


def pilot(relative, between, ess, size=128):
    """One row of one missing cell with posterior variance 1."""
    found = Gathered(torch.tensor([[False]]), 0, 0, torch.float32)
    for name, value in (("mcse", relative**0.5), ("between", between), ("ess", ess),
                        ("variance", 1.0)):  # fmt: skip
        getattr(found.estimates, name).fill_(value)
    return found


def needed(relative, between, ess, tolerance=0.02, draws=0, group=16):
    return int(particles_needed(pilot(relative, between, ess), 128, group, tolerance, draws))


def test_the_rule_by_hand():
    # independent particles: 128 with the relative variance 1/100 need 128 * 0.01 / 0.0004 = 3,200
    assert needed(0.01, 1.0, 100.0, group=1) == 4096
    # no gain by an even spread, and none that falls as fast as 1/L
    assert needed(0.01, 1.0, 100.0) == 4096
    # a gain of 4 = 16^0.5 is taken to make the error fall as L^-1.5: 128 (0.0025/0.0004)^(2/3)
    assert needed(0.0025, 1.0, 100.0) == 512
    # draws: 0.5 / 200 is the most that may come from the particles: 128 / (100 * 0.0025) = 512
    assert needed(0.0, 1.0, 100.0, draws=200) == 512
    # the evidence: (128 / 32 - 1) / 0.01 = 300
    assert needed(0.0, 0.0, 32.0) == 384
    # nothing to do, and nothing that can be done
    assert needed(0.0, 0.0, 128.0) == FEWEST
    assert needed(np.nan, np.nan, np.nan) == MOST


def test_a_chunk_holds_no_more_values_of_wide_tables_or_of_many_particles():
    sampler = Sampler(None, None, unobserved="sample")
    for rows, columns, group in [(16, 10, 1), (16, 1500, 1), (128, 784, 16), (1, 5, 4000)]:
        chunk = sampler._chunk(torch.zeros(rows, columns), 100_000, group, 0)
        assert chunk * rows * columns <= 2_000_000
        assert chunk * rows <= blocks.PAIRS_AT_ONCE
        assert chunk % group == 0 or chunk < group
    assert sampler._chunk(torch.zeros(16, 1500), 100_000, 100, 80) == 20  # ends a replicate
