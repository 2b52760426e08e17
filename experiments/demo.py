"""The demonstration: values of a real table are hidden not at random, imputed, and compared."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import IncompleteData, amputation
from ..data.datasets import uci as real
from ..data.system.files import write_figure_atomic, write_text_atomic
from ..data.tables import write_table
from ..inference import fit, impute
from ..inference.plots.truth import plot_beside_truth
from ..models import MIWAE, PPCA, NotMIWAEPPCA, SelfMasking
from . import baselines
from .metrics import bias, coverage, rmse
from .oracle import truncated_gaussian

LEVEL = 0.9
PARTICLES = 1000
#: steps after which the network's held-out bound has stopped to rise
_STEPS_OF_NETWORK = 1000


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
    particles: int = PARTICLES,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Demo:
    """Hide values, impute them by several methods, and write the table, the scores and a picture.

    Each of the first 15 of the 30 columns of scikit-learn's breast-cancer table loses every value
    above its mean (self-masking; Ipsen et al., ICLR 2021). The model is told only that high values
    tend to be missing.

    Args:
        out: the folder of the results.
        seed: determines all random numbers.
        steps: optimiser steps of each fit; when left out, the linear models are fitted by L-BFGS
            until nothing more is gained, and the network by 1,000 steps.
        particles: importance samples per row.
        progress: show progress bars.
        say: a function that is called with each line of text.

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
    incomplete = data.values
    say(
        f"breast cancer, {len(data)} rows x {data.num_columns} columns; {missing.sum()} values "
        f"are hidden, all those above the mean in each of {missing.any(0).sum()} columns"
    )
    scores: list[Score] = []

    def judge(
        method: str,
        mean: np.ndarray,
        low: np.ndarray | None,
        high: np.ndarray | None,
        reliable: float | None,
        begun: float,
    ) -> None:
        inside = None
        if low is not None and high is not None:
            inside = coverage(low, high, truth, missing)
        scores.append(
            Score(
                method,
                rmse(mean, truth, missing),
                bias(mean, truth, missing),
                inside,
                reliable,
                time.perf_counter() - begun,
            )
        )

    for name, method in (("column mean", baselines.column_mean), ("MICE", baselines.mice)):
        begun = time.perf_counter()
        judge(name, *method(incomplete), None, begun)

    begun = time.perf_counter()
    say("fitting MIWAE, which assumes missing at random ...")
    deep: dict[str, Any] = {"steps": _STEPS_OF_NETWORK if steps is None else steps}
    at_random = fit(MIWAE(data, seed=seed), data, seed=seed, progress=progress, **deep)
    filled = impute(at_random, data, particles, seed=seed, progress=progress)
    judge("MIWAE", filled.mean, *filled.interval(LEVEL), filled.reliable.mean(), begun)

    say("fitting PPCA, first missing at random, then not at random (self-masking) ...")
    how: dict[str, Any] = {"validation": 0.0, "seed": seed}
    if steps is not None:
        how |= {"steps": steps, "learning_rate": 1e-2}
    begun = time.perf_counter()
    at_random = fit(PPCA(data, seed=seed), data, progress=progress, **how)
    filled = impute(at_random, data, particles, seed=seed, progress=progress)
    judge("PPCA", filled.mean, *filled.interval(LEVEL), filled.reliable.mean(), begun)
    begun = time.perf_counter()
    model = NotMIWAEPPCA(data, "self-masking", sign="+", seed=seed)
    fitted = fit(model, data, progress=progress, **how)
    # no warning of values outside the observed range: the hidden values do lie outside
    filled = impute(fitted, data, particles, seed=seed, progress=progress, check=False)
    judge("not-MIWAE-PPCA", filled.mean, *filled.interval(LEVEL), filled.reliable.mean(), begun)
    begun = time.perf_counter()
    published = impute(
        fitted,
        data,
        particles,
        rule="decoder-mean",
        refine=False,
        draws=0,
        seed=seed,
        check=False,
    )
    judge("  the same, decoder-mean rule", published.mean, None, None, None, begun)
    begun = time.perf_counter()
    judge(
        "oracle: complete-data Gaussian, true mechanism",
        truncated_gaussian(truth, missing),
        None,
        None,
        None,
        begun,
    )

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


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(float(value), 6) if isinstance(value, float | np.floating) else value
