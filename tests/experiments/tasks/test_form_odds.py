"""The checks of the odds of forms: what they simulate, and that one small cell runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from absentia.experiments.runner import Spec, plan
from absentia.experiments.runner.running import run_cell
from absentia.experiments.tasks.form_odds import (
    EXACT,
    MARGINS,
    drawn_from_the_prior,
    form_odds_table,
    skewed_at_random,
)
from absentia.experiments.tasks.simulated_prior import _AsGiven, drawn_exactly
from absentia.inference.fitting import sampled
from absentia.models.missingness.averaged import FORMS

SPEC = Spec.named("auto-checks")


@pytest.mark.parametrize("margin", MARGINS)
def test_skewed_columns_lose_values_at_random(margin):
    truth, missing, forms = skewed_at_random(0, 4000, margin)
    assert stats.kstest(truth[:, 2], MARGINS[margin].cdf).pvalue > 0.001
    assert set(forms) == {"c", "d"}
    assert not missing[:, :2].any()
    assert missing[:, 2:].mean() == pytest.approx(0.3, abs=4 * (0.21 / 8000) ** 0.5)
    lost, kept = truth[missing[:, 2], 2], truth[~missing[:, 2], 2]
    assert stats.ks_2samp(lost, kept).pvalue > 0.001


def test_mechanisms_from_the_prior():
    drawn = [drawn_from_the_prior(seed, 300) for seed in range(60)]
    rates = np.array([missing[:, 2:].mean(0) for _, missing, _ in drawn])
    assert rates.min() >= 0.1
    assert rates.max() <= 0.6
    assert not any(missing[:, :2].any() for _, missing, _ in drawn)
    forms = [form for _, _, own in drawn for form in own.values()]
    assert set(forms) == set(FORMS)
    sizes = np.concatenate([truth.std(0) for truth, _, _ in drawn])
    assert sizes.mean() == pytest.approx(1.0, abs=0.02)


def test_tables_from_the_prior_of_the_sampler():
    drawn = [drawn_exactly(seed, 100) for seed in range(5)]
    missing = np.stack([one.missing for one in drawn])
    seen = np.where(missing, np.nan, np.stack([one.truth for one in drawn]))
    assert not missing[:, :, :2].any()
    rates = missing[:, :, 2:].mean(1)
    assert rates.min() >= 0.1
    assert rates.max() <= 0.6
    assert np.abs(np.nanmean(seen, 1)).max() <= 1
    assert 0.5 <= np.nanstd(seen, 1).min() <= np.nanstd(seen, 1).max() <= 2
    assert len({form for one in drawn for form in one.forms}) > 2


def test_a_table_from_the_prior_is_sampled_as_it_is(monkeypatch):
    monkeypatch.setattr(sampled, "SWEEPS", 100)
    drawn = drawn_exactly(0, 60)
    sampling = _AsGiven(drawn, 0)
    while not sampling.finished:
        sampling.advance(0)
    seen = torch.from_numpy(~drawn.missing)
    for values in sampling.chains.y:
        assert torch.equal(values[seen], torch.from_numpy(drawn.truth)[seen])
    assert torch.equal(sampling.chains.forms.others, torch.from_numpy(drawn.truth[:, :2]))
    means = torch.stack(sampling.means)
    assert means.shape == (len(sampling.kept), 8, 2)
    torch.testing.assert_close(means[-1], sampling.chains.y[..., 2:].mean(1))


@pytest.mark.parametrize("scenario", ["bounded", "prior", EXACT])
@pytest.mark.thin(1)
def test_one_small_cell(scenario, monkeypatch):
    for name in ("SWEEPS", "_LEAST_SWEEPS"):
        monkeypatch.setattr(sampled, name, 100)
    (cell,) = (cell for cell in plan(SPEC, "quick") if cell.column == scenario)
    small = {
        "table": {**cell.configuration["table"], "rows": 80},
        "impute": {"particles": 50},
    }
    found = run_cell(replace(cell, configuration={**cell.configuration, **small}))
    for one in found["columns"].values():
        assert sum(one["odds"].values()) == pytest.approx(1)
        assert abs(one["bias"]) < 1
    rows = form_odds_table([(cell.method, scenario, found)] * 3)
    counts = [row[2] for row in rows[1:] if row[1] in (*FORMS, "P(own value) below .5")]
    assert set(counts) == {"6"}


def test_the_coverage_that_is_tabulated():
    odds = dict.fromkeys(FORMS, 1 / 6)
    columns = {
        name: {"form": "latent", "odds": odds, "rank": rank}
        for name, rank in (("c", 0.3), ("d", 0.97))
    }
    rows = form_odds_table([("auto", EXACT, {"columns": columns})])
    shown = {row[1]: row[4][:4] for row in rows if "intervals" in row[1]}
    assert list(shown.values()) == ["0.50", "0.50", "1.00"]


def test_the_reliability_that_is_tabulated():
    even = dict.fromkeys(FORMS, 0.0) | {"latent": 0.2, "own value": 0.8}
    columns = {
        "c": {"form": "own value", "odds": even},
        "d": {"form": "latent", "odds": even},
    }
    rows = form_odds_table([("auto", "prior", {"columns": columns})])
    assert rows[1] == ["prior", "own value matters, 0.7 to 0.9", "2", "0.80", "0.50 (0.28)"]
