"""The option --backend of commands that run jobs at once."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

BackendOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Whose workers run the jobs: loky (this machine's), dask or ray. Addresses of running "
        "clusters stand in DASK_SCHEDULER_ADDRESS and RAY_ADDRESS; without one, workers are "
        "started on this machine.",
        show_default=False,
    ),
]
