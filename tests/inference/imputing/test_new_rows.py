"""New rows read by themselves: the fit's schema decides, in imputing, predicting and reporting."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab


def table(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    stage = np.select([z < -0.5, z < 0.5], ["low", "mid"], "high")
    levels = ["low", "mid", "high"]
    return pd.DataFrame(
        {
            "x": np.where(z > 1.2, np.nan, z + 0.2 * rng.normal(size=n)),
            "stage": pd.Categorical(
                np.where(rng.random(n) < 0.2, None, stage), levels, ordered=True
            ),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.round(30 * z), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> ab.inference.FitResult:
    data = ab.IncompleteData.from_frame(table(80, 0))
    return ab.fit(
        ab.NotMIWAEPPCA(data, "self-masking"), data, steps=40, learning_rate=1e-2, progress=False
    )


NEW = pd.DataFrame(
    {
        "x": [-1.5, np.nan, 1.1, 0.1],
        "stage": pd.Categorical(["mid", "high", None, "mid"], ["high", "mid"], ordered=True),
        "day": pd.to_datetime(["2019-11-15", "2020-02-01", "2020-02-03", None]),
    }
)


def test_imputing(fitted):
    own, like = (
        ab.impute(fitted, data, 100)
        for data in (
            ab.IncompleteData.from_frame(NEW),
            ab.IncompleteData.from_frame(NEW, like=fitted),
        )
    )
    np.testing.assert_allclose(own.mean, like.mean)
    np.testing.assert_allclose(own.log_evidence, like.log_evidence)
    pd.testing.assert_frame_equal(own.to_frame(), like.to_frame())
    assert own.probabilities("stage").columns.tolist() == ["low", "mid", "high"]
    for name, column in NEW.items():
        seen = column.notna()
        assert own.to_frame()[name][seen].tolist() == column[seen].tolist()


def test_an_unknown_level_is_refused_before_any_work(fitted):
    new = ab.IncompleteData.from_frame(NEW.assign(stage=["mid", "top", None, "mid"]))
    for ask in (ab.impute, ab.check.held_out_bound, ab.check.check_mask):
        with pytest.raises(ValueError, match=r"'stage', row 1: got 'top'.*the fit knows.*'low'"):
            ask(fitted, new)


def test_predicting_with_a_target_that_has_some_of_the_levels():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 2))
    kinds = pd.Series(np.select([rows[:, 0] < -0.5, rows[:, 0] < 0.5], list("ab"), "c"))
    rows[rows > 1.3] = np.nan
    data = ab.IncompleteData.from_numpy(rows).with_target(kinds)
    model = ab.models.SupervisedNotMIWAE(data, sign="+", latent_dim=1, hidden=[4], predictor=[])
    fitted = ab.fit(model, data, steps=5, progress=False)
    few = np.flatnonzero(kinds != "b")[:6]
    new = ab.IncompleteData.from_numpy(rows[few]).with_target(kinds[few])
    wanted = ab.IncompleteData.from_numpy(rows[few], like=data).with_target(kinds[few], like=data)
    assert new.target.schema["y"].num_values == 2
    found = [ab.check.held_out_bound(fitted, one, 50).numpy() for one in (new, wanted)]
    np.testing.assert_allclose(*found)
    np.testing.assert_allclose(
        ab.inference.predict(fitted, new, 50).probabilities,
        ab.inference.predict(fitted, wanted, 50).probabilities,
    )
    with pytest.raises(ValueError, match=r"'y', row 0: got 'z'.*the fit knows.*'a', 'b', 'c'"):
        ab.inference.predict(
            fitted, ab.IncompleteData.from_numpy(rows[few]).with_target(list("zczczc"))
        )
