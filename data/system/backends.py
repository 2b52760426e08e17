"""Whose workers do the jobs: joblib's own, those of Dask or Ray, or others by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..errors import InputError, NotInstalledError


@contextmanager
def on_backend(name: str | None, jobs: int) -> Iterator[None]:
    """Do the jobs of the block in the workers of a backend of joblib.

    A cluster that the caller is connected to is used as it is, as is one whose address stands in
    ``DASK_SCHEDULER_ADDRESS`` or ``RAY_ADDRESS``; otherwise as many workers as there are jobs are
    started on this machine, and stopped at the end.

    >>> import joblib
    >>> with on_backend("threading", 2):
    ...     joblib.parallel.get_active_backend()[0].__class__.__name__
    'ThreadingBackend'

    Args:
        name: "loky" (processes of this machine), "dask", "ray", or the name of a backend that was
            registered with joblib; None changes nothing, so that ``joblib.parallel_config`` holds.
        jobs: the number of jobs at once; -1 for one per core.

    Raises:
        NotInstalledError: Dask or Ray is not installed.
        ValueError: no backend has this name.
    """
    if name is None:
        yield
        return
    import joblib  # slow to import

    with ExitStack() as stack:
        if name == "dask":
            _join_dask(stack, joblib.effective_n_jobs(jobs))
        elif name == "ray":
            _join_ray(stack, joblib.effective_n_jobs(jobs))
        try:
            stack.enter_context(joblib.parallel_config(backend=name))
        except (ValueError, KeyError) as error:
            raise InputError(
                f"backend is {name!r}, and joblib knows no such backend; give 'loky', 'dask', "
                "'ray', or the name of one that was registered with joblib"
            ) from error
        yield


def _join_dask(stack: ExitStack, workers: int) -> None:
    """Connect to Dask's scheduler, or start one with workers of one thread each."""
    try:
        from dask import config
        from dask.distributed import Client, LocalCluster, default_client
    except ImportError as error:
        raise _not_installed("dask") from error
    try:
        default_client()
    except ValueError:
        options: dict[str, Any] = {}
        if config.get("scheduler-address", None) is None:
            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            options["address"] = stack.enter_context(cluster)
        stack.enter_context(Client(**options))


def _join_ray(stack: ExitStack, workers: int) -> None:
    """Connect to Ray's cluster, or start one on this machine."""
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise _not_installed("ray") from error
    if not ray.is_initialized():
        known = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers}
        ray.init(**known, include_dashboard=False, log_to_driver=False)
        stack.callback(ray.shutdown)
    register_ray()


def _not_installed(name: str) -> NotInstalledError:
    return NotInstalledError(
        f"backend={name!r} needs {name.capitalize()}; install it by: pip install 'absentia[{name}]'"
    )
