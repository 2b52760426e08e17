"""Maps of limited ranges to the real line."""

import numpy as np
import pytest
import torch

from absentia.data.columns.warps import Warp

WARPS = {
    "log": Warp("log"),
    "logit": Warp("logit", -2.0, 3.0),
    "sinh-arcsinh": Warp("sinh-arcsinh", -2.0, 3.0, centre=0.4, spread=0.7, skew=0.9, tail=1.3),
}


@pytest.mark.parametrize("name", WARPS)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_there_and_back(name, kind):
    warp = WARPS[name]
    values = np.linspace(0.01, 2.9, 50)
    if kind == "torch":
        values = torch.from_numpy(values)
    again = warp.invert(warp.apply(values))
    np.testing.assert_allclose(np.asarray(again), np.asarray(values), rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_the_ends_are_finite_and_inside(dtype):
    far = torch.tensor([-1e8, -50.0, 0.0, 50.0, 1e8], dtype=dtype)
    positive = WARPS["log"].invert(far)
    assert bool(positive.isfinite().all())
    assert bool((positive > 0).all())
    bounded = WARPS["logit"].invert(far)
    assert bool(((bounded >= -2) & (bounded <= 3)).all())
    at_bounds = WARPS["logit"].apply(torch.tensor([-2.0, 3.0], dtype=dtype))
    assert bool(at_bounds.isfinite().all())


def test_the_two_libraries_agree():
    values = np.linspace(-1.9, 2.9, 30)
    for warp in (WARPS["logit"],):
        torch.testing.assert_close(
            warp.apply(torch.from_numpy(values)), torch.from_numpy(warp.apply(values))
        )
        torch.testing.assert_close(
            warp.invert(torch.from_numpy(values)), torch.from_numpy(warp.invert(values))
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("sqrt",), "use 'log', 'logit' or 'sinh-arcsinh'"), (("logit", 1.0, 1.0), "lower < upper")],
    ids=["unknown", "empty range"],
)
def test_maps_that_do_not_exist(arguments, message):
    with pytest.raises(ValueError, match=message):
        Warp(*arguments)


@pytest.mark.parametrize("name", WARPS)
def test_plain_data_and_back(name):
    assert Warp.from_dict(WARPS[name].to_dict()) == WARPS[name]
