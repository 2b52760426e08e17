"""The demonstration: values of a real table are hidden not at random, imputed, and compared."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import IncompleteData, amputation
from ..data.datasets import uci as real
from ..data.system.files import write_figure_atomic, write_text_atomic
from ..data.table_writing import write_table
from ..inference.imputing.settings import Particles
from ..inference.plots.truth import plot_beside_truth
from ..models import SelfMasking
from .demo_methods import Answer, Settings, models_at_random, models_not_at_random, peers
from .metrics import bias, coverage, rmse


class Score(NamedTuple):
    """The scores of one method in the demonstration, in standard deviations of the columns."""

    method: str
    rmse: float
    bias: float
    coverage: float | None
    reliable: float | None
    seconds: float


class Demo(NamedTuple):
    """The results of the demonstration, and the paths of the files that it wrote."""

    scores: list[Score]
    files: dict[str, Path]
    cells: int
    seconds: float


def run_demo(
    out: Path,
    seed: int = 0,
    steps: int | None = None,
    particles: Particles = "auto",
    progress: bool = True,
    say: Callable[[str], None] = print,
    processes: int = 1,
) -> Demo:
    """Hide values, impute them by several methods, and write the table, the scores and a picture.

    Each of the first 15 of the 30 columns of scikit-learn's breast-cancer table loses every value
    above its mean (self-masking; Ipsen et al., ICLR 2021). The model is told only that high values
    tend to be missing.

    Args:
        out: the folder of the results.
        seed: determines all random numbers.
        steps: optimiser steps of each fit; when left out, the linear models are fitted by L-BFGS
            and the network by Adam, both until nothing more is gained.
        particles: importance samples per row; "auto" takes as many as each row needs.
        progress: show progress bars.
        say: a function that is called with each line of text.
        processes: 2 fits MIWAE and PPCA, which assume missing at random, beside all other methods,
            in a process of their own; the figures are the same. The caller's script must then be
            safe to import.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from absentia.experiments.demo import run_demo
    >>> quick = {"steps": 9, "particles": 9, "progress": False, "say": lambda line: None}
    >>> with tempfile.TemporaryDirectory() as out:
    ...     demo = run_demo(Path(out), **quick)
    ...     sorted(path.name for path in demo.files.values())
    ['figures.json', 'imputed.csv', 'picture.png']
    """
    started = time.perf_counter()
    frame = real.load("breast")
    truth = frame.to_numpy(float)
    hidden = amputation.above_mean(truth)
    missing = ~hidden.mask
    table = frame.mask(missing)
    data = IncompleteData.from_frame(table)
    say(
        f"breast cancer, {len(data)} rows x {data.num_columns} columns; {missing.sum()} values "
        f"are hidden, all those above the mean in each of {missing.any(0).sum()} columns"
    )
    settings = Settings(seed, steps, particles, progress)
    say(
        "fitting MIWAE, which assumes missing at random, and PPCA, first missing at random, then "
        "not at random (self-masking) ..."
    )
    if processes == 1:
        beside = models_at_random(data, settings)
        others = peers(data)
        told, fitted, filled = models_not_at_random(data, truth, settings)
    else:
        # a new interpreter, since a copy of this one may wait forever for torch's threads
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh) as pool:
            quiet = settings._replace(progress=False)
            waiting = pool.submit(models_at_random, data, quiet)
            others = peers(data)
            told, fitted, filled = models_not_at_random(data, truth, settings)
            beside = waiting.result()
    scores = [_score(answer, truth, missing) for answer in (*others, *beside, *told)]

    out.mkdir(parents=True, exist_ok=True)
    files = {
        "imputed table": out / "imputed.csv",
        "figures": out / "figures.json",
        "picture": out / "picture.png",
    }
    write_table(filled.to_frame(), files["imputed table"])
    threshold = truth.mean(0)
    figure = plot_beside_truth(
        fitted,
        filled,
        truth,
        [0, 3, 7, 10],
        lambda j, values: (values > threshold[j]).astype(float),
    )
    write_figure_atomic(files["picture"], figure)
    mechanism = fitted.model.missingness
    assert isinstance(mechanism, SelfMasking)
    document = {
        "seed": seed,
        "steps": steps,
        "particles": particles,
        "missing_cells": int(missing.sum()),
        "scores": [score._asdict() for score in scores],
        "diagnostics": filled.summary(),
        "slopes": mechanism.slope.detach().numpy()[missing.any(0)].tolist(),
    }
    write_text_atomic(files["figures"], json.dumps(_rounded(document), indent=1))
    return Demo(scores, files, int(missing.sum()), time.perf_counter() - started)


def _score(answer: Answer, truth: np.ndarray, missing: np.ndarray) -> Score:
    inside = None
    if answer.interval is not None:
        inside = coverage(*answer.interval, truth, missing)
    return Score(
        answer.method,
        rmse(answer.mean, truth, missing),
        bias(answer.mean, truth, missing),
        inside,
        answer.reliable,
        answer.seconds,
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(float(value), 6) if isinstance(value, float | np.floating) else value
