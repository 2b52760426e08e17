"""Means of answers on a scale are on that scale, and not of the codes behind it."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.data import Schema
from absentia.data.columns.column import Column
from absentia.inference.report.columns import column_table


def test_means_of_answers_are_of_the_answers():
    rng = np.random.default_rng(0)
    answers = pd.Series(rng.integers(1, 6, 60), dtype="Int64")
    words = pd.Series(rng.choice(["low", "high"], 60))
    frame = pd.DataFrame({"answer": answers, "word": words, "x": rng.normal(size=60)})
    frame.loc[:19, "answer"] = pd.NA
    frame.loc[40:, "word"] = None
    schema = Schema(
        [
            Column("answer", "ordinal", levels=(1, 2, 3, 4, 5), dtype="Int64"),
            Column("word", "ordinal", levels=("low", "high"), dtype="object"),
            Column("x", "continuous"),
        ]
    )
    data = ab.IncompleteData.from_frame(frame, schema=schema)
    told = float(frame["answer"].mean())
    assert data.describe().loc["answer", "mean"] == pytest.approx(told)
    assert data.describe().loc["answer", "sd"] == pytest.approx(frame["answer"].std())
    filled = ab.impute(ab.MIWAE(data, latent_dim=1), data, 20, unfitted=True)
    means = filled.by_column()
    row = means.loc["answer"]
    assert row["observed_mean"] == pytest.approx(told)
    drawn = 1 + filled.mean[:20, 0].mean()  # the table of means holds codes
    assert row["imputed_mean"] == pytest.approx(drawn)
    assert (row["lowest"], row["highest"]) == (1, 5)
    assert 1 <= row["at_random_mean"] <= 5
    assert 0 <= means.loc["word", "observed_mean"] <= 1  # words have places only
    report = column_table(data, filled).loc["answer"]
    assert report["mean, observed"] == pytest.approx(told)
    assert report["completed"] == pytest.approx((40 * told + 20 * drawn) / 60)


@pytest.mark.parametrize(
    ("levels", "middle"),
    [((0, 1, 2), 1.0), ((10, 20, 30), 20.0), ((-0.2, -0.1, 0.0), -0.1), ((1, 2, 4), 1.0)],
)
def test_only_levels_at_equal_distances_are_a_scale(levels, middle):
    assert Column("q", "ordinal", levels=levels).as_answers(1.0) == pytest.approx(middle)
