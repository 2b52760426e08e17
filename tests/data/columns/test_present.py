"""A column of a table is examined once, whatever its schema comes from."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from absentia.data import IncompleteData, infer_schema
from absentia.data.columns.present import Present

N = 40
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "dose": RNG.gamma(2.0, size=N),
        "visits": RNG.integers(0, 30, N),
        "stage": RNG.choice(["I", "II", "III"], N),
        "day": pd.date_range("2024-05-31", periods=N),
        "wait": pd.to_timedelta(np.arange(N), unit="h"),
        "mixed": pd.Series([None, 1.5, *range(N - 2)], dtype=object),
    }
)
DECLARED = {
    "dose": "positive",
    "visits": "count",
    "stage": {"kind": "ordinal", "levels": ["I", "II", "III"]},
    "day": "datetime",
}


@pytest.fixture
def worked_out(monkeypatch):
    """Count how often each property of each column is worked out."""
    counts: Counter = Counter()
    for name in ("family", "numbers", "distinct", "instants", "seconds"):
        prop = Present.__dict__[name]

        def counted(present, name=name, func=prop.func):
            counts[name, present.name] += 1
            return func(present)

        monkeypatch.setattr(prop, "func", counted)
    return counts


@pytest.mark.parametrize("covariates", [[], ["wait"]])
@pytest.mark.parametrize("schema", [None, "infer", DECLARED, infer_schema(TABLE, DECLARED)])
def test_each_column_is_examined_once(worked_out, schema, covariates):
    IncompleteData.from_frame(TABLE, schema=schema, covariates=covariates)
    assert {column: count for (name, column), count in worked_out.items() if name == "family"} == (
        dict.fromkeys(TABLE.columns, 1)
    )
    assert set(worked_out.values()) == {1}
    assert worked_out["distinct", "stage"] == worked_out["instants", "day"] == 1


def test_rows_read_like_earlier_data_are_examined_once(worked_out):
    data = IncompleteData.from_frame(TABLE, schema=DECLARED)
    worked_out.clear()
    again = IncompleteData.from_frame(TABLE, like=data)
    np.testing.assert_array_equal(again.values, data.values)
    assert set(worked_out.values()) == {1}
    assert {column for _, column in worked_out} == set(TABLE.columns)
