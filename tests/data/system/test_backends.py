"""The names of backends, and what is said of those that are not there."""

import sys

import joblib
import pytest

from absentia.data.errors import InputError, NotInstalledError
from absentia.data.system.backends import on_backend
from absentia.data.system.workers import in_workers


def active() -> str:
    return type(joblib.parallel.get_active_backend()[0]).__name__


def test_a_name_holds_for_the_block_and_none_changes_nothing():
    before = active()
    with on_backend("threading", 2):
        assert active() == "ThreadingBackend"
        with on_backend(None, 2):
            assert sorted(in_workers(max, [(1, 2), (4, 3)], 2)) == [2, 4]
            assert active() == "ThreadingBackend"
    assert active() == before


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_library_that_is_not_installed_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotInstalledError, match=rf"absentia\[{name}\]"), on_backend(name, 2):
        pass


def test_an_unknown_name_is_refused():
    refused = pytest.raises(InputError, match="backend is 'spark', and joblib knows no such")
    with refused, on_backend("spark", 2):
        pass
