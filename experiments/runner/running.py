"""Run an experiment's cells in parallel: each a method on a table with a seed, if not yet done."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from joblib import effective_n_jobs

from ...data.errors import InputError
from ...data.system.backends import on_backend
from ...data.system.files import write_text_atomic
from ...data.system.workers import in_workers, workers_stopped_with_us
from ..tasks import TASKS
from ..tasks.fitting import device_name, fitting_on
from ..tasks.tables import check_available
from .cells import Cell, plan
from .spec import Spec

#: age in seconds at which a partial file is left over, as writing a result takes far less
_STALE = 3600.0
#: the packages whose versions are recorded with a result
_VERSIONS = ("torch", "pyro-ppl", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Progress:
    """The progress of a run: how many cells have a result, and the cell that just ended.

    Attributes:
        done: the number of cells with a result.
        total: the number of cells.
        cell: the name of the cell that ended.
        seconds: how long it took.
        error: the error, if it failed.
    """

    done: int
    total: int
    cell: str
    seconds: float
    error: str | None = None


def run(
    spec: Spec,
    budget: str,
    folder: Path,
    jobs: int = 1,
    say: Callable[[Progress], None] | None = None,
    methods: Collection[str] | None = None,
    device: str | None = None,
    backend: str | None = None,
) -> list[Progress]:
    """Run the cells that have no result in the folder, and return those that failed.

    A cell is one method on one table with one seed. Its result is written whole or not at all, and
    a cell with a result is not run again, so that a run that was killed can be continued.
    Workers are joblib's; those of a cluster must see the folder, and the tables under
    ``ABSENTIA_DATA_DIR``.

    Args:
        spec: the experiment.
        budget: the name of one of its budgets, each of which gives the seeds, the rows and settings
            of the fits.
        folder: the folder of the results, which is created if need be.
        jobs: the number of cells that run at once, with one thread each.
        say: a function that is called after each cell.
        methods: the names of the methods to run; all when left out.
        device: the device to fit models on, such as ``"cuda"``; it is recorded with each result.
        backend: whose workers run the cells: ``"loky"``, ``"dask"``, ``"ray"`` or a name that was
            registered with joblib; those of ``joblib.parallel_config`` when left out.

    Returns:
        The progress of each cell that failed, with its error.

    Raises:
        InputError: for an unknown budget, a method that the spec does not run, or a device that
            torch cannot use.
        OSError: if the folder cannot be written to, or a table cannot be read or fetched.
    """
    device_name(device)
    cells = plan(spec, budget)
    if methods:
        known = [method.name for method in spec.methods_run]
        unknown = [name for name in methods if name not in known]
        if unknown:
            raise InputError(
                f"{spec.name} has no method '{unknown[0]}' to run; choose from {', '.join(known)}"
            )
        cells = [cell for cell in cells if cell.method in methods]
    folder.mkdir(parents=True, exist_ok=True)
    todo = [cell for cell in cells if cell.result(folder) is None]
    _check_tables(todo)
    _remove_leftovers(folder)
    failed: list[Progress] = []
    finished = len(cells) - len(todo)
    if not todo:
        return failed
    with on_backend(backend, jobs), workers_stopped_with_us():
        workers = min(effective_n_jobs(jobs), len(todo))
        tasks = ((cell, folder.resolve(), device) for cell in todo)
        for name, seconds, error in in_workers(_run_and_write, tasks, workers):
            finished += error is None
            progress = Progress(finished, len(cells), name, seconds, error)
            if error is not None:
                failed.append(progress)
            if say is not None:
                say(progress)
    return failed


def _check_tables(cells: list[Cell]) -> None:
    """Check once, before any work, that every table can be read."""
    tables = {json.dumps(cell.configuration["table"], sort_keys=True): cell for cell in cells}
    for cell in tables.values():
        check_available(cell.configuration["table"])


def _remove_leftovers(folder: Path) -> None:
    """Remove partial files of killed runs, but no recent ones: another run may be writing them."""
    for path in folder.glob(".*.json"):
        try:
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
        except FileNotFoundError:
            continue  # another run has removed it just now


def _run_and_write(cell: Cell, folder: Path, device: str | None) -> tuple[str, float, str | None]:
    """Run a cell in a worker process; return its name, seconds, and error, if any.

    The error is returned and not raised, so that the other cells go on.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    try:
        result = run_cell(cell, device)
        write_text_atomic(cell.path(folder), json.dumps(result, indent=1) + "\n")
    except Exception as error:
        return cell.name, time.perf_counter() - begun, f"{type(error).__name__}: {error}"
    finally:
        torch.set_num_threads(threads)
    return cell.name, time.perf_counter() - begun, None


def run_cell(cell: Cell, device: str | None = None) -> dict[str, Any]:
    """Run one method on one table with one seed; return its scores, cost and configuration."""
    configuration = cell.configuration
    _reset_peak_memory()
    begun = time.perf_counter()
    with fitting_on(device):
        found = TASKS[configuration.get("task", "complete")](configuration)
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "threads": 1}
    if device is not None:
        machine["device"] = device_name(device)
    return {
        "cell": cell.name,
        "digest": cell.digest,
        "configuration": configuration,
        **found,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        "machine": machine,
    }


def _reset_peak_memory() -> None:
    """Reset the worker's peak memory, where Linux permits, so that earlier cells do not count."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # 5 stands for the peak
