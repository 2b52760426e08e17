"""Worker processes that end when the process that waits for them ends, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tqdm import tqdm

#: the name of a machine and the number of a process on it
Process = tuple[str, int]
_R = TypeVar("_R")
_EVERY = 0.5  # seconds between two looks at the parent
_watching: set[int] = set()


@dataclass(frozen=True)
class Parcel:
    """An object on its way to or from a worker, which is pickled as a whole.

    Dask takes modules of torch that are arguments or results apart, and cannot send some of their
    attributes.
    """

    content: Any


def this_process() -> Process:
    """Identify this process, so that a worker knows which process it works for."""
    return platform.node(), os.getpid()


def is_alive(process: Process) -> bool:
    """Whether a process runs; a process on another machine is assumed to run."""
    node, pid = process
    if node != platform.node():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def work_for(parent: Process, work: Callable[..., _R], *args: Any) -> _R:
    """Run ``work(*args)`` in a worker for as long as the parent lives; see :func:`end_with`.

    >>> from absentia.data.system.workers import this_process, work_for
    >>> work_for(this_process(), max, 1, 2)
    2
    """
    end_with(parent)
    return work(*args)


def in_workers(
    work: Callable[..., _R], tasks: Iterable[tuple[Any, ...]], jobs: int, ordered: bool = False
) -> Iterator[_R]:
    """Run ``work(*task)`` for every task in joblib's workers, and yield each result as it comes.

    ``joblib.parallel_config(backend=...)`` chooses whose workers these are: those of this machine
    (loky, the default), of Dask, of Ray. A backend that cannot return results one by one returns
    all of them at the end.

    >>> from absentia.data.system.workers import in_workers
    >>> list(in_workers(max, [(1, 2), (4, 3)], jobs=1))
    [2, 4]

    Args:
        work: the work, which :func:`work_for` runs.
        tasks: the arguments of each task.
        jobs: the number of tasks that run at once.
        ordered: whether results come in the order of the tasks.
    """
    from joblib import Parallel, delayed  # slow to import
    from joblib.parallel import get_active_backend

    one_by_one = "generator" if ordered else "generator_unordered"
    able = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(n_jobs=jobs, return_as=one_by_one if able else "list", batch_size=1)
    us = this_process()
    yield from parallel(delayed(work_for)(us, work, *task) for task in tasks)


def end_with(parent: Process) -> None:
    """Make this worker process end when the process that started it has ended.

    A process that is killed cannot stop its workers, which would go on for minutes with their
    current cell. Nothing happens if the waiting process does the work itself, or if the workers
    are not its children, as on a cluster.
    """
    node, pid = parent
    if node != platform.node() or pid == os.getpid() or pid in _watching:
        return
    if os.getppid() != pid:
        # the parent has ended while this worker was starting
        if multiprocessing.current_process().name.startswith("Loky") and not is_alive(parent):
            os._exit(1)
        return
    _watching.add(pid)
    # The lock of progress bars is a semaphore of the system, which a killed process leaves behind;
    # a lock of this process is used instead.
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_wait_for_end_of, args=(pid,), daemon=True).start()


def _wait_for_end_of(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)


@contextmanager
def workers_stopped_with_us() -> Iterator[None]:
    """Kill joblib's workers at once if the block is left by an error or an interrupt.

    Otherwise they would go on for minutes with their current cell and with those in their queue.
    """
    try:
        yield
    except BaseException:
        from joblib.externals.loky import get_reusable_executor  # slow to import

        get_reusable_executor().shutdown(wait=False, kill_workers=True)
        raise
