"""Workers end with the process that they work for, however it ends."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ThreadingBackend

from absentia.data.system.workers import end_with, in_workers, is_alive, this_process, work_for

PARENT = """
import os, pathlib, sys, time
from joblib import Parallel, delayed
from absentia.data.system.workers import this_process, work_for, workers_stopped_with_us

def work(folder):
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(300)

folder = sys.argv[1]
with workers_stopped_with_us():
    Parallel(n_jobs=2)(delayed(work_for)(this_process(), work, folder) for _ in range(4))
"""


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_no_worker_outlives_its_parent(number, tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(folder)], stderr=subprocess.DEVNULL)
    workers = _within(120, lambda: [int(p.name) for p in folder.iterdir()], at_least=2)
    assert all(is_alive((this_process()[0], pid)) for pid in workers)
    parent.send_signal(number)
    parent.wait(60)
    left = _within(30, lambda: [pid for pid in workers if _runs(pid)], at_most=0)
    assert not left
    # joblib's own watchman removes what was shared once nobody has it open
    _within(30, lambda: [n for n in os.listdir("/dev/shm") if str(parent.pid) in n], at_most=0)


def _runs(pid):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _within(seconds, look, at_least=0, at_most=10**9):
    begun = time.monotonic()
    while not at_least <= len(found := look()) <= at_most:
        assert time.monotonic() - begun < seconds, found
        time.sleep(0.05)
    return found


def test_work_of_our_own_is_done_as_ever():
    assert work_for(this_process(), divmod, 7, 3) == (2, 1)
    end_with(("another machine", 1))
    end_with((this_process()[0], 2**22 + 1))  # not our parent, and no worker of joblib's are we
    assert not is_alive((this_process()[0], 2**22 + 1))


class Plain(ThreadingBackend):
    """A backend that returns all results at once, as Ray's does."""

    supports_return_generator = False
    calls = 0

    def submit(self, *given, **further):
        Plain.calls += 1
        return super().submit(*given, **further)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", ["threading", "plain", None])
def test_results_of_any_backend_are_those_of_one_process(backend, ordered):
    register_parallel_backend("plain", Plain)
    tasks = [(k, 3) for k in range(7)]
    Plain.calls = 0
    jobs = 1 if backend is None else 2
    with parallel_config(backend=backend) if backend else nullcontext():
        found = list(in_workers(divmod, tasks, jobs, ordered))
    assert (found if ordered else sorted(found)) == [divmod(k, 3) for k in range(7)]
    assert (Plain.calls > 0) == (backend == "plain")
