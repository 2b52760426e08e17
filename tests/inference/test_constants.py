"""Constant columns of any kind: carried through, gaps filled, and no effect on other columns."""

import itertools

import numpy as np
import pandas as pd
import pytest

import absentia as ab

N = 60
RNG = np.random.default_rng(0)
FULL = RNG.normal(size=(N, 3)) + RNG.normal(size=(N, 1))
BASE = pd.DataFrame(FULL, columns=list("abc"))
BASE.loc[FULL[:, 0] > 0.7, "a"] = np.nan


def gappy(values: list[object], dtype: object = None) -> pd.Series:
    """The values with every fourth one missing."""
    return pd.Series([None if k % 4 == 0 else v for k, v in enumerate(values)], dtype=dtype)


CONSTANTS = {
    "number": pd.Series([7.0] * N),
    "number with gaps": gappy([7.0] * N, float),
    "rounding noise": pd.Series([0.1 + 0.2 if k % 2 else 0.3 for k in range(N)]),
    "integers with gaps": gappy([3] * N, "Int64"),
    "true": pd.Series([True] * N),
    "booleans with gaps": gappy([True] * N, "boolean"),
    "text": pd.Series(["A"] * N),
    "text with gaps": gappy(["A"] * N),
    "category": pd.Series(pd.Categorical(["B"] * N, categories=["A", "B", "C"])),
    "ordered with gaps": gappy(["B"] * N, pd.CategoricalDtype(["A", "B", "C"], ordered=True)),
    "dates with gaps": gappy([pd.Timestamp("2020-02-29")] * N, "datetime64[ns]"),
    "durations": gappy([pd.Timedelta("3h")] * N, "timedelta64[ns]"),
    "seen once": pd.Series([5.0] + [np.nan] * (N - 1)),
}


def answer(
    table: pd.DataFrame, **options: object
) -> tuple[ab.inference.FitResult, ab.inference.Imputation, float]:
    data = ab.IncompleteData.from_frame(table)
    model = ab.NotMIWAEPPCA(data, **{"sign": "+", **options})
    fitted = ab.fit(model, data, steps=10, learning_rate=1e-2, progress=False)
    bound = float(ab.check.held_out_bound(fitted, data, 50).mean())
    return fitted, ab.impute(fitted, data, 50, draws=20), bound


@pytest.fixture(scope="module")
def alone() -> tuple[ab.inference.FitResult, ab.inference.Imputation, float]:
    return answer(BASE)


@pytest.mark.parametrize(
    ("kind", "place"), list(zip(CONSTANTS, itertools.cycle([0, 1, 3]), strict=False))
)
@pytest.mark.thin(4)
def test_a_constant_is_filled_and_changes_nothing_else(alone, kind, place):
    table = BASE.copy()
    table.insert(place, "k", CONSTANTS[kind])
    fitted, found, bound = answer(table)
    _, wanted, its_bound = alone
    assert fitted.model.columns == ("a", "b", "c")
    assert found.mean.shape == (N, 4)
    others = [j for j in range(4) if j != place]
    assert np.array_equal(found.mean[:, others], wanted.mean)
    assert np.array_equal(found.interval(0.8)[0][:, others], wanted.interval(0.8)[0])
    assert np.array_equal(found.draws(3)[..., others], wanted.draws(3))
    assert (found.sd[:, place] == 0).all()
    assert bound == its_bound
    pd.testing.assert_frame_equal(found.by_column(), wanted.by_column())
    done = found.to_frame()
    assert list(done.columns) == list(table.columns)
    assert done["k"].dtype == table["k"].dtype
    assert done["k"].nunique() == table["k"].nunique()
    assert done["k"].notna().all()
    pd.testing.assert_frame_equal(done[list("abc")], wanted.to_frame())


def test_five_beside_an_array_leave_the_shared_residual_variance(alone):
    columns = [np.full(N, 3.0 + j) for j in range(5)]
    data = ab.IncompleteData.from_numpy(np.column_stack([*columns[:2], BASE, *columns[2:]]))
    fitted = ab.fit(
        ab.NotMIWAEPPCA(data, sign="+"), data, steps=10, learning_rate=1e-2, progress=False
    )
    assert fitted.model.decoder.latent_dim == 2
    found = ab.impute(fitted, data, 50, draws=20)
    np.testing.assert_allclose(found.mean[:, 2:5], alone[1].mean, rtol=1e-6)
    assert (found.mean[:, :2] == [3.0, 4.0]).all()


@pytest.mark.parametrize("model", [ab.NotMIWAE, ab.MIWAE, ab.models.GNR, ab.models.MaskedNotMIWAE])
def test_other_models_leave_it_out_too(model):
    table = BASE.assign(site=gappy(["A"] * N))
    data = ab.IncompleteData.from_frame(table)
    fitted = ab.fit(model(data, latent_dim=1), data, steps=2, progress=False)
    assert fitted.model.columns == ("a", "b", "c")
    assert ab.impute(fitted, data, 20).to_frame()["site"].tolist() == ["A"] * N


def test_predictor_and_pattern_mixture():
    data = ab.IncompleteData.from_frame(BASE.assign(k=gappy([2.5] * N, float)))
    mixture = ab.models.PatternMixture(data, {"a": 1.0, "k": 3.0}, decoder="linear", latent_dim=1)
    assert ab.impute(mixture, data, 20, unfitted=True).to_frame()["k"].tolist() == [2.5] * N
    labelled = data.with_target(FULL[:, 1] > 0)
    model = ab.models.SupervisedNotMIWAE(labelled, sign="+", latent_dim=1, hidden=[4], predictor=[])
    fitted = ab.fit(model, labelled, steps=2, progress=False)
    assert ab.inference.predict(fitted, labelled, 20).mean.shape == (N,)


def test_settings_of_a_constant_go_with_it(alone):
    table = BASE.assign(k=gappy([2.5] * N, float))
    _, _, bound = answer(table, sign=["+", "+", "+", "-"])
    assert bound == alone[2]
    formulas = ["a ~ +a", "k ~ k"]
    fitted, _, _ = answer(table, missingness=formulas, sign=None)
    without, _, _ = answer(BASE, missingness=formulas[:1], sign=None)
    assert fitted.bound == without.bound
    nothing, _, _ = answer(table, missingness=formulas[1:], sign=None)
    assert nothing.model.missingness.ignorable
    with pytest.raises(ValueError, match="no column 'k'"):
        answer(table, missingness="a ~ a + k", sign=None)


@pytest.mark.slow
def test_new_rows_saved_fits_and_tables(tmp_path):
    table = BASE.assign(k=gappy([2.5] * N, float), site=gappy(["A"] * N))
    fitted, found, _ = answer(table)
    fitted.save(tmp_path / "fit")
    again = ab.load(tmp_path / "fit")
    data = ab.IncompleteData.from_frame(table, like=again)
    assert np.array_equal(ab.impute(again, data, 50, draws=20).mean, found.mean)
    # new rows may vary where the training rows did not: what they hold comes back
    new = table.iloc[:3].assign(k=[1.0, None, 3.0], site=[None, "A", "A"])
    for rows in (
        ab.IncompleteData.from_frame(new),
        ab.IncompleteData.from_frame(new, like=again),
    ):
        done = ab.impute(again, rows, 50).to_frame()
        assert done["k"].tolist() == [1.0, 2.5, 3.0]
        assert done["site"].tolist() == ["A"] * 3
    several = ab.multiple_imputation(fitted, data, m=2, particles=20, parameters="fixed")
    for completed in several:
        assert completed["k"].tolist() == [2.5] * N
        assert completed["site"].tolist() == ["A"] * N
    page = ab.report(fitted, data, tmp_path / "r.html", imputation=found, replications=3)
    assert page.exists()
    assert [c.column for c in fitted.model.missingness.describe(fitted).columns] == list("abc")
    assert [c.column for c in fitted.model.missingness.describe(data).columns] == list("abc")


def test_the_imputer_carries_and_draws_them():
    table = BASE.assign(site=gappy(["A"] * N), k=[2.5] * N)
    imputer = ab.MNARImputer(steps=3, particles=10, random_state=0).fit(table)
    assert imputer.transform(table)["site"].tolist() == ["A"] * N
    drawn = imputer.sample(4)
    assert drawn["site"].tolist() == ["A"] * 4
    assert drawn["k"].tolist() == [2.5] * 4
    assert drawn["a"].nunique() == 4


def test_a_module_that_was_made_for_all_columns_keeps_them():
    data = ab.IncompleteData.from_numpy(np.column_stack([BASE, np.full(N, 3.0)]))
    model = ab.NotMIWAEPPCA(data, ab.models.SelfMasking(4, sign="+"))
    assert len(model.columns) == 4
    assert ab.NotMIWAEPPCA(data, ab.models.SelfMasking(3, sign="+")).columns == ("x0", "x1", "x2")


def test_nothing_but_constants():
    text = pd.DataFrame({"site": ["A", None, "A"]})
    with pytest.raises(ValueError, match="every column has only one value"):
        ab.NotMIWAEPPCA(ab.IncompleteData.from_frame(text), "self-masking")
