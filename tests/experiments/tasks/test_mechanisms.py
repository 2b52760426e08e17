"""The benchmark of mechanisms: its cases, methods, scores, ratios and one run from end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest

from absentia.data import IncompleteData
from absentia.experiments.mixed_baselines import miss_forest
from absentia.experiments.peers import Measured
from absentia.experiments.runner import Spec, TaskTable, plan, run
from absentia.experiments.runner.figures import draw
from absentia.experiments.runner.running import run_cell
from absentia.experiments.tasks.mechanisms import imputers
from absentia.experiments.tasks.mechanisms.cases import MECHANISMS, Case, case_of
from absentia.experiments.tasks.mechanisms.imputers import Completed, completed, told_form
from absentia.experiments.tasks.mechanisms.matrix import completed_as_matrix
from absentia.experiments.tasks.mechanisms.ratios import (
    mechanisms_table,
    ratios,
    shares_of_gain,
)
from absentia.experiments.tasks.mechanisms.scores import pooled_coverage, scores_of
from absentia.experiments.tasks.mechanisms.shares import pooled_shares, shares_table

SPEC = Spec.named("mechanisms")


def configuration(table="wine", make="sklearn", mechanism="coupled", rows=100, seed=0, **more):
    return {
        "table": {"name": table, "make": make},
        "amputation": {"name": mechanism, **more.pop("arguments", {})},
        "rows": rows, "seed": seed, "model": {}, "fit": {}, "impute": {}, **more,
    }  # fmt: skip


def normal_case(rng, rows=300, of=1000, rate=0.4):
    """A sample of a population of two correlated columns, the first missing at random."""
    x = rng.normal(size=of)
    population = np.column_stack([0.8 * x + 0.6 * rng.normal(size=of), x])
    truth = population[rng.choice(of, rows, replace=False)]
    missing = np.zeros(truth.shape, dtype=bool)
    missing[:, 0] = rng.random(rows) < rate
    data = IncompleteData.from_numpy(np.where(missing, np.nan, truth))
    return Case(data, truth, missing, population, np.full(truth.shape, 1 - rate))


@pytest.mark.parametrize("scenario", SPEC.scenarios, ids=lambda one: one.name)
def test_every_mechanism_of_the_spec_hides_something(scenario):
    declared = {"name": scenario.amputation, **scenario.arguments}
    case = case_of({**configuration(rows=60), "amputation": declared})
    assert case.missing.any()
    assert (~case.missing).sum(0).min() >= 10
    np.testing.assert_array_equal(case.data.s.numpy(), ~case.missing)
    seen = ~case.missing
    np.testing.assert_allclose(case.data.values[seen], case.truth[seen])


@pytest.mark.parametrize("table", SPEC.tables, ids=lambda one: one.name)
def test_every_table_of_the_spec(table, data_dir):
    declared = {"name": table.name, "make": table.make, **table.arguments}
    one, other = (
        case_of({**configuration(rows=80, seed=seed), "table": declared}) for seed in (0, 1)
    )
    assert one.truth.shape == (80, one.population.shape[1])
    assert np.isfinite(one.population).all()
    assert (one.truth != other.truth).any()  # the seed decides about the rows
    assert one.missing[:, 1::2].any(0).all()
    assert not one.missing[:, ::2].any()
    kinds = {column.kind for column in one.data.schema}
    assert (kinds == {"continuous"}) is (table.make != "statsmodels")


def test_all_rows_of_a_small_table_and_the_same_seed_again():
    case = case_of(configuration("iris", rows=500))
    np.testing.assert_array_equal(case.truth, case.population)
    again = case_of(configuration("iris", rows=500))
    np.testing.assert_array_equal(case.missing, again.missing)


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match="mechanism 'gone' is not one of bandit, censored"):
        case_of(configuration(mechanism="gone"))
    with pytest.raises(ValueError, match="make 'heard' is not one of real"):
        case_of(configuration(make="heard"))
    case = case_of(configuration("iris"))
    with pytest.raises(ValueError, match="kind of method 'magic' is not one of mean, knn"):
        completed({**configuration("iris"), "kind": "magic"}, case)
    assert {scenario.amputation for scenario in SPEC.scenarios} <= set(MECHANISMS)


def test_a_table_as_a_matrix_and_back():
    case = case_of(configuration("fair", "statsmodels", "mcar", arguments={"rate": 0.3}))
    found = completed_as_matrix(case.data, lambda table: np.where(np.isnan(table), 0.0, table))
    seen = ~case.missing
    np.testing.assert_allclose(found.values[seen], case.truth[seen], atol=1e-9)
    for j, column in enumerate(case.data.schema):
        own = case.truth[seen[:, j], j]
        gone = found.values[case.missing[:, j], j]
        if column.name in found.chances:  # 0 is the observed share of each level
            share = np.bincount(own.astype(int), minlength=column.num_values) / len(own)
            expected = np.clip(share, 1e-6, None) / np.clip(share, 1e-6, None).sum()
            np.testing.assert_allclose(found.chances[column.name][case.missing[:, j]][0], expected)
        else:
            np.testing.assert_allclose(gone, own.mean())
    assert set(found.chances) == {"occupation", "occupation_husb"}


def test_peers_are_given_the_same_table_and_keep_what_they_saw():
    case = case_of(configuration("anes96", "statsmodels", rows=60))
    for kind, model in (("mean", {}), ("knn", {}), ("mice", {}), ("missforest", {"trees": 5})):
        found = completed({**configuration(), "kind": kind, "model": model}, case)
        assert np.isfinite(found.point).all(), kind
        np.testing.assert_allclose(found.point[~case.missing], case.truth[~case.missing])
        assert found.draws is None
        scores = scores_of(case, found)
        assert scores["crps"] is None
        assert 0 < scores["rmse"] < 3
        assert json.dumps(scores)


def test_another_library_sees_a_matrix_and_is_timed_as_a_process(monkeypatch):
    asked = []

    def run_peer(name, table, seed):
        asked.append((name, table, seed))
        return Measured(np.where(np.isnan(table), 0.0, table), 3.5, 100.0)

    monkeypatch.setattr(imputers, "run_peer", run_peer)
    case = case_of(configuration("fair", "statsmodels"))
    settings = {"kind": "peer", "model": {"name": "gcimpute"}, "seed": 4}
    found = completed({**configuration(), **settings}, case)
    ((name, table, seed),) = asked
    assert (name, seed, table.shape) == ("gcimpute", 4, (100, 7 + 2 * 5))
    assert found.cpu_seconds == 3.5
    assert found.tables is None
    assert scores_of(case, found)["brier"] > 0


def test_chained_equations_sample_tables_of_numbers():
    case = case_of(configuration("iris"))
    settings = {"kind": "mice", "impute": {"m": 4}}
    found = completed({**configuration("iris"), **settings}, case)
    assert found.tables.shape == (4, *case.truth.shape)
    assert (found.tables[:, ~case.missing] == found.tables[0][~case.missing]).all()
    assert found.tables[:, case.missing].std(0).min() > 0


def test_scores_of_a_known_error():
    case = normal_case(np.random.default_rng(0))
    shift = np.where(case.missing, 0.5 * case.truth.std(0), 0.0)
    scores = scores_of(case, Completed(case.truth + shift, 1.25, {}))
    assert scores["rmse"] == pytest.approx(0.5)
    assert scores["bias"] == pytest.approx(0.5 * case.missing[:, 0].mean())
    assert scores["cpu_seconds"] == 1.25
    assert scores["brier"] is None


@pytest.mark.parametrize("number", [19, 20, 60])
def test_intervals_of_draws_cover_whatever_their_number(number):
    rng = np.random.default_rng(number)
    case = normal_case(rng, rows=4000, of=4000)
    draws = np.broadcast_to(case.truth, (number, *case.truth.shape)).copy()
    given_x = 0.8 * case.truth[:, 1] + 0.6 * rng.normal(size=(number, 4000))
    draws[:, case.missing[:, 0], 0] = given_x[:, case.missing[:, 0]]
    found = scores_of(case, Completed(case.truth, 0.0, {}, draws))
    cells = case.missing.sum()
    # draws are shared by no two cells, so the covered cells are binomial
    assert abs(found["coverage_90"] - 0.9) < 4 * (0.09 / cells) ** 0.5
    assert 0.25 < found["crps"] < 0.4  # of N(0, .6): .6 / sqrt(pi) = .339 in expectation


@pytest.mark.parametrize("of", [300, 1000])
def test_pooled_intervals_cover_the_whole_table_at_their_level(of):
    found = {"coverage_mean": [], "coverage_slope": []}
    for seed in range(60):
        rng = np.random.default_rng([seed, of])
        case = normal_case(rng, rows=300, of=of)
        tables = np.broadcast_to(case.truth, (20, *case.truth.shape)).copy()
        gone = case.missing[:, 0]
        x, y = case.truth[~gone, 1], case.truth[~gone, 0]
        design = np.column_stack([np.ones(len(x)), x])
        inverse = np.linalg.inv(design.T @ design)
        at = inverse @ design.T @ y
        left = y - design @ at
        for table in tables:  # proper imputation by a regression with a flat prior
            sigma = np.sqrt(left @ left / rng.chisquare(len(x) - 2))
            b = rng.multivariate_normal(at, sigma**2 * inverse)
            mean = b[0] + b[1] * table[gone, 1]
            table[gone, 0] = mean + sigma * rng.normal(size=gone.sum())
        for name, value in pooled_coverage(case, tables).items():
            found[name].append(value)
    for name, values in found.items():
        assert abs(np.mean(values) - 0.95) < 3.5 * (0.0475 / 60) ** 0.5, name


def test_the_told_form_has_the_mechanism_s_columns_and_directions():
    arguments = {"signs": "-", "rate": 0.3}
    case = case_of(configuration("iris", mechanism="graded_self_masking", arguments=arguments))
    names = [case.data.columns[j] for j in (1, 3)]
    assert told_form(case) == {name: f"-{name}" for name in names}
    none = case_of(configuration("iris", mechanism="polarised"))
    assert set(told_form(none)) == set(none.data.columns)


def cell(method, table, scenario, seed, rmse, kind="mean", **more):
    metrics = {"rmse": rmse, "bias": 0.1, **more}
    return method, f"{table}, {scenario}", {
        "configuration": {"kind": kind, "seed": seed}, "metrics": metrics,
    }  # fmt: skip


def by_hand():
    return [
        cell("a", "wine", "MAR", 0, 1.0), cell("a", "wine", "MAR", 1, 1.2),
        cell("b", "wine", "MAR", 0, 1.0, "mice"), cell("b", "wine", "MAR", 1, 1.0, "mice"),
        cell("b", "iris", "MAR", 0, 2.0, "mice"), cell("b", "iris", "MAR", 1, 2.0, "mice"),
        cell("ours", "wine", "MAR", 0, 0.8, "ppca"), cell("ours", "wine", "MAR", 1, 0.8, "ppca"),
        cell("ours", "iris", "MAR", 0, 2.5, "ppca"), cell("ours", "iris", "MAR", 1, 2.5, "ppca"),
        # fewer seeds: it does not compete for the best peer
        cell("c", "wine", "MAR", 0, 0.1, "knn"),
        cell("ours", "wine", "self +1, 10 %", 0, 0.5, "ppca"),
    ]  # fmt: skip


def test_ratios_to_the_best_peer_by_hand():
    found = {(one.method, one.scenario): one for one in ratios(by_hand())}
    ours = found["ours", "MAR"]
    assert ours.mean == pytest.approx(1.0)  # of .8 and 1.25
    assert (ours.worst, ours.at, ours.tables) == (pytest.approx(1.25), "iris", 2)
    assert ours.error == pytest.approx(0.0)
    assert found["b", "MAR"].mean == pytest.approx(1.0)
    assert found["a", "MAR"].mean == pytest.approx(1.2**0.5)
    assert found["c", "MAR"].error is None
    assert ("ours", "self +1, 10 %") not in found  # no peer has a result there


def test_another_library_is_a_peer_only_if_it_assumes_missing_at_random():
    cells = [cell("mean", "wine", "MAR", 0, 1.0)]
    for name, rmse in (("gcimpute", 0.8), ("notmiwae-pytorch", 0.4)):
        *head, result = cell(name, "wine", "MAR", 0, rmse, "peer")
        result["configuration"]["model"] = {"name": name}
        cells.append((*head, result))
    found = {one.method: one.mean for one in ratios(cells)}
    assert found == pytest.approx({"mean": 1.25, "gcimpute": 1.0, "notmiwae-pytorch": 0.5})


def test_the_table_has_ratios_worst_tables_and_other_scores():
    rows = mechanisms_table(by_hand())
    assert rows[0] == ["mechanism", "", "a", "b", "ours", "c"]
    assert rows[1] == ["MAR", "ratio", "1.095 (.100)", "1.000 (.000)", "1.000 (.000)", "0.100"]
    assert rows[2][:5] == ["MAR", "worst", "1.10 wine", "1.00 wine", "1.25 iris"]
    labels = [row[:2] for row in rows]
    assert ["own cells", "bias"] in labels
    assert rows[labels.index(["own cells", "crps"])][2:] == [""] * 4


def test_the_share_of_the_gain_of_a_method_that_is_told_by_hand():
    cells = [
        cell("peer", "wine", "self", 0, 1.0), cell("peer", "iris", "self", 0, 2.0),
        cell("peer", "wine", "MAR", 0, 1.0),
        cell("told so", "wine", "self", 0, 0.5, "told"),
        cell("told so", "wine", "MAR", 0, 1.5, "told"),
        cell("ours", "wine", "self", 0, 0.6, "ppca"), cell("ours", "wine", "MAR", 0, 0.9, "ppca"),
        # the method that is told has no result there
        cell("ours", "iris", "self", 0, 1.9, "ppca"),
    ]  # fmt: skip
    # .4 of .5; no gain is shared where the method that is told has none
    assert shares_of_gain(cells, "told so") == pytest.approx({("self", "ours"): 0.8})
    rows = mechanisms_table(cells)
    assert [row[1] for row in rows[1:4]] == ["ratio", "worst", "share of the gain of 'told so'"]
    assert rows[3][2:] == ["", "", "0.80"]


def test_a_method_that_is_told_may_have_the_decoder_of_another():
    case = {"arguments": {"signs": "-", "rate": 0.3}, "mechanism": "graded_self_masking"}
    options = {"fit": {"steps": 2}, "impute": {"particles": 5, "draws": 2}}
    told = configuration("iris", rows=40, **case, kind="told", model={"decoder": "mixture"})
    found = completed({**told, **options}, case_of(told))
    assert found.extra["mechanism"].count("its direction is given") == 2
    form = {**told, "kind": "told the form"}
    assert imputers.made_for(form, case_of(form)).missingness.forms == ("own value",)


TOY = """
title = "A toy"
source = "nobody"
task = "mechanisms"
[[table]]
name = "iris"
make = "sklearn"
[[table]]
name = "wine"
make = "sklearn"
[[scenario]]
name = "MCAR"
amputation = "mcar"
rate = 0.3
[[scenario]]
name = "self"
amputation = "graded_self_masking"
[budget.quick]
seeds = 1
rows = 40
tables = ["iris"]
fit = {steps = 10}
impute = {m = 2, draws = 4, particles = 10}
[budget.full]
seeds = 1
[budget.part]
seeds = 1
scenarios = ["self"]
methods = ["mean", "told"]
[[method]]
name = "mean"
kind = "mean"
[[method]]
name = "told"
kind = "told"
scenarios = ["self"]
"""


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    return path


def test_budgets_and_methods_choose_their_cells(toy):
    spec = Spec.named(str(toy))
    count = {budget: len(plan(spec, budget)) for budget in spec.budgets}
    assert count == {"quick": 3, "full": 6, "part": 4}
    whole = {cell.name: cell.digest for cell in plan(spec, "full")}
    assert all(whole[cell.name] == cell.digest for cell in plan(spec, "part"))
    toy.write_text(TOY + 'tables = ["wine"]\n')  # of the last method
    fewer = {cell.name for cell in plan(Spec.named(str(toy)), "full")}
    assert set(whole) - fewer == {"iris--self--told--0"}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('tables = ["iris"]', 'tables = ["rose"]', "budget.quick.*'tables' names 'rose'.*iris"),
        ('methods = ["mean", "told"]', 'methods = ["all"]', "'methods' names 'all'"),
        ('kind = "told"\nscenarios = ["self"]', 'kind = "told"\nscenarios = ["x"]', "names 'x'"),
    ],
)
def test_a_name_that_nothing_has_is_refused(toy, before, after, message):
    assert before in TOY
    toy.write_text(TOY.replace(before, after))
    with pytest.raises(ValueError, match=message):
        Spec.named(str(toy))


@pytest.mark.slow
def test_from_a_specification_to_a_table_and_a_picture(toy, tmp_path):
    spec, folder = Spec.named(str(toy)), tmp_path / "out"
    assert run(spec, "quick", folder) == []
    told = next(cell for cell in plan(spec, "quick") if cell.method == "told").result(folder)
    assert told["mechanism"].count("its direction is given") == 2
    assert 0 <= told["metrics"]["coverage_mean"] <= 1
    table = TaskTable.of(spec, "quick", folder)
    assert table.rows()[0] == ["mechanism", "", "mean", "told"]
    assert [row[:2] for row in table.rows()[1:5]] == [
        ["MCAR", "ratio"], ["MCAR", "worst"], ["self", "ratio"], ["self", "worst"],
    ]  # fmt: skip
    draw(spec, "quick", folder, tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="no result of toy to draw"):
        draw(spec, "quick", tmp_path / "nothing", tmp_path / "other.png")


def test_trees_may_see_the_square_root_of_the_predictors():
    data = case_of(configuration("iris", mechanism="mcar", arguments={"rate": 0.3})).data
    every, few = (miss_forest(data, 0, 10, 2, features) for features in (1.0, "sqrt"))
    assert (every.values != few.values).any()
    assert np.isfinite(few.values).all()


def test_pooled_shares_by_hand():
    truth = np.array([[0.0], [1.0], [2.0], [5.0]] * 25)
    assert pooled_shares(truth, np.stack([truth, truth])).all()
    assert not pooled_shares(truth, np.stack([truth + 9, truth + 9.0])).any()


def test_u_vae_s_setting_beside_its_figures(data_dir):
    cells = [one for one in plan(Spec.named("uvae"), "quick") if one.column == "banknote, MCAR .3"]
    mice = next(one for one in cells if one.method == "MICE")
    found = json.loads(json.dumps(run_cell(mice)))
    assert 0 <= found["metrics"]["coverage"] <= 1
    rows = shares_table([(mice.method, mice.column, found)])
    assert rows[0] == ["coverage", "MICE", "[MICE]", "[MIWAE]", "[U-VAE]", "[not-MIWAE]"]
    assert rows[1][0] == "MCAR .3"
    assert rows[1][2:] == ["0.855", "0.948", "0.982", "0.914"]
    with pytest.raises(ValueError, match="'mean' gives no tables to pool"):
        run_cell(replace(mice, configuration={**mice.configuration, "kind": "mean"}))
