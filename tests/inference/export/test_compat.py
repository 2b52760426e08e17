"""The compatibility module on whichever ArviZ is installed."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from absentia.inference import pareto_khat
from absentia.inference.export.compat import IS_ONE, from_groups, psis


def test_groups_keep_their_values_and_labels():
    values = np.random.default_rng(0).normal(size=(1, 7, 2))
    tree = from_groups(
        {"posterior": {"slope": values}, "observed_data": {"x": np.arange(3.0)}},
        coords={"column": ["age", "bmi"], "row": [10, 11, 12]},
        dims={"slope": ["column"], "x": ["row"]},
    )
    slope = tree["posterior"]["slope"]
    assert slope.dims == ("chain", "draw", "column")
    assert (slope.sel(column="bmi").values == values[..., 1]).all()
    assert tree["observed_data"]["x"].sel(row=11) == 1.0
    assert type(tree).__name__ == ("DataTree" if IS_ONE else "InferenceData")


def test_psis_smooths_the_tail_and_agrees_on_khat():
    log_weight = np.random.default_rng(1).standard_cauchy(size=(1000, 4)).clip(-20, 20)
    smoothed, khat = psis(log_weight)
    assert np.allclose(logsumexp(smoothed, axis=0), 0, atol=1e-6)
    if IS_ONE:  # its tail is chosen differently: the same to a tenth, not to the digit
        assert khat == pytest.approx(pareto_khat(torch.from_numpy(log_weight)).numpy(), rel=0.2)
        return
    assert khat == pytest.approx(pareto_khat(torch.from_numpy(log_weight)).numpy(), abs=1e-6)


def test_the_largest_weights_stay_the_largest():
    """Whatever sign this version of ArviZ wants: smoothing keeps the order of the weights."""
    log_weight = 2 * np.random.default_rng(2).normal(size=(2000, 2))
    smoothed, khat = psis(log_weight)
    for row in range(2):
        assert np.corrcoef(smoothed[:, row], log_weight[:, row])[0, 1] > 0.99
    # log-normal weights of sd 2: k-hat between 0 and 1, that of the inverse weights too
    assert ((khat > 0) & (khat < 1)).all()
