"""What a user gets who says nothing of why values are missing."""

import inspect

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.cli import choices
from absentia.cli.impute import impute as command
from absentia.inference.estimator.options import kind_of
from absentia.models import AveragedMissingness, Ignorable, SelfMasking
from absentia.models.networks.decoders import LinearGaussianDecoder
from absentia.models.programs.mixture import DirectDecoder
from absentia.models.zoo.chosen import BUILDERS, CHOSEN
from absentia.models.zoo.mechanism_names import MISSINGNESS, USUAL


def table(kind, rows=150, seed=0):
    """Return three correlated columns, and the same with gaps in the last one."""
    rng = np.random.default_rng(seed)
    x = 0.8 * rng.normal(size=(rows, 1)) + 0.6 * rng.normal(size=(rows, 3))
    score = {"own": 4 * x[:, 2] - 1, "other": 4 * x[:, 0] - 1}[kind]
    gaps = x.copy()
    gaps[rng.random(rows) < 1 / (1 + np.exp(-score)), 2] = np.nan
    return x, gaps


def mixed(rows=40):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(50, 10, rows),
            "smokes": rng.random(rows) < 0.4,
            "site": rng.choice(["a", "b", "c"], rows),
            "stage": rng.integers(0, 3, rows).astype(float),
        }
    ).astype({"smokes": object})
    for j, name in enumerate(frame):
        frame.loc[frame.index % 5 == j, name] = None
    return frame


def test_there_is_one_default():
    for make in (ab.NotMIWAE, ab.NotMIWAEPPCA, BUILDERS["not-miwae-mixture"], ab.MNARImputer):
        assert inspect.signature(make).parameters["missingness"].default == USUAL
    asked = inspect.signature(command).parameters
    assert asked["missingness"].default == USUAL
    assert asked["model"].default == CHOSEN == ab.MNARImputer().model
    assert [one.value for one in choices.ModelName] == [CHOSEN, *BUILDERS]
    assert {one.value for one in choices.MechanismName} == {*MISSINGNESS} - {"ignorable"}
    for make in (ab.models.RatingsNotMIWAE, ab.models.ImageNotMIWAE):
        assert inspect.signature(make).parameters["missingness"].default == USUAL
    for make in (ab.models.MaskedNotMIWAE, ab.models.SupervisedNotMIWAE):
        assert inspect.signature(make).parameters["missingness"].default == "self-masking"


@pytest.mark.parametrize("make", [ab.NotMIWAE, ab.NotMIWAEPPCA])
def test_what_a_builder_makes_of_silence(make):
    data = ab.IncompleteData.from_numpy(table("own")[1])
    assert isinstance(make(data).missingness, AveragedMissingness)
    for said in ({"sign": "+"}, {"slope_prior": 1.0}, {"slope_prior": "flat"}):
        assert isinstance(make(data, **said).missingness, SelfMasking)
    complete = ab.IncompleteData.from_numpy(table("own")[0])
    assert isinstance(make(complete).missingness, Ignorable)
    assert isinstance(make(complete, sign="+").missingness, SelfMasking)


def test_columns_of_every_kind_have_slopes_in_their_own_standard_deviations():
    data = ab.IncompleteData.from_frame(mixed(), schema={"stage": "ordinal"})
    mechanism = ab.NotMIWAEPPCA(data).missingness
    codes = data.x[:, 3][data.s[:, 3]]
    expected = [1.0, 1 / data.x[:, 1][data.s[:, 1]].std(correction=0), 0.0]
    expected.append(1 / codes.std(correction=0))
    np.testing.assert_allclose(mechanism.per_unit.numpy(), np.array(expected), rtol=1e-5)
    assert mechanism.own_unit.tolist() == [1.0, 0.0, 0.0, 0.0]  # levels have no slope
    assert "is taken not to decide, as for levels" in mechanism.in_words(1)
    assert "not known before the fit" in mechanism.in_words(0)


def test_numbers_of_which_many_are_the_same_are_not_read_beside_other_kinds():
    """The peak at nothing of what people spend has a density of its own."""
    frame = mixed(200).drop(columns="stage")
    spent = np.where(np.arange(200) % 4 == 1, 0.0, np.random.default_rng(1).lognormal(size=200))
    frame["spent"] = np.where(np.arange(200) % 5 == 3, np.nan, spent)
    mechanism = ab.NotMIWAEPPCA(ab.IncompleteData.from_frame(frame)).missingness
    assert mechanism.own_unit.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert "where many rows share one value" in mechanism.in_words(3)
    numbers = ab.IncompleteData.from_frame(frame[["age", "spent"]])
    assert ab.NotMIWAEPPCA(numbers).missingness.own_unit.tolist() == [1.0, 1.0]


def test_levels_that_are_missing_at_random_keep_their_shares():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(50, 10, 200), "smokes": rng.random(200) < 0.25})
    frame = frame.astype({"smokes": object})
    frame.loc[::6, "smokes"] = None
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data)
    fit = ab.fit(model, data, steps=150, learning_rate=3e-2, progress=False, check=False)
    share = ab.impute(fit, data, particles=100).probabilities("smokes")[True].mean()
    assert abs(share - frame["smokes"].dropna().mean()) < 0.1


def test_complete_columns_explain_absence_where_forms_are_not_sampled():
    _, gaps = table("other", rows=200)
    data = ab.IncompleteData.from_numpy(gaps, columns=["a", "b", "c"])
    model = ab.NotMIWAE(data, hidden=[8], latent_dim=1)
    assert model.missingness.complete.tolist() == [0, 1]
    fit = ab.fit(model, data, steps=120, learning_rate=3e-2, progress=False, check=False)
    found = -1.6 * model.missingness.of_complete[2].detach()
    assert found[0] > 1.0
    assert found[1].abs() < 0.5 * found[0]
    assert list(fit.why_missing()) == ["c"]
    assert "a sd, shrunk towards 0" in fit.why_missing()["c"]
    assert fit.odds_in_words() == [f"c: {fit.why_missing()['c']}"]


@pytest.mark.parametrize(
    ("options", "decoder"),
    [
        ({}, DirectDecoder),
        ({"latent_dim": 2}, LinearGaussianDecoder),
        ({"missingness": "self-masking"}, LinearGaussianDecoder),
        ({"sign": "+"}, LinearGaussianDecoder),
        ({"learning_rate": 0.01}, LinearGaussianDecoder),
        ({"fit_options": {"batch_size": 8}}, LinearGaussianDecoder),
        ({"fit_options": {"optimiser": "gibbs"}}, DirectDecoder),
        ({"model_options": {"encoder": "set", "hidden": (4,)}}, LinearGaussianDecoder),
        ({"model_options": {"scale": "shared"}}, DirectDecoder),
    ],
)
def test_the_model_that_is_chosen(options, decoder):
    imputer = ab.MNARImputer(**options)
    data = ab.IncompleteData.from_numpy(table("own", rows=30)[1])
    further = dict(imputer.model_options or {})
    made = kind_of(imputer, data)(data, latent_dim=imputer.latent_dim, **further)
    assert type(made.decoder) is decoder
    complete = ab.IncompleteData.from_numpy(table("own", rows=30)[0])
    assert kind_of(imputer, complete) is ab.NotMIWAEPPCA
    levels = ab.IncompleteData.from_frame(mixed(), schema={"stage": "ordinal"})
    assert kind_of(imputer, levels) is ab.NotMIWAEPPCA


@pytest.mark.slow
def test_nothing_is_lost_where_other_columns_decide(tmp_path):
    """That much is won where values decide is tested beside the sampler, on more sweeps."""
    x, gaps = table("other", rows=100)
    default = ab.MNARImputer(steps=100, particles=50, random_state=0)
    completed = [
        default.fit_transform(gaps),
        ab.MNARImputer("ppca", particles=50, random_state=0).fit_transform(gaps),
    ]
    missing = np.isnan(gaps)
    rmse = [np.sqrt(np.mean((one - x)[missing] ** 2)) for one in completed]
    assert rmse[0] < 1.1 * rmse[1]
    assert list(default.why_missing_) == ["x2"]
    assert default.why_missing_["x2"] in str(default.describe())
    assert default.result_.summary().loc["x2", "because"] == default.why_missing_["x2"]
    default.save(tmp_path)
    loaded = ab.MNARImputer.load(tmp_path)
    np.testing.assert_array_equal(loaded.transform(gaps), completed[0])
    assert loaded.why_missing_ == default.why_missing_
    assert loaded.multiple_impute(gaps, m=2).shape == (200, 3)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.array([[1.0], [np.nan], [2.0], [0.5]]), id="one column"),
        pytest.param(np.array([[1.0, 2.0], [np.nan, 3.0]]), id="two rows"),
        pytest.param(np.where(np.eye(8, 4) > 0, np.nan, np.eye(8, 4, 1)), id="8 x 4"),
        pytest.param(np.where(np.eye(6, 40) > 0, np.nan, np.eye(6, 40, 7)), id="6 x 40"),
    ],
)
def test_odd_tables(rows):
    filled = ab.MNARImputer(steps=12, particles=10, random_state=0).fit_transform(rows)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~np.isnan(rows)], rows[~np.isnan(rows)])
