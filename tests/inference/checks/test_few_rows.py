"""The warning that a single outlier decides between two models."""

import warnings

import numpy as np
import pytest

from absentia.inference.checks.few_rows import warn_if_few_rows_decide


@pytest.fixture
def densities():
    """The second model is 9 nats above in every row but one, an outlier, in which it has -700."""
    rng = np.random.default_rng(0)
    network = rng.normal(-25, 3, size=57)
    linear = network + 9
    linear[31] = network[31] - 640
    return {"linear": linear, "network": network}


def test_a_ranking_by_one_row_is_warned_of(densities):
    with pytest.warns(UserWarning, match=r"'network'.*'linear'.*row 31.*9\.00 below"):
        warn_if_few_rows_decide(densities)


def test_a_ranking_by_all_rows_is_not(densities):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_few_rows_decide({"wide": densities["network"] - 1, "network": densities["network"]})
        densities["linear"][31] = densities["network"][31]  # and the linear model is the best
        warn_if_few_rows_decide(densities)


def test_of_many_rows_a_hundredth_is_left_out():
    gain = np.full(400, -0.1)
    gain[[3, 5, 7, 9]] = 20
    with pytest.warns(UserWarning, match=r"4 rows.*without them"):
        warn_if_few_rows_decide({"a": gain, "b": np.zeros(400)})
    gain[11:20] = 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_few_rows_decide({"a": gain, "b": np.zeros(400)})
