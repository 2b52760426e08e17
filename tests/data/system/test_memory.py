"""What does not fit into memory is named, by what was asked for."""

import numpy as np
import pytest
import torch

from absentia.data.system.memory import NotEnoughMemoryError, asked_for, check_memory


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: np.zeros((10**9, 10**6)),
        lambda: torch.zeros(10**12, 10**3),
        lambda: bytearray(10**15),
    ],
    ids=["numpy", "torch", "Python"],
)
def test_the_arguments_are_named(allocate):
    said = pytest.raises(MemoryError, match=r"^fit with rows=7 needs more memory than there is")
    with said, asked_for("fit", rows=7, other=None):
        allocate()


def test_the_size_is_said_and_the_inner_call_speaks():
    with (
        pytest.raises(NotEnoughMemoryError, match=r"n=1.*3.55"),
        asked_for("outer", m=2),
        asked_for("inner", n=1),
    ):
        torch.zeros(10**12, 10**3)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="mat1"), asked_for("fit", rows=7):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


def test_what_cannot_fit_is_refused_before_the_work():
    check_memory(1e6, "this", "lower it")
    with pytest.raises(MemoryError, match=r"^this would take 88.8 PiB .*; lower it$"):
        check_memory(1e17, "this", "lower it")
