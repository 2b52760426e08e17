"""Maps of limited ranges to the real line."""

from dataclasses import replace

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


@pytest.mark.parametrize(
    "wrong", [{"heap": 5.0}, {"width": 0.0}, {"middle": 0.9}], ids=["outside", "no width", "beyond"]
)
def test_heaps_that_do_not_exist(wrong):
    with pytest.raises(ValueError, match="between the bounds"):
        replace(WARPS["heap"], **wrong)


def test_values_beside_a_heap_stay_beside_it_wherever_the_column_lies():
    """The tolerance is by the spread: years and seconds since 1970 differ by little from it."""
    far = 1.7e9
    warp = Warp(
        "sinh-arcsinh", far - 9, far + 9, centre=far, spread=3.0, heap=far + 1, width=1, middle=0.5
    )
    values = far + np.array([0.0, 0.999, 1.0, 1.001, 2.0])
    moved = warp.apply(values) - (values - far) / 3
    np.testing.assert_allclose(moved, [0, 0, 0.5, 1, 1], atol=1e-6)
    np.testing.assert_allclose(warp.invert(warp.apply(values)), values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", WARPS)
def test_plain_data_and_back(name):
    assert Warp.from_dict(WARPS[name].to_dict()) == WARPS[name]
