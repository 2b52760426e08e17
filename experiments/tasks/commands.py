"""The coverage of what commands print: ``absentia impute --multiple``, then ``absentia pool``.

Each cell writes a CSV, and runs the commands as a user types them, in a process of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...data.errors import InputError
from .coverage import MEAN, simulate

#: the regressions, with the true value of each term
TRUTH: Mapping[str, Mapping[str, float]] = {
    "y ~ 1": {"Intercept": MEAN},
    "y ~ x + w": {"Intercept": MEAN, "x": 0.6, "w": 0.5},
}
#: the estimators that ``absentia pool`` shows side by side, by what their columns begin with
SHOWN = {"": "pooled", "at_random_": "at random", "complete_cases_": "complete cases"}
_NORMAL = 1.959964
_PROGRAM = """
import json, sys
from {package}.cli import app
for arguments in json.loads(sys.argv[1]):
    code = app(arguments, standalone_mode=False)
    if code:
        sys.exit(code)
"""


def commands(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Run the commands on one simulated file; return error, standard error and coverage by term.

    The pooled intervals are those that ``absentia pool`` prints; beside them stand estimates at
    random and of complete cases, whose intervals are 1.96 standard errors to each side.

    Raises:
        InputError: a command failed; the message is its own.
    """
    seed, told = int(configuration["seed"]), configuration["model"]["missing"]
    arguments = {k: v for k, v in configuration["amputation"].items() if k != "name"}
    frame = simulate(seed, configuration["table"]["rows"], **arguments)
    m = configuration["impute"]["m"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.to_csv(folder / "file.csv", index=False)
        typed = [
            ["impute", "file.csv", "--out", "filled.csv", "--missing", told[arguments["by"]],
             "--multiple", str(m), "--seed", str(seed), "--quiet"],
        ]  # fmt: skip
        for k, formula in enumerate(TRUTH):
            out = f"answer-{k}.csv"
            typed.append(["pool", "filled-draws.csv", formula, "--out", out, "--quiet"])
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM.format(package=__name__.split(".")[0]),
             json.dumps(typed)],
            cwd=folder, capture_output=True, text=True, env=os.environ, check=False,
        )  # fmt: skip
        if done.returncode:
            raise InputError(done.stderr.strip().splitlines()[-1])
        answers = [pd.read_csv(folder / f"answer-{k}.csv") for k in range(len(TRUTH))]
    terms: dict[str, dict[str, float]] = {}
    for (formula, truth), answer in zip(TRUTH.items(), answers, strict=True):
        for term, value in truth.items():
            row = answer[answer["term"] == term].iloc[0]
            terms[f"{formula}: {term}"] = _scores(row, value)
    metrics = {"coverage_mean": terms["y ~ 1: Intercept"]["pooled_covers"]}
    missing = float(frame["y"].isna().mean())
    return {"missing": missing, "said": done.stderr, "metrics": metrics, "terms": terms}


def _scores(row: pd.Series, truth: float) -> dict[str, float]:
    found = {}
    for prefix, name in SHOWN.items():
        estimate, se = float(row[f"{prefix}estimate"]), float(row[f"{prefix}se"])
        low, high = estimate - _NORMAL * se, estimate + _NORMAL * se
        if not prefix:
            low, high = float(row["lower"]), float(row["upper"])
        key = name.replace(" ", "_")
        found[f"{key}_covers"] = float(low <= truth <= high)
        found[f"{key}_error"], found[f"{key}_se"] = estimate - truth, se
    return found


def commands_table(results: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[list[str]]:
    """Tabulate coverage, bias, mean standard error and empirical sd by term and estimator."""
    heads = ["missing", "term", "estimator", "coverage", "bias", "mean se", "sd of estimates"]
    rows = [[*heads, "files"]]
    for column in dict.fromkeys(column for _, column, _ in results):
        own = [found["terms"] for _, c, found in results if c == column]
        for term in own[0]:
            for name in SHOWN.values():
                key = name.replace(" ", "_")
                covers, error, se = (
                    np.array([one[term][f"{key}_{what}"] for one in own])
                    for what in ("covers", "error", "se")
                )
                spread = f"{error.std(ddof=1):.3f}" if len(own) > 1 else ""
                numbers = [f"{covers.mean():.3f}", f"{error.mean():.3f}", f"{se.mean():.3f}"]
                rows.append([column, term, name, *numbers, spread, str(len(own))])
    return rows
