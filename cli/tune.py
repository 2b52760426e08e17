"""The command ``absentia tune``: hyper-parameters chosen by the bound on held-out rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..data.errors import InputError
from .console import say
from .one_line_errors import one_line_errors

_NAME = typer.Argument(help="A sweep: white, or a file NAME.toml.", show_default=False)


def tune(
    name: Annotated[str, _NAME],
    trials: Annotated[
        int | None, typer.Option(help="In all; the sweep's own number when left out.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Trials at once; -1 for one a core.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder; absentia-results/tune-NAME when left out.")
    ] = None,
) -> None:
    """Search a model's settings for the best bound on held-out rows; what was hidden never counts.

    A sweep that was stopped goes on when it is started again. OUT/trials.csv has every trial,
    OUT/importance.csv and OUT/sweep.png what mattered, OUT/best.json the best settings.
    """
    with one_line_errors() as here:
        from ..experiments.tuning import Sweep, tune

        if jobs == 0:
            raise InputError("--jobs is 0; give how many trials to run at once, or -1")
        sweep = Sweep.named(name)
        folder = Path("absentia-results") / f"tune-{sweep.name}" if out is None else out
        here.after_stop = f"finished trials are in {folder}, and the same command does the others"
        found = tune(sweep, folder, jobs, trials)
        complete = found[found["state"] == "COMPLETE"]
        best = complete.sort_values("bound").iloc[-1]
        pruned = int((found["state"] == "PRUNED").sum())
        say(f"{sweep.title}: {len(complete)} trials to the end, {pruned} pruned, in {folder}")
        say(f"best bound on held-out rows: {best['bound']:.3f} (trial {best['trial']})")
        for key, value in json.loads((folder / "best.json").read_text()).items():
            say(f"  {key} = {json.dumps(value)}")
