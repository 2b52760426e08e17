"""Bounds that may be compared: in the data's units, with the whole mask under every model."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV, KFold

import absentia as ab
from absentia.inference.held_out import check_same_density, mask_left_out
from absentia.inference.mask_at_random import MaskAtRandom


def table(rows=300, seed=0, why="self"):
    """Two correlated columns; the second is complete."""
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=rows)
    score = {"self": 6 * x[:, 0], "other": 3 * x[:, 1]}[why]
    x[rng.random(rows) < 1 / (1 + np.exp(-score)), 0] = np.nan
    return x


def fitted(data, missingness="self-masking", steps=60, **options):
    model = ab.NotMIWAEPPCA(data, missingness, latent_dim=1, **options).double()
    return ab.fit(model, data, steps=steps, learning_rate=1e-2, progress=False)


def test_the_same_model_written_on_logs_and_on_raw_values_has_one_bound():
    values = np.exp(0.5 * table(80))
    raw = pd.DataFrame(values, columns=["a", "b"])
    options = {"dtype": torch.float64}
    positive = ab.IncompleteData.from_frame(
        raw, schema={"a": "positive", "b": "positive"}, **options
    )
    logs = ab.IncompleteData.from_frame(np.log(raw), **options)
    bounds = [ab.check.held_out_bound(fitted(data), data, 50).numpy() for data in (positive, logs)]
    # a density of log v, times d log v / dv = 1 / v, is one of v
    expected = bounds[1] - np.nansum(np.log(values), 1)
    np.testing.assert_allclose(bounds[0], expected, rtol=0, atol=1e-8)


def test_the_units_of_a_column_move_the_bound_by_their_logarithm():
    x = table(80)
    data = [ab.IncompleteData.from_numpy(x * unit, dtype=torch.float64) for unit in (1.0, 1000.0)]
    small, large = (ab.check.held_out_bound(fitted(one), one, 50).numpy() for one in data)
    seen = (~np.isnan(x)).sum(1)
    np.testing.assert_allclose(large, small - seen * np.log(1000), rtol=0, atol=1e-8)


def test_slopes_of_the_maps_are_their_derivatives():
    values = np.array([[0.5, 3.0, 7.0], [2.0, 3.9, 1.0], [4.0, 0.1, 2.0]])
    schema = {"x0": "positive", "x1": {"kind": "bounded", "lower": 0, "upper": 4}}
    scaler = ab.IncompleteData.from_numpy(values, schema=schema).scaler
    step = 1e-6
    derivative = (scaler.apply(values + step) - scaler.apply(values - step)) / (2 * step)
    np.testing.assert_allclose(scaler.log_slope(values), np.log(derivative), atol=1e-8)


@pytest.mark.parametrize(
    "missingness", ["ignorable", "self-masking", "a ~ a", "b ~ b + is_missing(a)"]
)
@pytest.mark.thin(2)
def test_over_every_row_that_there_can_be_the_densities_sum_to_one(missingness):
    """Two yes/no columns, each 0, 1 or missing: nine rows."""
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(120, 2)) + rng.normal(size=(120, 1)) > 0).astype(float)
    x[rng.random((120, 2)) < 0.2 + 0.4 * x] = np.nan
    kind = {"kind": "binary", "levels": [0, 1]}
    names = ["a", "b"]
    train = ab.IncompleteData.from_frame(
        pd.DataFrame(x, columns=names), schema={"a": kind, "b": kind}, dtype=torch.float64
    )
    fit = fitted(train, missingness)
    rows = pd.DataFrame(list(itertools.product([0.0, 1.0, np.nan], repeat=2)), columns=names)
    every = ab.IncompleteData.from_frame(rows, like=fit, dtype=torch.float64)
    bound = ab.check.held_out_bound(fit, every, 20_000, mask=train)
    # 20,000 particles leave a relative error of about 1/100 in the smallest of nine
    assert float(bound.exp().sum()) == pytest.approx(1, abs=0.01)


def test_over_every_value_and_its_absence_the_density_integrates_to_one():
    values = np.exp(np.random.default_rng(0).normal(size=(200, 1)))
    values[values[:, 0] > 1.5] = np.nan
    frame = pd.DataFrame(values, columns=["v"])
    data = ab.IncompleteData.from_frame(frame, schema={"v": "positive"}, dtype=torch.float64)
    fit = fitted(data, "ignorable")
    grid = np.exp(np.linspace(-9, 9, 4001))
    every = pd.DataFrame({"v": [*grid, np.nan]})
    rows = ab.IncompleteData.from_frame(every, like=fit, dtype=torch.float64)
    density = ab.check.held_out_bound(fit, rows, 1, mask=data).exp().numpy()
    total = np.trapezoid(density[:-1], grid) + density[-1]
    assert total == pytest.approx(1, abs=1e-3)
    share = data.s.double().mean()
    assert density[-1] == pytest.approx(1 - float(share), abs=0.01)


def test_the_mask_at_random_is_a_density_of_masks_whatever_the_values():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) + rng.normal(size=(200, 1))
    x[rng.random(200) < 1 / (1 + np.exp(-2 * x[:, 0])), 1] = np.nan
    x[rng.random(200) < np.where(np.isnan(x[:, 1]), 0.9, 0.2), 2] = np.nan
    data = ab.IncompleteData.from_numpy(x, dtype=torch.float64)
    found = MaskAtRandom.fitted(data, np.array([True] * 3))
    assert [len(one.reads) for one in found.factors] == [0, 1, 2]
    masks = np.array(list(itertools.product([True, False], repeat=3)))
    for row in rng.normal(size=(5, 3)):
        shown = np.where(masks, row, np.nan)
        new = ab.IncompleteData.from_numpy(shown, like=data, dtype=torch.float64)
        assert float(found.log_prob(new).exp().sum()) == pytest.approx(1, abs=1e-12)
    again = MaskAtRandom.from_dict(found.to_dict())
    assert torch.equal(again.log_prob(data), found.log_prob(data))


def test_the_mask_at_random_finds_what_it_depends_on_and_else_keeps_to_rates():
    def gain(x):
        train = ab.IncompleteData.from_numpy(x[:300], dtype=torch.float64)
        test = ab.IncompleteData.from_numpy(x[300:], like=train, dtype=torch.float64)
        found = MaskAtRandom.fitted(train, np.array([True] * x.shape[1]))
        rate = train.s.double().mean(0).clamp(1e-3, 1 - 1e-3)
        rates = torch.distributions.Bernoulli(rate).log_prob(test.s.double()).sum(1)
        return float((found.log_prob(test) - rates).mean())

    assert gain(table(1500, why="other")) > 0.15
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(1500, 8))
    noise[rng.random(noise.shape) < 0.3] = np.nan
    assert gain(noise) > -0.05
    # of many columns few are read, and none that are the best of many by chance
    noise = rng.normal(size=(600, 40))
    noise[rng.random(noise.shape) < 0.3] = np.nan
    noise[:, 0] = rng.normal(size=600)
    chance = gain(noise)
    assert chance / 39 > -0.005
    noise[:, 1] = np.where(rng.random(600) < 1 / (1 + np.exp(-4 * noise[:, 0])), np.nan, 1.0)
    noise[noise[:, 1] == 1, 1] = rng.normal(size=int((noise[:, 1] == 1).sum()))
    assert gain(noise) > chance + 0.2


def search(x, candidates, steps=150):
    imputer = ab.MNARImputer(
        missingness="self-masking",
        steps=steps,
        learning_rate=0.05,
        particles=20,
        latent_dim=1,
        random_state=0,
    )
    return GridSearchCV(imputer, candidates, cv=KFold(2), refit=False).fit(x)


@pytest.mark.slow
@pytest.mark.parametrize(("why", "best"), [("self", "not-miwae-ppca"), ("other", "ppca")])
def test_cross_validation_finds_why_values_are_absent(why, best):
    """Between a model without a mechanism, one with an ignorable one, and self-masking."""
    candidates = [
        {"model": ["ppca"]},
        {"missingness": ["ignorable", "self-masking"]},
    ]
    found = search(table(600, why=why), candidates)
    ppca, ignorable, masking = found.cv_results_["mean_test_score"]
    assert ppca == pytest.approx(ignorable, abs=1e-9)
    assert found.best_params_.get("model", "not-miwae-ppca") == best
    assert (masking > ppca) == (why == "self")


def test_cross_validation_prefers_logs_of_what_is_log_normal():
    frame = pd.DataFrame(np.exp(1.2 * table(200, why="other")), columns=["a", "b"])
    logs = {"a": "positive", "b": "positive"}
    found = search(frame, {"schema": [None, logs], "model": ["ppca"]}, 60)
    assert found.best_params_["schema"] == logs


def test_bounds_of_different_quantities_are_refused():
    data = ab.IncompleteData.from_numpy(table(60), columns=["a", "b"])
    why = {
        name: ab.NotMIWAEPPCA(data, name).missingness for name in ("ignorable", "a ~ b", "a")[:2]
    }
    with pytest.raises(ValueError, match=r"'ignorable'.*density.*column 'a'"):
        check_same_density(why, data)
    both = {name: ab.NotMIWAEPPCA(data, name).missingness for name in ("a ~ b", "self-masking")}
    check_same_density(both, data)  # b has no gap: nothing that could be left out
    powers = {str(a): ab.models.GNR(data, alpha=a, hidden=[4]).missingness for a in (1.0, 2.0)}
    with pytest.raises(ValueError, match="different powers"):
        check_same_density(powers, data)


def test_a_fit_without_gaps_in_its_masks_adds_nothing():
    data = ab.IncompleteData.from_numpy(table(60), dtype=torch.float64)
    fit = fitted(data, steps=5)
    assert mask_left_out(fit, data).factors == ()
    plain, whole = (ab.check.held_out_bound(fit, data, 20, mask=m) for m in (None, data))
    assert torch.equal(plain, whole)
