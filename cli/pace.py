"""How long a fit takes: an estimate before it, and lines on its way where there is no bar."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..data import IncompleteData
from ..inference import fit
from ..inference.fitting.averaging import averages_forms
from ..inference.fitting.sampled import usual_sweeps
from ..models import RowModel
from .console import console, errors, say

#: tables of fewer cells are fitted so quickly that an estimate would take as long
_FEWEST_CELLS = 20_000
#: seconds between two lines
_EVERY = 10.0
#: iterations that fits usually take: by L-BFGS, and by Adam until held-out rows gain no more
_ITERATIONS = {"l-bfgs": (40, 150), "adam": (1_000, 5_000)}
_TRIAL = {"l-bfgs": 3, "adam": 20, "gibbs": 3}


def say_how_long(
    model: RowModel, data: IncompleteData, settings: Mapping[str, Any], seed: int
) -> None:
    """Print an estimate of the seconds that a fit takes, from a few steps of a copy of the model.

    Args:
        model: the model to fit, which is not changed.
        data: the table.
        settings: the arguments of the fit.
        seed: the seed of the fit.
    """
    if data.num_rows * data.num_columns < _FEWEST_CELLS or console.quiet:
        return
    sampled = averages_forms(model, data) and "learning_rate" not in settings
    way = "gibbs" if sampled else "adam" if settings else "l-bfgs"
    trial = dict(settings) | {"optimiser": way, "steps": _TRIAL[way], "schedule": "constant"}
    if way != "adam":
        del trial["schedule"]
    times = []
    for steps in (1, 1 + _TRIAL[way]):  # the difference leaves out what is done once
        begun = time.perf_counter()
        options = {**trial, "steps": steps, "evaluations": 1, "validation": 0.0}
        fit(copy.deepcopy(model), data, seed=seed, progress=False, check=False, **options)
        times.append(time.perf_counter() - begun)
    each = max(times[1] - times[0], 0.0) / _TRIAL[way]
    few, many = (usual_sweeps(model, data),) * 2 if sampled else _ITERATIONS[way]
    if settings.get("steps"):
        few = many = int(settings["steps"])
    low, high = times[0] + few * each, times[0] + many * each
    span = _words(high) if few == many else f"{_words(low)} to {_words(high)}"
    say(f"the fit will take about {span}, judged by its first steps")


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def lines_on_the_way() -> Callable[[dict[str, float]], None] | None:
    """Return a callback of a fit that prints a line now and then; None beside a progress bar."""
    if sys.stderr.isatty() or console.quiet:
        return None
    begun = last = time.monotonic()

    def show(row: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _EVERY:
            return
        last = now
        bound = row.get("validation_bound", row.get("train_bound", float("nan")))
        if bound != bound:
            bound = row.get("train_bound", float("nan"))
        say(f"fit: step {row['step']:.0f}, bound {bound:.3f}, {now - begun:.0f} s", errors)

    return show
