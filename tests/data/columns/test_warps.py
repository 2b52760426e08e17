"""Maps of limited ranges to the real line."""

import numpy as np
import pytest
import torch

from absentia.data.columns.warps import Warp

WARPS = {
    "log": Warp("log"),
    "logit": Warp("logit", -2.0, 3.0),
    "sinh-arcsinh": Warp("sinh-arcsinh", -2.0, 3.0, centre=0.4, spread=0.7, skew=0.9, tail=1.3),
    "heap": Warp(
        "sinh-arcsinh", -2.0, 3.0, centre=0.4, spread=0.7, skew=0.9, tail=1.3,
        heap=1.1, width=0.8, middle=0.5,
    ),
}  # fmt: skip


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


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_heap_stands_for_an_interval(kind):
    warp, plain = WARPS["heap"], WARPS["sinh-arcsinh"]
    low, high = warp.interval()
    assert high - low == pytest.approx(0.8)
    values, inside = np.array([0.9, 1.1, 1.3, 4.0]), np.linspace(low + 1e-6, high - 1e-6, 7)
    if kind == "torch":
        values, inside = torch.from_numpy(values), torch.from_numpy(inside)
    moved = np.asarray(warp.apply(values) - plain.apply(values))
    np.testing.assert_allclose(moved, [0, 0.5, 0.8, 0.8], atol=1e-12)
    assert (np.asarray(warp.invert(inside)) == 1.1).all()
    assert Warp.from_dict(warp.to_dict()) == warp


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
