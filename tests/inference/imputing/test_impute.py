"""Imputation: exact answers, honest errors, the table's own units."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.data.system.process import seeded
from absentia.inference import effective_sample_size, khat_threshold, pareto_khat
from absentia.models import LinearMissingness, SelfMasking

P, D, SLOPE, OFFSET = 4, 2, -2.0, 0.5


@pytest.fixture(scope="module")
def truth():
    return LinearGaussian.random(p=P, d=D, sigma=0.5, seed=1)


@pytest.fixture(scope="module")
def data(truth):
    _, x = truth.sample(20, seed=2)
    rng = np.random.default_rng(3)
    x[rng.random(x.shape) > 1 / (1 + np.exp(-(SLOPE * x + OFFSET)))] = np.nan
    x[0] = truth.mean
    x[1] = np.nan
    return ab.IncompleteData.from_numpy(x, standardise=False)


def true_model(truth, data, mechanism=None):
    """The model that made the data, with the exact guide."""
    model = ab.NotMIWAEPPCA(
        data, mechanism or SelfMasking(P, slope=SLOPE, offset=OFFSET), latent_dim=D, floor=0.0
    )
    with torch.no_grad():
        model.decoder.mean.weight.copy_(torch.tensor(truth.weights))
        model.decoder.mean.bias.copy_(torch.tensor(truth.mean))
        model.decoder.scale.raw.fill_(float(np.log(np.expm1(0.5))))
    return model


@pytest.fixture(scope="module")
def imputation(truth, data):
    return ab.impute(true_model(truth, data), data, 2000, draws=2000)


def exact_means(truth, data):
    s = data.s.numpy()
    return truth.posterior_mean(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)


# --- the answers ----


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
@pytest.mark.thin(1)
def test_means_and_evidence_are_the_exact_ones(truth, data, unobserved):
    found = ab.impute(true_model(truth, data), data, 4000, unobserved=unobserved, draws=0)
    s = data.s.numpy()
    difference = np.abs(found.mean - exact_means(truth, data))[~s]
    assert (difference < 4.5 * found.mcse[~s] + 1e-6).all()
    exact = truth.log_prob_joint(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)
    error = np.sqrt(1 / found.ess - 1 / found.row_particles) + 1e-5
    assert (np.abs(found.log_evidence - exact) < 4.5 * error).all()


def test_the_decoder_mean_is_something_else(truth, data, imputation):
    """It is E[mu(z) | x_o, s], biased towards the observed (here: lower) side."""
    found = ab.impute(true_model(truth, data), data, 2000, rule="decoder-mean", draws=10)
    hidden = ~data.s.numpy()
    gap = (exact_means(truth, data) - found.mean)[hidden]
    assert gap.mean() > 0.05
    assert (gap > 0).mean() > 0.8
    assert found.rule == "decoder-mean"
    assert np.abs((exact_means(truth, data) - imputation.mean)[hidden]).mean() < gap.mean() / 3


def test_draws_of_the_decoder_rule_are_of_x_given_z(truth, data):
    """Their mean is the rule's, their spread that of the mixture of decoders, not of the tails."""
    draws = 2000
    found = ab.impute(
        true_model(truth, data), data, 4000, rule="decoder-mean", refine=False, draws=draws
    )
    hidden = ~data.s.numpy()
    values = found.draws(draws)[:, hidden]
    spread = found.sd[hidden]
    error = (values.mean(0) - found.mean[hidden]) / (spread / draws**0.5 + found.mcse[hidden])
    assert np.abs(error).max() < 5
    assert np.allclose(values.std(0), spread, rtol=0.12)
    # a value hidden for being high: whatever the mask, the decoder also draws low ones
    posterior = ab.impute(true_model(truth, data), data, 4000, refine=False, draws=draws)
    assert (posterior.sd[hidden] < spread).mean() > 0.9


def test_spread_and_quantiles_are_those_of_the_exact_posterior(truth):
    """One column alone, by a fine grid: p(x | s = 0) of N(mean, sd) and a logistic mechanism."""
    table = ab.IncompleteData.from_numpy(np.array([[0.0], [np.nan]]), standardise=False)
    model = ab.NotMIWAEPPCA(table, SelfMasking(1, slope=SLOPE, offset=OFFSET), latent_dim=1)
    weight = float(model.decoder.mean.weight.detach())
    sd = np.hypot(weight, float(model.decoder.scale(None).detach()))
    found = ab.impute(model, table, 20_000, draws=4000, unfitted=True)
    x = np.linspace(-8 * sd, 8 * sd, 20_001)
    density = np.exp(-0.5 * (x / sd) ** 2) / (1 + np.exp(SLOPE * x + OFFSET))
    density /= density.sum()
    mean = (density * x).sum()
    spread = np.sqrt((density * (x - mean) ** 2).sum())
    assert found.mean[1, 0] == pytest.approx(mean, abs=5 * found.mcse[1, 0])
    assert found.sd[1, 0] == pytest.approx(spread, rel=0.05)
    for q in (0.05, 0.5, 0.95):
        exact = np.interp(q, density.cumsum(), x)
        height = np.interp(exact, x, density) / (x[1] - x[0])
        # sd of a sample quantile; the draws come from 20,000 particles besides
        error = np.sqrt(q * (1 - q) * (1 / 4000 + 1 / found.ess[1])) / height
        assert found.quantile(q)[1, 0] == pytest.approx(exact, abs=4 * error)


def test_reported_standard_errors_are_the_spread_over_seeds(truth, data):
    runs = [
        ab.impute(true_model(truth, data), data, 200, seed=seed, refine=False, draws=0)
        for seed in range(50)
    ]
    hidden = ~data.s.numpy()
    actual = np.std([run.mean[hidden] for run in runs], axis=0, ddof=1)
    reported = np.mean([run.mcse[hidden] for run in runs], axis=0)
    ratio = actual / reported
    # an sd over 50 seeds has a relative error of 0.1: its mean over the cells far less
    assert 0.7 < np.sqrt((ratio**2).mean()) < 1.3
    assert ((ratio > 0.5) & (ratio < 2.0)).all()


def test_streaming_is_the_formula_on_the_same_particles(truth, data):
    """Against self-normalised sums over one call of ``weights`` with the same random numbers."""
    mechanism = LinearMissingness(P)
    with torch.no_grad():
        mechanism.linear.weight.copy_(-torch.eye(P) - 0.3)
    model = true_model(truth, data, mechanism).eval()
    found = ab.impute(model, data, 300, unobserved="sample", refine=False, draws=0, seed=5)
    with torch.no_grad(), seeded(5):
        run = ab.inference.weights(model.model, model.guide, data.x, data.s, num_particles=300)
    log_weight = run.log_weight.double()
    x = run.sites["x_unobserved"].value.double()
    share = torch.softmax(log_weight, 0).unsqueeze(-1)
    mean = (share * x).sum(0)
    sd = (share * (x - mean).square()).sum(0).sqrt()
    mcse = (share.square() * (x - mean).square()).sum(0).sqrt()
    hidden = ~data.s.numpy()
    for ours, theirs in ((found.mean, mean), (found.sd, sd), (found.mcse, mcse)):
        np.testing.assert_allclose(ours[hidden], theirs.numpy()[hidden], rtol=1e-4, atol=1e-5)
    evidence = log_weight.logsumexp(0) - np.log(300)
    np.testing.assert_allclose(found.log_evidence, evidence.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found.ess, effective_sample_size(log_weight).numpy(), rtol=1e-5)
    np.testing.assert_allclose(found.khat, pareto_khat(run.log_weight).numpy(), rtol=1e-5)


# --- the result ----


def test_quantiles_come_from_the_draws(data, imputation):
    draws = imputation.draws(2000)
    hidden = ~data.s.numpy()
    for q in (0.0, 0.1, 0.5, 1.0):
        expected = np.quantile(draws, q, axis=0)
        np.testing.assert_allclose(imputation.quantile(q)[hidden], expected[hidden], atol=1e-12)
    np.testing.assert_array_equal(imputation.median, imputation.quantile(0.5))
    low, high = imputation.interval(0.8)
    np.testing.assert_allclose(low, imputation.quantile(0.1))
    np.testing.assert_allclose(high, imputation.quantile(0.9))
    inside = (draws >= low) & (draws <= high)
    assert np.abs(inside[:, hidden].mean() - 0.8) < 0.01


def test_draws_have_the_reported_moments(data, imputation):
    draws = imputation.draws(2000)
    hidden = ~data.s.numpy()
    sd = imputation.sd[hidden]
    # two sources of error: 2000 slots, and resampling from finitely many particles
    error = sd * np.sqrt(2 / 2000)
    assert (np.abs(draws.mean(0)[hidden] - imputation.mean[hidden]) < 5 * error).all()
    assert (np.abs(draws.std(0)[hidden] / sd - 1) < 0.15).all()


def test_draws_keep_the_dependence_between_cells(truth, data, imputation):
    """The empty row: its cells are correlated as x is, given that all are missing."""
    draws = imputation.draws(2000)[:, 1]
    found = np.corrcoef(draws.T)
    # the exact answer by rejection: complete rows that lose every cell
    _, x = truth.sample(400_000, seed=9)
    rng = np.random.default_rng(10)
    lost = (rng.random(x.shape) > 1 / (1 + np.exp(-(SLOPE * x + OFFSET)))).all(1)
    expected = np.corrcoef(x[lost].T)
    assert np.abs(expected[0, 1:]).max() > 0.3
    # 4 standard errors of a correlation from about `ess` independent particles
    assert np.abs(found - expected).max() < 4 / np.sqrt(min(imputation.ess[1], 2000))


def test_observed_cells_are_returned_to_the_last_bit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4)) * [1.0, 1e300, 1e-300, 1e5] + [0.1 + 0.2, 0.0, 0.0, 1e5]
    x[0] = [0.1 + 0.2, 1e300, 5e-324, -0.0]
    x[rng.random(x.shape) < 0.3] = np.nan
    x[0, 3], x[0, 0] = -0.0, 0.1 + 0.2
    index = pd.Index([f"row {i}" for i in range(30)], name="id")
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"], index=index)
    data = ab.IncompleteData.from_frame(frame)
    found = ab.impute(ab.PPCA(data, latent_dim=2), data, 100, unfitted=True)
    seen = ~np.isnan(x)
    for table in (found.mean, found.median, found.draws(1)[0], found.quantile(0.2)):
        assert table.dtype == np.float64
        assert table[seen].tobytes() == x[seen].tobytes()
        assert np.isfinite(table).all()
    assert (found.sd[seen] == 0).all()
    assert (found.mcse[seen] == 0).all()
    assert (found.sd[~seen] > 0).all()
    table = found.to_frame()
    assert table.index.equals(index)
    assert list(table.columns) == ["a", "b", "c", "d"]
    assert table.to_numpy()[seen].tobytes() == x[seen].tobytes()
    np.testing.assert_array_equal(found.to_frame(found.median), found.median)
    # each column in its own units
    scale = np.subtract(*np.nanpercentile(x[1:], [75, 25], axis=0)) / 1.35
    ratio = (found.sd / scale)[~seen]
    assert ((ratio > 0.05) & (ratio < 5)).all()


def test_rows_and_summary(data, imputation):
    rows = imputation.rows()
    assert rows.index.equals(data.index)
    assert {"log_evidence", "ess", "khat", "khat_before", "refined", "weights_good"} <= set(rows)
    np.testing.assert_array_equal(rows["khat"], imputation.khat)
    threshold = khat_threshold(2000)
    np.testing.assert_array_equal(rows["weights_good"], imputation.khat <= threshold)
    summary = imputation.summary()
    assert summary["khat_threshold"] == threshold
    assert summary["particles"] == 2000
    assert summary["weights_good"] == np.mean(imputation.khat <= threshold)
    assert 0 < summary["median_ess_share"] <= 1
    assert "2000 particles" in repr(imputation)
    assert f"{(~data.s).sum()} cells" in repr(imputation)


def test_what_cannot_be_asked_for(imputation, truth, data):
    with pytest.raises(ValueError, match=r"2001 draws.*draws"):
        imputation.draws(2001)
    with pytest.raises(ValueError, match="0 draws"):
        imputation.draws(0)
    with pytest.raises(ValueError, match=r"q is 1\.5"):
        imputation.quantile(1.5)
    with pytest.raises(ValueError, match="level is 90"):
        imputation.interval(90)
    none = ab.impute(true_model(truth, data), data, 50, draws=0)
    assert np.isfinite(none.mean).all()
    for call in (lambda: none.median, lambda: none.draws(1), lambda: none.interval(0.5)):
        with pytest.raises(ValueError, match=r"impute.*draws="):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "mean"}, "rule.*decoder-mean"),
        ({"particles": 0}, "particles is 0"),
        ({"unobserved": "drop"}, "unobserved is 'drop'"),
        ({"draws": -1}, "draws is -1"),
        ({"draws": 2.5}, "draws.*whole number"),
        ({"particles": float("nan")}, "particles is nan"),
        ({"particles": "20"}, "particles is '20'"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(data, options, message):
    model = ab.PPCA(data)
    with pytest.raises(ValueError, match=message) as error:
        ab.impute(model, data, **{"particles": 20} | options)
    assert "\n" not in str(error.value)


def test_a_table_of_other_columns_is_refused(data):
    other = ab.IncompleteData.from_numpy(data.values[:, :3])
    shuffled = ab.IncompleteData.from_numpy(data.values, columns=["x1", "x0", "x2", "x3"])
    for table in (other, shuffled):
        with pytest.raises(ValueError, match=r"like=.*training"):
            ab.impute(ab.PPCA(data), table, 20)


# --- repeatable ----


def test_the_same_seed_gives_the_same_imputation(truth, data):
    model = true_model(truth, data)
    torch.manual_seed(1)
    first = ab.impute(model, data, 100, seed=3)
    state = torch.get_rng_state()
    again, other = (ab.impute(model, data, 100, seed=s) for s in (3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.mean.tobytes() == again.mean.tobytes()
    assert first.draws(200).tobytes() == again.draws(200).tobytes()
    assert (first.mean != other.mean).any()


def test_the_model_is_left_as_it_is(truth, data):
    model = true_model(truth, data)
    for training in (True, False):
        model.train(training)
        ab.impute(model, data, 20)
        assert model.training is training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_the_order_of_rows_does_not_matter(truth, data):
    order = np.random.default_rng(0).permutation(len(data))
    shuffled = data.rows(order)
    model = true_model(truth, data)
    first, other = ab.impute(model, data, 2000), ab.impute(model, shuffled, 2000)
    hidden = ~shuffled.s.numpy()
    difference = np.abs(first.mean[order] - other.mean)[hidden]
    error = np.hypot(first.mcse[order], other.mcse)[hidden]
    assert (difference < 4.5 * error + 1e-6).all()
    np.testing.assert_array_equal(other.rows().index, data.index[order])


def test_many_rows_are_worked_through_in_blocks(truth, data):
    """Rows do not mix: exactly known evidence in every block, under PPCA."""
    _, x = truth.sample(1200, seed=5)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    table = ab.IncompleteData.from_numpy(x, standardise=False)
    model = true_model(truth, data, ab.PPCA(data).missingness)
    found = ab.impute(model, table, 30, refine=False, draws=1)
    exact = truth.log_prob_observed(np.nan_to_num(x), ~np.isnan(x))
    np.testing.assert_allclose(found.log_evidence, exact, atol=1e-4)
    hidden = np.isnan(x)
    expected = np.array(
        [m for i in range(1200) for m in truth.conditional(np.nan_to_num(x[i]), ~hidden[i])[0]]
    )
    z = (found.mean[hidden] - expected) / np.maximum(found.mcse[hidden], 1e-6)
    assert np.sqrt(np.mean(z**2)) < 1.3  # 30 particles: t rather than normal
    assert np.abs(found.mean[hidden] - expected).mean() < 0.2


# --- the tables that are given ---


def test_an_empty_row_is_imputed_from_the_marginal(truth):
    table = ab.IncompleteData.from_numpy(
        np.vstack([truth.sample(5, seed=0)[1], np.full((1, P), np.nan)]), standardise=False
    )
    model = true_model(truth, table, ab.PPCA(table).missingness)
    found = ab.impute(model, table, 5000, draws=0)
    assert (np.abs(found.mean[5] - truth.mean) < 4.5 * found.mcse[5]).all()
    np.testing.assert_allclose(found.sd[5], np.sqrt(np.diag(truth.covariance)), rtol=0.08)


def test_a_table_without_missing_values():
    x = np.random.default_rng(0).normal(size=(10, 3))
    data = ab.IncompleteData.from_numpy(x)
    for make in (ab.PPCA, ab.NotMIWAE, ab.NotMIWAEPPCA):
        found = ab.impute(make(data, latent_dim=2), data, 50, unfitted=True)
        for table in (found.mean, found.median, *found.draws(2)):
            assert table.tobytes() == x.tobytes()
        assert np.isfinite(found.log_evidence).all()


@pytest.mark.parametrize("make", [ab.PPCA, ab.NotMIWAE, ab.NotMIWAEPPCA])
@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
def test_one_row(data, make, unobserved):
    model = make(data, latent_dim=2)
    for row in (data.rows([0]), data.rows([1]), data.rows([5])):
        found = ab.impute(model, row, 50, unobserved=unobserved, unfitted=True)
        assert found.mean.shape == (1, P)
        assert np.isfinite(found.mean).all()
        assert np.isfinite(found.draws(200)).all()


def test_an_exact_guide_is_never_refined(truth, data):
    """Its weights are alike up to rounding, whatever k-hat makes of that."""
    _, x = truth.sample(200, seed=5)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    table = ab.IncompleteData.from_numpy(x, standardise=False)
    found = ab.impute(true_model(truth, data, ab.PPCA(data).missingness), table, 100, draws=1)
    assert found.reliable.all()
    assert not found.refined.any()
    np.testing.assert_allclose(found.ess, 100, rtol=1e-4)


def test_few_particles(data):
    found = ab.impute(ab.NotMIWAE(data, "self-masking"), data, 1, unfitted=True)
    assert np.isfinite(found.mean).all()
    assert found.ess == pytest.approx(np.ones(20))
    assert np.isnan(found.khat).all()
    assert not found.reliable.any()


def test_new_rows_in_the_scale_of_training():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)) * [1.0, 10.0, 100.0] + [0.0, 50.0, -100.0]
    x[rng.random(x.shape) < 0.2] = np.nan
    data = ab.IncompleteData.from_numpy(x, columns=["a", "b", "c"])
    fitted = ab.fit(ab.PPCA(data, latent_dim=2), data, steps=20, progress=False)
    frame = pd.DataFrame(x[:6], columns=["a", "b", "c"])
    expected = ab.impute(fitted, data.rows(range(6)), 100, seed=1)
    tables = {
        "like": ab.IncompleteData.from_frame(frame[["c", "a", "b"]], like=fitted),
        "standardised anew": ab.IncompleteData.from_frame(frame),
        "not standardised": ab.IncompleteData.from_frame(frame, standardise=False),
        "float64": ab.IncompleteData.from_frame(frame, like=data, dtype=torch.float64),
    }
    for name, table in tables.items():
        found = ab.impute(fitted, table, 100, seed=1)
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(found.sd, expected.sd, rtol=1e-9, err_msg=name)
        order = ["c", "a", "b"] if name == "like" else ["a", "b", "c"]
        assert list(found.to_frame().columns) == order


def test_double_precision_reaches_the_draws(truth, data):
    model = true_model(truth, data).double()
    found = ab.impute(model, data, 50, refine=False, draws=50)
    hidden = ~data.s.numpy()
    draws = found.draws(50)[:, hidden]
    assert (draws != draws.astype(np.float32)).any()
    means = found.mean[hidden]
    assert (means != means.astype(np.float32)).any()


@pytest.mark.parametrize("missingness", ["linear", "nonlinear"])
def test_coupled_mechanisms_are_sampled(data, missingness):
    model = ab.NotMIWAE(data, missingness, latent_dim=2, hidden=[8])
    found = ab.impute(model, data, 60, unfitted=True)
    assert np.isfinite(found.mean).all()
    with pytest.raises(ValueError, match="not elementwise"):
        ab.impute(model, data, 60, unobserved="integrate", unfitted=True)


@pytest.mark.parametrize("decoder", ["gaussian", "student-t"])
@pytest.mark.parametrize("missingness", ["self-masking", "self-masking-probit", "ignorable"])
def test_every_decoder_under_every_mechanism(data, decoder, missingness):
    model = ab.NotMIWAE(data, missingness, decoder=decoder, latent_dim=2, hidden=[8])
    found = ab.impute(model, data, 60, unfitted=True)
    hidden = ~data.s.numpy()
    assert np.isfinite(found.mean).all()
    assert (found.sd[hidden] > 0).all()
    low, high = found.interval(0.98)
    between = (low < found.mean) & (found.mean < high)
    assert between[hidden].mean() > 0.95
