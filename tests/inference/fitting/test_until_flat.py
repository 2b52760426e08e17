"""The schedule that ends a fit when the bound on held-out rows is flat."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.fitting.settings import FitSettings
from absentia.inference.fitting.until_flat import MOST_ROWS, RATES, Gains, UntilFlat
from absentia.inference.uncertainty.sources import refit_steps

ROWS = 40


def schedule(steps=5_000, particles=20, rate=1.0):
    weight = torch.nn.Parameter(torch.zeros(1))
    return UntilFlat(torch.optim.Adam([weight], rate), steps, particles)


def ended_at(plan, bounds_at):
    """The steps at which the stages end, for bounds (n,) as a function of the step."""
    step, ends = 0, []
    while not plan.finished:
        step = plan.next_evaluation(step)
        if plan.ends_stage(step, bounds_at(step)):
            ends.append(step)
    return ends


def rows(height, noise=0.0, seed=0):
    """Bounds of rows that differ by two nats, with noise of their own at each evaluation."""
    rng = np.random.default_rng(seed)
    level = np.random.default_rng(99).normal(0, 2, ROWS)
    return torch.as_tensor(level + height + noise * rng.normal(size=ROWS))


def converging(step, noise=0.3):
    """A bound that has gained all but a thousandth of ten nats after 500 steps."""
    return rows(-10 * np.exp(-step / 70), noise, seed=step)


def test_a_converged_fit_is_stopped_soon_after_it_has_converged():
    ends = ended_at(schedule(), converging)
    assert len(ends) == len(RATES)
    assert 400 < ends[0] < 1_200
    assert ends[-1] < 2_000


def test_a_fit_that_is_still_improving_is_not_stopped():
    """Half a nat in all, ever more slowly, under noise that is larger than a single gain."""
    plan = schedule()
    ends = ended_at(plan, lambda step: rows(0.5 * np.log(step), noise=0.1, seed=step))
    # stages end where the ceiling makes them end
    assert 3_000 <= ends[0] < 3_300
    assert ends[-1] == 5_000


def test_gains_smaller_than_the_noise_add_up():
    gains = Gains()
    gains.rose(1, rows(0.0, 0.5, 1))
    risen = [gains.rose(step, rows(0.03 * step, 0.5, step)) for step in range(2, 40)]
    assert not risen[0]
    assert 3 <= sum(risen) < 20


def test_a_bound_that_only_varies_has_not_risen():
    seen = []
    for seed in range(200):
        gains = Gains()
        gains.rose(1, rows(0.0, 1.0, 2 * seed))
        seen.append(gains.rose(2, rows(0.0, 1.0, 2 * seed + 1)))
    # one standard error is passed by chance in 16 of 100 cases, here within three standard errors
    assert abs(np.mean(seen) - 0.16) < 3 * np.sqrt(0.16 * 0.84 / 200)


def test_gains_that_are_not_worth_a_step_are_no_gains():
    gains = Gains()
    gains.rose(1, rows(0.0))
    assert not gains.rose(2, rows(0.0005))
    assert gains.rose(3, rows(0.0040))


def test_the_first_finite_bound_is_a_gain():
    gains = Gains()
    assert gains.rose(1, torch.full((3,), -torch.inf))
    assert gains.rose(2, torch.zeros(3))
    assert not gains.rose(3, torch.full((3,), torch.nan))
    assert gains.rose(4, torch.ones(3))


def test_a_single_row_is_compared_by_its_size():
    gains = Gains()
    assert gains.rose(1, torch.zeros(1))
    assert not gains.rose(2, torch.zeros(1))
    assert gains.rose(3, torch.ones(1))


def test_rates_and_particles_by_stage():
    plan = schedule(particles=20, rate=2.0)
    for _ in range(200):
        plan.step()
    found = []
    for step in range(250, 5_000, 250):
        found.append((plan.optimiser.param_groups[0]["lr"], plan.particles))
        plan.ends_stage(step, rows(0.0))
        if plan.finished:
            break
    assert list(dict.fromkeys(found)) == [
        (2.0, 5),
        (pytest.approx(0.6), 5),
        (pytest.approx(0.18), 20),
    ]


def test_the_rate_rises_at_first():
    plan = schedule(rate=2.0)
    first = plan.optimiser.param_groups[0]["lr"]
    for _ in range(120):
        plan.step()
    assert first == pytest.approx(0.02)
    assert plan.optimiser.param_groups[0]["lr"] == 2.0


# --- in a fit ----


def table(n=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, 3))
    x[(rng.random(x.shape) < 0.6) & (x > 0.3)] = np.nan
    return ab.IncompleteData.from_numpy(x, dtype=torch.float32)


def network(data, seed=0):
    return ab.NotMIWAE(data, sign="+", latent_dim=2, hidden=[16], seed=seed)


def fitted(data, model=None, **options):
    model = network(data) if model is None else model
    return ab.fit(model, data, progress=False, check=False, **{"learning_rate": 1e-2, **options})


@pytest.mark.slow
def test_a_network_is_fitted_until_its_bound_is_flat():
    data = table()
    short = fitted(data)
    assert short.settings.schedule == "until-flat"
    assert short.history["step"].iloc[-1] < 1_500
    longer = fitted(data, steps=1_500)
    assert longer.settings.schedule == "one-cycle"
    assert longer.history["step"].iloc[-1] == 1_500
    # what more steps bring is within the noise of the fifteen rows held out
    assert short.bound > longer.bound - 0.05


class Killed(Exception):
    pass


@pytest.mark.slow
def test_an_interrupted_fit_stops_where_it_would_have_stopped(tmp_path):
    data, path = table(80), tmp_path / "fit.pt"
    whole = fitted(data, steps=120, schedule="until-flat")
    steps = whole.history["step"].tolist()

    def kill_at(step):
        def callback(row):
            if row["step"] == step:
                raise Killed

        return callback

    # once in the first stage, and once after stages have begun at a lower rate
    for step in (steps[0], steps[1]):
        with pytest.raises(Killed):
            fitted(data, steps=120, schedule="until-flat", checkpoint=path, callback=kill_at(step))
    again = fitted(data, network(data, seed=9), steps=120, schedule="until-flat", checkpoint=path)
    assert whole.history.equals(again.history)
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "given", [{"steps": 9}, {"evaluations": 3, "steps": 9}, {"patience": 30, "steps": 9}]
)
def test_counted_steps_are_counted(given):
    found = fitted(table(40), **given)
    assert found.settings.schedule == "one-cycle"
    assert found.history["step"].iloc[-1] == 9


def test_without_rows_held_out_all_steps_are_taken():
    found = fitted(table(40), steps=7, validation=0.0)
    assert (found.settings.schedule, found.best_step) == ("one-cycle", 7)
    with pytest.raises(ValueError, match=r"until-flat.*validation above 0"):
        fitted(table(40), schedule="until-flat", validation=0.0)


def test_one_row_cannot_tell_when_to_end():
    one = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0, 0.5]]), dtype=torch.float32)
    with pytest.raises(ValueError, match="one row"):
        fitted(one, schedule="until-flat")


def test_of_a_long_table_a_thousand_rows_are_held_out():
    from absentia.inference.fitting.loop import _split

    data = table(MOST_ROWS * 12)
    plan = FitSettings(schedule="until-flat")
    train, held_out = _split(data, plan)
    assert (len(train), len(held_out)) == (MOST_ROWS * 11, MOST_ROWS)


@pytest.mark.parametrize(
    ("schedule", "best_step", "bootstrap", "ensemble"),
    [
        ("until-flat", 2_000, 500, 2_000),
        ("until-flat", 350, 250, 350),
        ("until-flat", 100, 100, 100),
        ("one-cycle", 350, 1_250, 5_000),
    ],
)
def test_refits_of_a_fit_that_ended_by_its_rows_take_its_steps(
    schedule, best_step, bootstrap, ensemble
):
    first = fitted(table(40), steps=3)
    first = replace(first, best_step=best_step, settings=FitSettings(schedule=schedule))
    assert refit_steps(first, "bootstrap") == bootstrap
    assert refit_steps(first, "ensemble") == ensemble


@pytest.mark.slow
def test_refits_of_a_fit_that_ended_by_its_rows_use_all_rows():
    data = table(60)
    first = fitted(data, steps=50, schedule="until-flat")
    tables = ab.multiple_imputation(first, data, m=2, parameters="bootstrap", particles=20)
    assert np.isfinite(tables.values).all()
