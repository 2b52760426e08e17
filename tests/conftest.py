"""Each test starts from one state: one thread, seeded, validating, no parameters left over."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib

import pyro
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


#: what takes longest, the longest first: parts of the names of tests
LONGEST = (
    "test_parameters_keep_their_prior_when_data_are_sampled_anew",
    "8-my-report-warns",
    "test_notebooks",
    "test_shell_examples_run",
    "test_python_blocks_run",
    "test_a_killed_process_leaves",
    "test_nuts",
    "test_binary_values_under_self_masking_train",
    "test_two_components_keep_their_prior",
    "test_a_network_is_fitted_until_its_bound_is_flat",
    "test_a_run_that_is_killed",
    "test_curves",
)
_QUICK, _PASTED = "::test_python_blocks_run[", "::test_python_blocks_run_as_pasted["


@pytest.hookimpl(specname="pytest_collection_modifyitems", tryfirst=True)  # before -m selects
def pytest_thin_out(items: list[pytest.Item]) -> None:
    """Leave to the slow run all but ``n`` evenly spread quick cases of tests marked ``thin(n)``."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("thin") and not item.get_closest_marker("slow"):
            cases.setdefault(item.nodeid.split("[")[0], []).append(item)
    for each in cases.values():
        (keep,) = each[0].get_closest_marker("thin").args  # type: ignore[union-attr]
        quick = {i * (len(each) - 1) // max(keep - 1, 1) for i in range(keep)}
        for place, item in enumerate(each):
            if place not in quick:
                item.add_marker("slow")


@pytest.hookimpl(trylast=True)  # of those that are left by -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest tests first: at the end, the other workers would wait for them.

    Where the blocks of a page run as pasted, they need not run with lowered budgets before.
    """
    pasted = {item.nodeid.replace(_PASTED, _QUICK) for item in items if _PASTED in item.nodeid}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in pasted])
    items[:] = [item for item in items if item.nodeid not in pasted]

    def place(item: pytest.Item) -> int:
        found = (k for k, name in enumerate(LONGEST) if name in item.nodeid)
        return next(found, len(LONGEST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def fresh_state() -> Iterator[None]:
    """Reset what Pyro and torch keep globally; put back what a test may change."""
    dtype = torch.get_default_dtype()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    with pyro.validation_enabled(True):
        yield
    pyro.clear_param_store()
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of downloaded data sets; tests that need it are skipped without one."""
    folder = os.environ.get("ABSENTIA_DATA_DIR")
    if not folder:
        pytest.skip("ABSENTIA_DATA_DIR is not set")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"ABSENTIA_DATA_DIR={folder!r} is not a folder; set it to one or unset it")
    return path
