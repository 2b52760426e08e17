"""Baselines, scores and one cell of the experiment on mixed tables."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (scikit-learn's own switch)
from sklearn.impute import IterativeImputer
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import accuracy_score, brier_score_loss

from absentia.data import Column, IncompleteData
from absentia.experiments.mixed_baselines import encoded, mean_mode, mice, miss_forest
from absentia.experiments.mixed_metrics import column_scores
from absentia.experiments.runner import Spec, plan
from absentia.experiments.runner.running import run_cell
from absentia.experiments.tasks.mixed import amputated, mixed_table


def dependent(rows=300, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": size + 0.1 * rng.normal(size=rows),
            "c": pd.Categorical(np.where(size > 0.5, "high", np.where(size < -0.5, "low", "mid"))),
            "o": pd.Categorical(np.digitize(size, [-1, 0, 1]), range(4), ordered=True),
            "b": size > 0,
        }
    )
    gone = rng.random(frame.shape) < 0.2
    holed = frame.astype({"b": "boolean"})
    for j, name in enumerate(frame):
        holed[name] = holed[name].mask(gone[:, j])
    return frame, gone, IncompleteData.from_frame(holed)


@pytest.mark.parametrize("method", [mean_mode, mice, miss_forest], ids=lambda f: f.__name__)
def test_baselines_complete_and_keep_what_was_seen(method):
    frame, gone, data = dependent()
    completed = method(data)
    truth = encoded(frame, data)
    assert np.isfinite(completed.values).all()
    assert np.array_equal(completed.values[~gone], truth[~gone])
    for column in data.schema:
        if column.levels:
            chances = completed.chances[column.name]
            np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-9)
            assert set(completed.values[:, data.columns.index(column.name)]) <= set(
                range(column.num_values)
            )


@pytest.mark.parametrize("method", [mice, miss_forest], ids=lambda f: f.__name__)
@pytest.mark.thin(1)
def test_dependence_is_used_in_every_column(method):
    frame, gone, data = dependent()
    truth, base, completed = encoded(frame, data), mean_mode(data), method(data)
    for j, column in enumerate(data.schema):
        found, plain = (
            column_scores(
                column, truth[:, j], c.values[:, j], c.chances.get(column.name), gone[:, j]
            )
            for c in (completed, base)
        )
        score = "brier" if column.levels else "rmse"
        assert found[score] < 0.7 * plain[score], column.name


def test_mice_of_numbers_is_scikit_learn_s():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    x[rng.random(x.shape) < 0.2] = np.nan
    x = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    theirs = IterativeImputer(max_iter=50).fit_transform(x)
    ours = mice(IncompleteData.from_numpy(x), rounds=50).values
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


def test_mice_s_chances_of_ordered_levels_are_its_normal_s():
    rng = np.random.default_rng(5)
    x = rng.normal(size=150)
    codes = np.digitize(x + rng.normal(size=150), [-1.0, 0.5]).astype(float)
    gone = rng.random(150) < 0.3
    ordered = pd.Categorical.from_codes(np.where(gone, -1, codes).astype(int), list("abc"), True)
    found = mice(IncompleteData.from_frame(pd.DataFrame({"x": x, "o": ordered})))
    design = ((x - x.mean()) / x.std())[:, None]
    # not standardised: the ridge's priors are vague, so that the scale hardly matters
    ridge = BayesianRidge().fit(design[~gone], codes[~gone])
    normal = norm(*ridge.predict(design[gone], return_std=True))
    low, middle = normal.cdf(0.5), normal.cdf(1.5)
    expected = np.column_stack([low, middle - low, 1 - middle])
    np.testing.assert_allclose(found.chances["o"][gone], expected, atol=1e-3)
    np.testing.assert_array_equal(found.values[gone, 1], np.clip(np.rint(normal.mean()), 0, 2))


def test_scores_against_scikit_learn_and_by_hand():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 50).astype(float)
    chance = rng.random(50)
    share = np.column_stack([1 - chance, chance])
    missing = rng.random(50) < 0.6
    values = share.argmax(1).astype(float)
    column = Column("b", "binary", (False, True))
    found = column_scores(column, truth, values, share, missing)
    assert found["brier"] == pytest.approx(2 * brier_score_loss(truth[missing], chance[missing]))
    assert found["accuracy"] == pytest.approx(accuracy_score(truth[missing], values[missing]))
    ordered = Column("o", "ordinal", ("a", "b", "c"))
    one = column_scores(
        ordered, np.array([2.0]), np.array([1.0]), np.array([[0.2, 0.5, 0.3]]), np.array([True])
    )
    assert one["rps"] == pytest.approx((0.2**2 + 0.7**2) / 2)
    assert one["brier"] == pytest.approx(0.2**2 + 0.5**2 + 0.7**2)


def quick(table, method, **more):
    """A cell of the quick budget, with other settings."""
    (cell,) = (
        cell
        for cell in plan(Spec.named("mixed"), "quick")
        if (cell.configuration["table"]["name"], cell.method) == (table, method)
    )
    return replace(cell, configuration={**cell.configuration, **more})


def test_one_cell_from_one_end_to_the_other():
    few = {"rows": 150, "fit": {"steps": 10}, "impute": {"particles": 20}}
    cells = [
        quick("anes96", method, **few, choose=choose)
        for method, choose in (
            ("mean or mode", {}),
            ("ppca", {"latent_dim": [1, 2]}),
            ("not-miwae, high", {"latent_dim": [1]}),
        )
    ]
    found = [json.loads(json.dumps(run_cell(cell))) for cell in cells]
    rows = mixed_table([(c.method, c.column, f) for c, f in zip(cells, found, strict=True)])
    assert rows[0] == ["table", "column", "score", "mean or mode", "ppca", "not-miwae, high"]
    labels = [row[:3] for row in rows]
    assert ["anes96", "educ (ordinal)", "brier"] in labels
    assert ["anes96", "TVnews (count)", "rmse"] in labels
    scores = found[1]["scores"]
    brier = [one["brier"] for one in scores.values() if "brier" in one]
    assert found[1]["metrics"]["brier"] == pytest.approx(np.mean(brier))
    best = max(found[1]["bounds"], key=found[1]["bounds"].get)
    assert best == str(found[1]["chosen"])


def test_every_second_column_loses_values_and_the_others_none():
    frame, gone, data = amputated(quick("anes96", "mice", rows=150).configuration)
    assert len(frame) == 150
    assert gone[:, ::2].any(0).all()
    assert not gone[:, 1::2].any()
    assert data.s.numpy()[gone].sum() == 0
    assert frame.shape == gone.shape
