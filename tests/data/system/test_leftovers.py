"""Temporary files: what killed runs leave is removed, what others write is not."""

import contextlib
import os
import signal
import time

import pytest

from absentia.data.system import leftovers
from absentia.data.system.files import atomic_path, temporary_folder, write_text_atomic

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@contextlib.contextmanager
def in_a_child(work):
    """A forked child stands inside the contexts that ``work`` enters; ``kill()`` ends it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with contextlib.ExitStack() as stack:
                work(stack)
                os.write(writer, b"1")
                time.sleep(600)
        finally:
            os._exit(1)
    os.close(writer)

    def kill():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    try:
        assert os.read(reader, 1) == b"1"  # empty where the child failed
        os.close(reader)
        yield kill
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            kill()


def half_written(path):
    return lambda stack: stack.enter_context(atomic_path(path)).write_text("half")


@needs_fork
def test_what_a_killed_process_left_is_removed_at_the_next_write(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with in_a_child(half_written(path)) as kill:
        assert len(os.listdir(tmp_path)) == 2
        kill()
    leftovers.tidy(tmp_path)
    assert os.listdir(tmp_path) == ["a.json"]
    assert path.read_text() == "old"


@needs_fork
def test_any_write_into_the_folder_tidies_it(tmp_path):
    def folder_too(stack):
        half_written(tmp_path / "one.csv")(stack)
        (stack.enter_context(temporary_folder(tmp_path)) / "inside.txt").write_text("half")

    with in_a_child(folder_too) as kill:
        kill()
    assert len(os.listdir(tmp_path)) == 2
    write_text_atomic(tmp_path / "two.json", "{}")
    assert os.listdir(tmp_path) == ["two.json"]


@needs_fork
def test_what_a_living_process_writes_is_left_alone(tmp_path):
    with in_a_child(half_written(tmp_path / "a.json")):
        with atomic_path(tmp_path / "b.json") as mine:
            mine.write_text("{}")
            leftovers.tidied.clear()
            leftovers.tidy(tmp_path)
            assert len(os.listdir(tmp_path)) == 2
        assert len(os.listdir(tmp_path)) == 2  # b.json, and what the child writes


@pytest.mark.parametrize(
    ("name", "old", "goes"),
    [
        (".a.absentia-{other}-1-0123456789ab.json", True, True),
        (".a.absentia-{other}-1-0123456789ab.json", False, False),
        (".a.absentia-{machine}-{me}-0123456789ab.json", False, True),  # a number used again
        (".a.absentia-{machine}-{me}-0123456789ab", False, True),
        (".a.absentia-{machine}-99999999999999999999-0123456789ab", False, False),
        (".a-0123456789ab.json", True, False),
        ("a.absentia-{machine}-{me}-0123456789ab.json", True, False),
        (".a.absentia-{machine}-{me}-notes.json", True, False),
        ("a.json", True, False),
    ],
)
def test_only_such_names_are_removed(tmp_path, name, old, goes):
    machine = leftovers.machine_name()
    other = "0" * 8
    path = tmp_path / name.format(other=other, machine=machine, me=os.getpid())
    path.write_text("?")
    if old:
        long_ago = time.time() - 2 * leftovers.SECONDS_TILL_OLD
        os.utime(path, (long_ago, long_ago))
    leftovers.tidy(tmp_path)
    assert path.exists() == (not goes)


@pytest.mark.parametrize("name", ["表" * 80 + ".json", "a" * 255, "a." + "b" * 250, ".hidden"])
def test_long_names_can_be_written(tmp_path, name):
    write_text_atomic(tmp_path / name, "whole")
    assert os.listdir(tmp_path) == [name]
