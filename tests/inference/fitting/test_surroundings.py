"""What the caller's process is set to, and what a caller's code does meanwhile, changes no fit."""

import contextlib
import re

import numpy as np
import pytest
import torch

import absentia as ab

KINDS = [ab.NotMIWAE, ab.NotMIWAEPPCA]


def rows():
    rng = np.random.default_rng(0)
    found = rng.normal(size=(40, 3))
    found[found[:, 0] > 0.5, 0] = np.nan
    return found


def run(kind, **options):
    data = ab.IncompleteData.from_numpy(rows())
    model = kind(data, sign="+", latent_dim=2)
    fitted = ab.fit(model, data, steps=8, progress=False, **options)
    return fitted, ab.impute(fitted, data, particles=30).mean


@contextlib.contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SURROUNDINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "device": lambda: default_device("meta"),
    "device block": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SURROUNDINGS)
@pytest.mark.thin(4)
def test_the_surroundings_change_nothing(kind, name, tmp_path):
    fitted, expected = run(kind)
    fitted.save(tmp_path / "fit")
    with SURROUNDINGS[name]():
        found = run(kind)[1]
        loaded = ab.impute(
            ab.load(tmp_path / "fit"), ab.IncompleteData.from_numpy(rows()), particles=30
        ).mean
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(loaded, expected)


class Drawing:
    """A logger and callback that leaves torch other than it found it."""

    def start(self, settings, resumed=False):
        torch.rand(3)

    def log(self, row):
        torch.manual_seed(7)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)

    def finish(self):
        torch.rand(3)


@pytest.mark.parametrize("kind", KINDS)
def test_what_callbacks_and_loggers_draw_changes_nothing(kind):
    _, expected = run(kind)
    np.testing.assert_array_equal(run(kind, callback=lambda row: torch.rand(5))[1], expected)
    np.testing.assert_array_equal(run(kind, loggers=[Drawing()])[1], expected)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_a_model_is_of_the_dtype_of_its_data():
    for dtype in (torch.float32, torch.float64):
        data = ab.IncompleteData.from_numpy(rows(), dtype=dtype)
        for kind in (*KINDS, ab.models.GNR):
            tensors = [*kind(data).parameters(), *kind(data).buffers()]
            assert {t.dtype for t in tensors if t.is_floating_point()} == {dtype}


@pytest.mark.slow
def test_standard_errors_in_inference_mode():
    data = ab.IncompleteData.from_numpy(rows(), columns=["a", "b", "c"])
    model = ab.NotMIWAEPPCA(data, "a ~ b", latent_dim=1)
    fitted = ab.fit(model, data, steps=400, learning_rate=1e-2, progress=False)
    expected = ab.inference.coefficient_posterior(fitted, data)
    with torch.inference_mode():
        found = ab.inference.coefficient_posterior(
            fitted, ab.IncompleteData.from_numpy(rows(), columns="abc")
        )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_parameters_made_in_inference_mode_are_named():
    with torch.inference_mode():
        mechanism = ab.models.SelfMasking(3)
    data = ab.IncompleteData.from_numpy(rows())
    model = ab.NotMIWAE(data, mechanism)
    with pytest.raises(ValueError, match=r"'missingness\..*inference_mode\(\)"):
        ab.fit(model, data, steps=1, progress=False)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_a_dtype_that_holds_no_real_numbers_is_refused(dtype):
    message = f"dtype is {dtype}; give torch.float32"
    with pytest.raises(ValueError, match=re.escape(message)):
        ab.IncompleteData.from_numpy(rows(), dtype=dtype)
    data = ab.IncompleteData.from_numpy(rows())
    with pytest.raises(ValueError, match=re.escape(message)):
        data.to(dtype=dtype)
    with pytest.raises(ValueError, match=re.escape(message)):
        ab.fit(ab.PPCA(data), data, dtype=dtype, steps=1, progress=False)
    with pytest.raises(ValueError, match=re.escape(message)):
        ab.data.Ratings.from_triples([0, 1], [0, 0], [1.0, 2.0], dtype=dtype)


def test_what_does_not_fit_into_memory_is_said():
    data = ab.IncompleteData.from_numpy(rows())
    with pytest.raises(MemoryError, match=r"NotMIWAE with latent_dim=1000000000000"):
        ab.NotMIWAE(data, "self-masking", latent_dim=10**12)
    fitted = ab.fit(ab.PPCA(data), data, steps=1, progress=False)
    with pytest.raises(MemoryError, match=r"^1000000000000 draws of .* lower draws"):
        ab.impute(fitted, data, particles=10, draws=10**12)
    with pytest.raises(MemoryError, match=r"^fit with particles=1000000000000, batch_size=64"):
        ab.fit(ab.NotMIWAE(data, "self-masking"), data, particles=10**12, steps=1, progress=False)
