"""Discrete columns: exact sums, partial draws and imputations, against brute force."""

import itertools
import math

import numpy as np
import pandas as pd
import pyro
import pytest
import torch

import absentia as ab
from absentia.inference.imputing.particles import Sampler
from tests.oracles import assert_within_se

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


def discrete_table(rows=7, seed=0):
    """Eight discrete columns with missing values."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "b1": rng.random(rows) < 0.5,
            "b2": rng.random(rows) < 0.4,
            "c": pd.Categorical(rng.choice(list("xyz"), rows), list("xyz")),
            "o": pd.Categorical(rng.choice([1, 2, 3], rows), [1, 2, 3], ordered=True),
            "n": pd.array(rng.integers(0, 3, rows), "Int64"),
            "b3": rng.random(rows) < 0.5,
            "c2": pd.Categorical(rng.choice(list("pq"), rows), list("pq")),
            "b4": rng.random(rows) < 0.5,
        }
    )
    frame = frame.astype({"b1": "boolean", "b2": "boolean", "b3": "boolean", "b4": "boolean"})
    frame.iloc[:3, :] = frame.iloc[:3, :]  # every level stays in the first rows
    for j, name in enumerate(frame):
        gone = rng.random(rows) < 0.35
        gone[[j % rows, (j + 1) % rows]] = False
        frame.loc[gone, name] = pd.NA if name.startswith(("b", "n")) else None
    schema = {"n": {"kind": "count", "top": 3}, "c": {"kind": "categorical", "levels": list("xyz")}}
    schema |= {"o": {"kind": "ordinal", "levels": [1, 2, 3]}}
    schema |= {"c2": {"kind": "binary", "levels": list("pq")}}
    return ab.IncompleteData.from_frame(frame, schema=schema, dtype=torch.float64)


def randomised(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.7 * torch.randn(parameter.shape, generator=generator))
    return model


def a_model(data, what, seed=0):
    return randomised(ab.NotMIWAE(data, what, latent_dim=1, hidden=[3]).double(), seed)


def enumerated(model, data, i, z):
    """(combinations, log p(x_o, x_m, s | z) of every combination of row i's missing values)."""
    missing = (~data.s[i]).nonzero().flatten().tolist()
    counts = [data.schema[j].num_values for j in missing]
    rows = []
    for values in itertools.product(*(range(count) for count in counts)):
        row = data.x[i].clone()
        for j, value in zip(missing, values, strict=True):
            row[j] = value
        rows.append(row)
    x = torch.stack(rows)
    decoder = model.decoder(z.expand(len(x), 1))
    context = model.missingness.context(
        z=z.expand(len(x), 1), s=data.s[i].double().expand(len(x), -1)
    )
    mask = model.missingness(x, **context).log_prob(data.s[i].double().expand(len(x), -1))
    return x[:, missing], decoder.log_prob(x).sum(-1) + mask.sum(-1)


SELF = {name: name for name in ("b1", "b2", "c", "o", "n", "b3", "c2", "b4")}
ELEMENTWISE = {
    "self-masking": "self-masking",
    "levels of grades": {**SELF, "o": "C(o)", "n": "n + I(n**2)"},
    "latent too": {**SELF, "b1": "b1 + latent"},
    "absences": {**SELF, "b1": "b1 + is_missing(b2)"},
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@torch.no_grad()
def test_collapsed_weights_are_sums_over_all_missing_values(name):
    data = discrete_table(seed=2)
    model = a_model(data, ELEMENTWISE[name])
    elbo = ab.ImportanceWeightedELBO(4, unobserved="integrate")
    pyro.set_rng_seed(1)
    run = elbo.weighted(model.model, model.guide, data.x, data.s)
    z = run.sites["z"].value
    guide = model.encoder(data.x, data.s)
    for k, i in itertools.product(range(4), range(len(data))):
        _, joint = enumerated(model, data, i, z[k, i])
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z[k, i]).sum()
        proposal = guide.log_prob(z[k])[i].sum()
        expected = joint.logsumexp(0) + prior - proposal
        assert run.log_weight[k, i].item() == pytest.approx(expected.item(), abs=1e-9)


@pytest.mark.parametrize(
    "what",
    ["self-masking", {"b1": "b1", "c": "c + b1", "n": "c + n"}],
    ids=["summed", "partly drawn"],
)
@torch.no_grad()
def test_imputed_probabilities_are_the_posterior_s(what):
    """Against enumeration over the values and Gauss-Hermite quadrature over z."""
    data = discrete_table(seed=2)
    model = a_model(data, what, seed=2)  # whose random guide covers every row's posterior
    found = ab.impute(model, data, particles=20_000, draws=400, seed=2, refine=False)
    for i in range(len(data)):
        missing = (~data.s[i]).nonzero().flatten().tolist()
        if not missing:
            continue
        log_total = []
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            values, joint = enumerated(model, data, i, torch.tensor([node]))
            log_total.append(joint + math.log(weight / math.sqrt(2 * math.pi)))
        posterior = torch.stack(log_total).logsumexp(0).softmax(0)
        evidence = torch.stack(log_total).logsumexp((0, 1)).item()
        se = math.sqrt(1 / found.ess[i] + 1e-12)
        assert abs(found.log_evidence[i] - evidence) < 4.5 * se + 1e-6
        for m, j in enumerate(missing):
            of = data.schema[j]
            exact = [posterior[values[:, m] == v].sum().item() for v in range(of.num_values)]
            if of.levels:
                table = found.probabilities(of.name)
                row = table.to_numpy()[(~data.s[:i, j]).sum().item()]
                spread = np.sqrt(np.array(exact) * (1 - np.array(exact)) / found.ess[i]) + 1e-4
                assert_within_se(row, exact, spread, sigmas=4.5)
            mean = sum(v * p for v, p in enumerate(exact))
            if of.kind != "categorical" or of.num_values == 2:
                assert abs(found.mean[i, j] - mean) < 4.5 * found.mcse[i, j] + 2e-3


@torch.no_grad()
@pytest.mark.slow
def test_partial_draws_are_unbiased():
    """Columns that others read are drawn, the rest is summed: weights average to p(x_o, s)."""
    data = discrete_table(seed=2)
    model = a_model(data, {"b1": "b1 + c", "b2": "b2", "o": "o + b1", "n": "n"}, seed=2)
    sampler = Sampler(model.model, model.guide)
    pyro.set_rng_seed(4)
    run, tilted = sampler.run(data.x, data.s, 40_000)
    assert tilted is not None
    for i in range(len(data)):
        joint = torch.stack(
            [
                enumerated(model, data, i, torch.tensor([node]))[1].logsumexp(0) + math.log(weight)
                for node, weight in zip(NODES, WEIGHTS / math.sqrt(2 * math.pi), strict=True)
            ]
        ).logsumexp(0)
        ratio = (run.log_weight[:, i] - joint).exp()
        assert_within_se(ratio.mean(), 1.0, ratio.std() / math.sqrt(len(ratio)), sigmas=4.5)


@torch.no_grad()
def test_given_z_nothing_is_left_to_chance():
    data = discrete_table(40)
    model = a_model(data, "self-masking")
    z = model.encoder(data.x, data.s).mean
    program = pyro.poutine.condition(model.model, data={"z": z})
    for unobserved, least, most in (("integrate", 0.0, 1e-20), ("sample", 0.01, np.inf)):
        elbo = ab.ImportanceWeightedELBO(50, unobserved=unobserved)
        run = elbo.weighted(program, lambda *args: None, data.x, data.s)
        assert least <= run.log_weight.var(0).mean() <= most


def masked_answers(rows=1500, seed=0):
    """Yes-no answers with one common factor; yes goes missing with 60 %, no with 10 %."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(rows, 1))
    whole = rng.random((rows, 8)) < 1 / (1 + np.exp(-2.0 * factor - np.linspace(-0.6, 0.6, 8)))
    gone = rng.random(whole.shape) < np.where(whole, 0.6, 0.1)
    gone[:, 6:] = False  # two columns are always seen
    frame = pd.DataFrame(whole, columns=[f"q{j}" for j in range(8)]).astype("boolean")
    return whole, gone, frame.mask(gone, pd.NA)


@pytest.mark.slow
def test_binary_values_under_self_masking_train_and_beat_miwae():
    """Where Bernoulli x^m are drawn, training is known to fail; summed, it does not."""
    torch.set_default_dtype(torch.float32)
    whole, gone, frame = masked_answers()
    data = ab.IncompleteData.from_frame(frame)
    brier, bias = {}, {}
    for name, what in (("not-MIWAE", "self-masking"), ("MIWAE", "ignorable")):
        model = ab.NotMIWAEPPCA(data, what, latent_dim=1)
        fitted = ab.fit(model, data, steps=150, learning_rate=2e-2, progress=False, seed=0)
        found = ab.impute(fitted, data, particles=200, seed=0)
        error = (found.mean - whole)[gone]
        brier[name], bias[name] = float(np.mean(error**2)), float(error.mean())
        assert found.to_frame().dtypes.unique().tolist() == [pd.BooleanDtype()]
    assert brier["not-MIWAE"] < 0.8 * brier["MIWAE"]
    assert abs(bias["not-MIWAE"]) < 0.5 * abs(bias["MIWAE"])
    # log-odds of being missing differ by log(.6 / .4) - log(.1 / .9) = 2.6 between yes and no
    assert bias["MIWAE"] < -0.15


def test_rows_do_not_depend_on_their_company():
    torch.set_default_dtype(torch.float32)
    data = discrete_table(30)
    data = data.to(dtype=torch.float64)
    model = a_model(data, {"b1": "b1 + c", "n": "n"}, seed=3)
    whole = ab.impute(model, data, 100, refine=False, independent_rows=True, seed=1)
    order = [11, 4, 25]
    part = ab.impute(model, data.rows(order), 100, refine=False, independent_rows=True, seed=1)
    np.testing.assert_allclose(part.mean, whole.mean[order], rtol=0, atol=1e-12)


def mixed_table(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "income": np.exp(1 + size + 0.3 * rng.normal(size=rows)),
            "share": 1 / (1 + np.exp(-size)),
            "age": 40 + 10 * size + rng.normal(size=rows),
            "visits": rng.poisson(np.exp(0.4 * size)),
            "smokes": pd.array(size + rng.normal(size=rows) > 0, "boolean"),
            "job": pd.Categorical(rng.choice(list("abc"), rows)),
            "seen": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
        },
        index=[f"r{i}" for i in range(rows)],
    )
    frame["visits"] = frame["visits"].astype("Int64")
    for name in frame.columns:
        frame.loc[rng.random(rows) < 0.25, name] = None if name == "job" else pd.NA
    schema = {
        "income": "positive",
        "share": {"kind": "bounded", "lower": 0, "upper": 1},
        "visits": "count",
    }
    return frame, ab.IncompleteData.from_frame(frame, schema=schema)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [ab.NotMIWAE, ab.NotMIWAEPPCA, ab.MIWAE, ab.PPCA], ids=lambda make: make.__name__
)
def test_every_kind_of_column_from_one_end_to_the_other(make):
    torch.set_default_dtype(torch.float32)
    frame, data = mixed_table()
    options = {"hidden": [8]} if make in (ab.NotMIWAE, ab.MIWAE) else {}
    fitted = ab.fit(make(data, latent_dim=2, **options), data, steps=30, progress=False)
    found = ab.impute(fitted, data, particles=60, draws=20, seed=0)
    for table in (found.to_frame(), *found.frames(3)):
        assert list(table.dtypes) == list(frame.dtypes)
        assert table.index.equals(frame.index)
        assert table.notna().all(axis=None)
        assert (table["income"] > 0).all()
        assert table["share"].between(0, 1).all()
        assert (table["visits"] >= 0).all()
        assert table["seen"].dt.normalize().equals(table["seen"])
        for name in frame:
            seen = frame[name].notna()
            pd.testing.assert_series_equal(table[name][seen], frame[name][seen])
    middle, ends = found.to_frame(found.median), found.interval(0.8)
    assert list(middle.dtypes) == list(frame.dtypes)  # medians of levels and counts are values
    for j, column in enumerate(data.schema):
        if column.levels or column.kind == "count":
            for end in (found.median, *ends):
                assert (end[:, j] == np.rint(end[:, j])).all()
        if column.kind == "categorical" and column.num_values > 2:
            assert np.array_equal(found.median[:, j], found.point[:, j])
    low, high = found.interval(0.8)
    gone = frame["income"].isna().to_numpy()
    assert (low[gone, 0] > 0).all()
    assert (low[gone, 0] <= high[gone, 0]).all()


@torch.no_grad()
@pytest.mark.slow
def test_warped_columns_have_means_in_their_own_units():
    """E[exp(y)] of a log-Normal, not exp(E[y])."""
    _, data = mixed_table()
    data = data.to(dtype=torch.float64)
    model = randomised(ab.MIWAE(data, latent_dim=1, hidden=[4]).double(), seed=5)
    found = ab.impute(model, data, particles=400, draws=4000, seed=0, refine=False)
    gone = np.flatnonzero(~data.s[:, 0].numpy())[:6]
    draws = found.draws(4000)[:, gone, 0]
    se = draws.std(0) / math.sqrt(4000 / 10)  # draws of few particles repeat
    assert_within_se(draws.mean(0), found.mean[gone, 0], se, sigmas=4.5)


@torch.no_grad()
@pytest.mark.slow
def test_warped_columns_have_spreads_and_intervals_in_their_own_units():
    """A log-Normal around 5000 with a log-sd far from 1, and a share: nothing is scaled twice."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "price": np.exp(8.5 + 0.2 * rng.normal(size=40)),
            "share": 1 / (1 + np.exp(-3 * rng.normal(size=40))),
            "height": 170 + 9 * rng.normal(size=40),
        }
    )
    frame[rng.random(frame.shape) < 0.3] = np.nan
    schema = {"price": "positive", "share": {"kind": "bounded", "lower": 0, "upper": 1}}
    data = ab.IncompleteData.from_frame(frame, schema=schema, dtype=torch.float64)
    model = randomised(ab.MIWAE(data, latent_dim=1, hidden=[4]).double(), seed=5)
    found = ab.impute(model, data, particles=400, draws=4000, seed=0, refine=False)
    gone = ~data.s.numpy()
    draws = found.draws(4000)
    effective = np.minimum(found.ess, 4000)[:, None]
    np.testing.assert_allclose(draws.std(0)[gone], found.sd[gone], rtol=0.25)
    error = (found.sd / np.sqrt(effective))[gone]
    assert_within_se(draws.mean(0)[gone], found.mean[gone], error, sigmas=4.5)
    for j in range(3):  # what varies given z costs nothing, so that the error is smaller
        mine = gone[:, j]
        ratio = found.mcse[mine, j] * np.sqrt(effective[mine, 0]) / found.sd[mine, j]
        assert 0.1 < np.median(ratio) < 1.2
    low, high = found.interval(0.8)
    for end, q in ((low, 0.1), (high, 0.9)):
        np.testing.assert_allclose(end[gone], np.quantile(draws, q, axis=0)[gone], rtol=0.02)
    inside = ((low < draws) & (draws < high))[:, gone].mean(0)
    assert_within_se(inside, 0.8, np.full(inside.shape, np.sqrt(0.16 / 4000)), 4.5, floor=0.01)
