"""Answers under several assumptions, and what identifies a mechanism."""

import warnings

import numpy as np
import pandas as pd
import pytest

import absentia as ab


def hidden_by_itself(n=300, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=n)
    frame = pd.DataFrame(rows, columns=["a", "b"])
    truth = frame["a"].mean()
    frame.loc[rng.random(n) < 1 / (1 + np.exp(-2 * frame["a"])), "a"] = np.nan
    return frame, truth


@pytest.mark.slow
def test_answers_side_by_side():
    """Hidden by itself: selection is right, at random too low, each shift by its own amount."""
    frame, truth = hidden_by_itself()
    data = ab.IncompleteData.from_frame(frame)
    found = ab.sensitivity.answers(
        data,
        "a",
        lambda t: (t["a"].mean(), t["a"].var() / len(t)),
        deltas=[1.0],
        m=4,
        fit_options={"steps": 250},
    )
    assert list(found.index) == [
        "missing at random", "selection", "shared parameter", "pattern mixture, +1 sd"
    ]  # fmt: skip
    estimate = found["estimate"]
    chosen = found.loc["selection"]
    assert chosen["lower"] < truth < chosen["upper"]
    assert found.loc["missing at random", "upper"] < truth
    rise = estimate["pattern mixture, +1 sd"] - estimate["missing at random"]
    assert rise == pytest.approx(data.scaler.scale[0] * frame["a"].isna().mean())
    with pytest.raises(ValueError, match="no column 'c'"):
        ab.sensitivity.answers(data, "c", len)


def skewed(n=500, tie=0.0, seed=0):
    """Log-normal values, missing completely at random, and a column that goes with them or not."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n)
    a = np.exp(0.7 * (tie * b + (1 - tie**2) ** 0.5 * rng.normal(size=n)))
    frame = pd.DataFrame({"a": a, "b": b})
    frame.loc[rng.random(n) < 0.4, "a"] = np.nan
    return ab.IncompleteData.from_frame(frame, schema={"a": "continuous"})


def fitted(data, why):
    model = ab.NotMIWAEPPCA(data, why, latent_dim=1, scale="column")
    return ab.fit(model, data, progress=False)


@pytest.mark.slow
def test_a_mechanism_that_the_decoders_shape_alone_identifies_is_said():
    """Skewed values, missing at random: a Gaussian sees a mechanism that is not there."""
    data = skewed(800)
    result = fitted(data, "a ~ a")
    without = fitted(data, ab.missing("a ~ a", fixed={"a": 0.0}))
    assert len(data) * (result.bound - without.bound) > 10  # nats: sure of what is not so
    with pytest.warns(UserWarning, match="nothing but the shape of the decoder .* 'a' is missing"):
        found = ab.check.check_identification(result, data)
    row = found.loc["a"]
    assert not row["identified"]
    assert row["skewness"] > 1
    assert row["r2"] < 0.05


@pytest.mark.slow
def test_an_exclusion_restriction_silences_it():
    data = skewed(tie=0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ab.check.check_identification(fitted(data, "a ~ a"), data).loc["a"]
    assert found["identified"]
    assert found["by"] == "b"
    # read by the mechanism, b no longer tells the two apart
    with pytest.warns(UserWarning, match="explain 0 % of its variance"):
        ab.check.check_identification(fitted(data, "a ~ a + b"), data)


@pytest.mark.parametrize(
    "why",
    [
        ab.missing("a ~ a", fixed={"a": 1.0}),
        "a ~ b",
        "ignorable",
    ],
    ids=["given", "others", "ignorable"],
)
@pytest.mark.thin(1)
def test_what_rests_on_nothing_is_not_warned_of(why):
    data = skewed()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ab.check.check_identification(fitted(data, why), data)
    assert found["identified"].all()
