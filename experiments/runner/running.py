"""Runs the cells of an experiment that have no result yet, in parallel, one file per cell."""

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
from joblib import Parallel, delayed, effective_n_jobs

from ...data.errors import InputError
from ...data.system.files import write_text_atomic
from ...data.system.workers import this_process, work_for, workers_stopped_with_us
from ..tasks import TASKS
from ..tasks.fitting import device_name, fitting_on
from ..tasks.tables import check_available
from .cells import Cell, plan
from .spec import Spec

_STALE = 3600.0  # seconds; writing a result takes none
_VERSIONS = ("torch", "pyro-ppl", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Progress:
    """The progress of a run: the cell just done, or why it failed."""

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
) -> list[Progress]:
    """Run what has no result in the folder, and return the cells that failed.

    A cell's result is written whole or not at all, and one that is there is never run again, so a
    run that was killed goes on where it was. Workers are joblib's: under
    ``joblib.parallel_config(backend="dask")`` they are a cluster's.

    Args:
        spec: what to run.
        budget: one of the spec's.
        folder: of the results; made if need be.
        jobs: cells at once, with one thread each.
        say: called after each cell.
        methods: names of those to run; all when left out.
        device: where models are fitted, such as ``"cuda"``; it is noted with each result.

    Raises:
        ValueError: an unknown budget, a method that the spec does not run, or a device that
            torch cannot use.
        OSError: the folder cannot be written to, or a table cannot be had.
    """
    device_name(device)
    cells = plan(spec, budget)
    if methods:
        known = [method.name for method in spec.methods_run]
        unknown = [name for name in methods if name not in known]
        if unknown:
            raise InputError(f"{spec.name} runs no '{unknown[0]}'; it runs {', '.join(known)}")
        cells = [cell for cell in cells if cell.method in methods]
    folder.mkdir(parents=True, exist_ok=True)
    todo = [cell for cell in cells if cell.result(folder) is None]
    _check_tables(todo)
    _sweep(folder)
    failed: list[Progress] = []
    workers = max(1, min(effective_n_jobs(jobs), len(todo)))
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    finished = len(cells) - len(todo)
    with workers_stopped_with_us():
        for name, seconds, error in parallel(
            delayed(work_for)(this_process(), _run_and_write, cell, folder, device) for cell in todo
        ):
            finished += error is None
            progress = Progress(finished, len(cells), name, seconds, error)
            if error is not None:
                failed.append(progress)
            if say is not None:
                say(progress)
    return failed


def _check_tables(cells: list[Cell]) -> None:
    """Check that each table can be read, once and before any work."""
    tables = {json.dumps(cell.configuration["table"], sort_keys=True): cell for cell in cells}
    for cell in tables.values():
        check_available(cell.configuration["table"])


def _sweep(folder: Path) -> None:
    """Remove partial files of killed runs; a younger file may belong to another, living run."""
    for path in folder.glob(".*.json"):
        try:
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
        except FileNotFoundError:
            continue  # another run was faster


def _run_and_write(cell: Cell, folder: Path, device: str | None) -> tuple[str, float, str | None]:
    """Run a cell in a worker, whose failure must not stop the other cells."""
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
    """Run one method on one table with one seed; return configuration, versions, metrics, cost."""
    configuration = cell.configuration
    _forget_peak()
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


def _forget_peak() -> None:
    """Reset the worker's peak of memory, so that it is this cell's (where Linux permits)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
