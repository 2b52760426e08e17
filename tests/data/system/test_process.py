import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import torch

from absentia.data.system.process import callers_turn, one_at_a_time, own_settings, seeded


def test_the_same_seed_gives_the_same_numbers():
    draws = []
    for seed in (3, 3, 4):
        with seeded(seed):
            draws.append(torch.randn(5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_callers_random_state_is_untouched():
    torch.manual_seed(11)
    expected = torch.randn(4)
    torch.manual_seed(11)
    with seeded(5):
        torch.randn(100)
        with seeded(6):
            torch.randn(7)
    assert torch.equal(torch.randn(4), expected)


def test_it_is_put_back_after_an_error():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    try:
        with seeded(5):
            torch.randn(3)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_nested_seeds_do_not_disturb_the_outer_one():
    with seeded(5):
        torch.randn(2)
        expected = torch.randn(2)
    with seeded(5):
        torch.randn(2)
        with seeded(9):
            torch.randn(50)
        assert torch.equal(torch.randn(2), expected)


def test_threads_wait_for_each_other_and_get_their_own_numbers():
    with seeded(0):
        expected = torch.rand(200)

    def draw(_):
        with seeded(0):
            parts = []
            for _ in range(200):
                parts.append(torch.rand(1))
                time.sleep(0)  # another thread's turn, if it may
            return torch.cat(parts)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(draw, range(8)))
    assert all(torch.equal(one, expected) for one in found)


def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have():
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with one_at_a_time():
            inside.set()
            leave.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        with one_at_a_time():
            os._exit(0)
    _, status = os.waitpid(child, 0)
    leave.set()
    holder.join()
    assert status == 0


def test_own_settings_are_undone():
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        with own_settings():
            assert torch.zeros(1).dtype == torch.float32
            assert torch.zeros(1).device.type == "cpu"
        assert torch.zeros(1).dtype == torch.float64
        assert torch.zeros(1).device.type == "meta"
    finally:
        torch.set_default_device(None)


def test_on_the_callers_turn_nothing_of_ours_is_changed():
    with seeded(1):
        expected = torch.rand(3)
    with seeded(1):
        with callers_turn():
            torch.manual_seed(5)
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
        assert torch.is_grad_enabled()
        assert torch.equal(torch.rand(3), expected)


def test_a_seeded_block_seeds_no_other_device(monkeypatch):
    """torch.manual_seed seeds every accelerator, whose state nobody would restore."""

    def refused(seed):
        raise AssertionError("seeds all devices")

    before = torch.get_rng_state()
    monkeypatch.setattr(torch, "manual_seed", refused)
    with seeded(3):
        first = torch.rand(2)
    with seeded(3):
        second = torch.rand(2)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
