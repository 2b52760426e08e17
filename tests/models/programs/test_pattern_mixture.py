"""Pattern mixtures: delta 0 is MIWAE, delta moves what is missing and nothing else."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from pyro.distributions import Normal

import absentia as ab
from absentia.inference.replicate import replicates
from absentia.models.programs.pattern_mixture import shifted


def table(n=80):
    rng = np.random.default_rng(0)
    rows = rng.multivariate_normal([1, 2], [[1, 0.7], [0.7, 2]], size=n)
    rows[rng.random(n) < 0.4, 1] = np.nan
    return ab.IncompleteData.from_numpy(rows, columns=["a", "b"], dtype=torch.float64)


def made(data, delta, **options):
    return ab.models.PatternMixture(
        data, {"b": delta}, latent_dim=1, hidden=[8], **options
    ).double()


@pytest.mark.parametrize("delta", [0.0, -1.5])
@pytest.mark.parametrize("unobserved", ["auto", "sample"])
def test_the_bound_is_miwaes_whatever_delta(delta, unobserved):
    data = table()
    model = made(data, delta)
    twin = ab.MIWAE(data, latent_dim=1, hidden=[8]).double()
    twin.load_state_dict({k: v for k, v in model.state_dict().items() if k != "delta"})
    bounds = []
    for one in (model, twin):
        pyro.set_rng_seed(1)
        elbo = ab.ImportanceWeightedELBO(7, unobserved=unobserved)
        bounds.append(elbo.bound(one.model, one.guide, data.x, data.s))
    torch.testing.assert_close(*bounds, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("decoder", ["gaussian", "student-t", "linear"])
@pytest.mark.thin(1)
def test_delta_moves_the_imputations_by_itself(decoder):
    data = table(40)
    options = {"latent_dim": 1, "decoder": decoder}
    still, moved = (
        ab.models.PatternMixture(data, {"b": d}, **options).double() for d in (0.0, 0.8)
    )
    moved.load_state_dict({**still.state_dict(), "delta": moved.delta})
    a, b = (ab.impute(m, data, 2000, seed=0, refine=False, unfitted=True) for m in (still, moved))
    gone = np.isnan(data.values)
    by = 0.8 * data.scaler.scale[1]
    np.testing.assert_allclose((b.mean - a.mean)[gone], by, rtol=1e-6)
    np.testing.assert_allclose(b.mean[~gone], data.values[~gone])
    np.testing.assert_allclose(b.sd[gone], a.sd[gone], rtol=1e-5)
    sampled = ab.impute(moved, data, 2000, seed=1, refine=False, unobserved="sample", unfitted=True)
    error = np.hypot(sampled.mcse, b.mcse)[gone]
    assert np.all(np.abs(sampled.mean - b.mean)[gone] < 5 * error)


def test_replicates_are_of_both_patterns():
    data = table(4000)
    model = made(data, 3.0)
    x, s = replicates(model, data, seed=1)
    b = (x[:, 1] - data.scaler.center[1]) / data.scaler.scale[1]
    rate = 1 - float(data.s[:, 1].double().mean())
    assert abs((~s[:, 1]).mean() - rate) < 4 * (rate * (1 - rate) / 4000) ** 0.5
    error = b.std() * (1 / (~s[:, 1]).sum() + 1 / s[:, 1].sum()) ** 0.5
    assert abs(b[~s[:, 1]].mean() - b[s[:, 1]].mean() - 3.0) < 4 * error


def test_it_is_fitted_and_saved(tmp_path):
    data = table()
    fitted = ab.fit(made(data, -0.5), data, steps=10, progress=False)
    ab.save(fitted, tmp_path / "model")
    assert ab.load(tmp_path / "model").model.delta.tolist() == [0.0, -0.5]


def test_what_cannot_be_shifted_is_refused():
    data = ab.IncompleteData.from_frame(pd.DataFrame({"a": ["x", "y"], "b": [1.0, None]}))
    with pytest.raises(ValueError, match="'a', which is binary"):
        ab.models.PatternMixture(data, {"a": 1.0})
    with pytest.raises(ValueError, match="the column 'c'"):
        ab.models.PatternMixture(data, {"c": 1.0})
    with pytest.raises(TypeError, match="a Bernoulli cannot be shifted"):
        shifted(pyro.distributions.Bernoulli(0.5), torch.ones(1))
    base = ab.NotMIWAE(table(), "self-masking")
    with pytest.raises(ValueError, match="not ignorable"):
        ab.models.PatternMixtureModel(
            base.decoder, base.encoder, base.missingness, base.columns, [0.0, 0.0]
        )
    with pytest.raises(ValueError, match=r"1 shifts.*2 columns"):
        ab.models.PatternMixtureModel(
            base.decoder, base.encoder, ab.models.Ignorable(2), base.columns, [0.0]
        )
    assert float(shifted(Normal(0.0, 1.0), torch.tensor(2.0)).mean) == 2.0
    with pytest.raises(ValueError, match="delta of column 'b' is nan"):
        ab.models.PatternMixture(table(), {"b": float("nan")})


def test_levels_stay_where_numbers_are_shifted():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.choice(["x", "y"], 60), "b": rng.normal(size=60)})
    frame.loc[:20, "a"] = None
    frame.loc[30:50, "b"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    still, moved = (
        ab.models.PatternMixture(data, {"b": d}, latent_dim=1, hidden=[4]) for d in (0.0, 2.0)
    )
    a, b = (ab.impute(m, data, 200, seed=0, refine=False, unfitted=True) for m in (still, moved))
    by = 2.0 * data.scaler.scale[1]
    np.testing.assert_allclose((b.mean - a.mean)[30:51, 1], by, rtol=1e-5)
    pd.testing.assert_frame_equal(a.probabilities("a"), b.probabilities("a"))


def test_known_margins_are_kept():
    data = table()
    model = ab.models.PatternMixture(data, {"b": 1.0}, margins={"a": (0.0, 1.0)}, latent_dim=1)
    assert model.margins is not None
    assert "margins" in pyro.poutine.trace(model.model).get_trace(data.x.float(), data.s).nodes


@pytest.mark.slow
def test_checks_and_report_know_of_the_shift(tmp_path):
    rng = np.random.default_rng(1)
    rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=200)
    rows[rng.random(200) < 0.4, 1] = np.nan
    data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    model = ab.models.PatternMixture(data, {"b": 3.0}, decoder="linear", latent_dim=1)
    fitted = ab.fit(model, data, steps=300, learning_rate=1e-2, progress=False)
    found = ab.check.check_values(fitted, data, replications=60)
    assert found.loc[("b", "mean"), "p_value"] > 0.02  # what is seen is not what is shifted
    ab.report(fitted, data, tmp_path / "report.html", replications=5)
    text = (tmp_path / "report.html").read_text()
    assert "A pattern mixture" in text
    assert "b +3" in text
