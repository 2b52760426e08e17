"""The command ``absentia tune``: a search for the hyper-parameters with the best bound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..data.errors import InputError
from .backend_option import BackendOption
from .console import say
from .one_line_errors import one_line_errors

_NAME = typer.Argument(
    help="Name of a sweep, such as white, or a file NAME.toml.", show_default=False
)


def tune(
    name: Annotated[str, _NAME],
    trials: Annotated[
        int | None,
        typer.Option(
            help="Number of trials in all; when left out, the number in the sweep's file."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Number of trials that run at once; -1 for one per core.")
    ] = 1,
    backend: BackendOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results; when left out, absentia-results/tune-NAME."),
    ] = None,
) -> None:
    """Search for the settings of a model with the best bound on held-out rows.

    The true values of hidden cells are never used. A sweep that was stopped continues when it is
    started again. OUT/trials.csv lists all trials, OUT/importance.csv and OUT/sweep.png show which
    settings mattered, and OUT/best.json holds the best settings.
    """
    with one_line_errors() as here:
        from ..experiments.tuning import Sweep, tune

        if jobs == 0:
            raise InputError(
                "--jobs is 0; give the number of trials to run at once, or -1 for one per core"
            )
        sweep = Sweep.named(name)
        folder = Path("absentia-results") / f"tune-{sweep.name}" if out is None else out
        here.after_stop = f"finished trials are in {folder}, and the same command runs the others"
        found = tune(sweep, folder, jobs, trials, backend)
        complete = found[found["state"] == "COMPLETE"]
        best = complete.sort_values("bound").iloc[-1]
        pruned = int((found["state"] == "PRUNED").sum())
        say(f"{sweep.title}: {len(complete)} trials to the end, {pruned} pruned, in {folder}")
        say(f"best bound on held-out rows: {best['bound']:.3f} (trial {best['trial']})")
        for key, value in json.loads((folder / "best.json").read_text()).items():
            say(f"  {key} = {json.dumps(value)}")
