"""Do pooled intervals hold what they promise? A mean and a slope under a known MNAR mechanism.

``python -m absentia.experiments.coverage --datasets 200`` simulates tables of 500 rows in which y
goes missing by a logistic self-masking (slope 1.5 per unit, about half of the rows), beside a
covariate x of the analysis and an auxiliary w that goes with y and is not read by the mechanism.
Pooled 95 % intervals of the mean of y and of the slope of y on x, by

- *proper*: twenty tables with the parameters' posterior (:func:`absentia.multiple_imputation`),
- *plug-in*: twenty tables with the parameters held at the fit, as if they were known,
- *missing at random*: as proper, under PPCA.

One JSON a data set; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import linregress

from ..data import IncompleteData
from ..data.files import write_text_atomic
from ..inference import fit, multiple_imputation
from ..models import PPCA, NotMIWAEPPCA

ROWS, TABLES = 500, 20
#: E[y], and the slope of y on x alone: 0.6 + 0.5 cov(w, x) / var(x)
MEAN, SLOPE = 1.0, 0.6 + 0.5 * 0.49
ANALYSES = ("mean", "slope")
_FIT: dict[str, Any] = {"steps": 1200, "learning_rate": 1e-2, "validation": 0.0, "progress": False}


def simulate(seed: int, rows: int = ROWS) -> pd.DataFrame:
    """A table of y, x and w with missing y.

    >>> frame = simulate(0)
    >>> bool(0.3 < frame["y"].isna().mean() < 0.6), list(frame.columns)
    (True, ['y', 'x', 'w'])
    """
    rng = np.random.default_rng(seed)
    common = rng.normal(size=rows)
    x, w = (0.7 * common + 0.51**0.5 * rng.normal(size=rows) for _ in range(2))
    y = MEAN + 0.6 * x + 0.5 * w + 0.6 * rng.normal(size=rows)
    gone = rng.random(rows) < 1 / (1 + np.exp(-1.5 * (y - 1.3)))
    return pd.DataFrame({"y": np.where(gone, np.nan, y), "x": x, "w": w})


def analyse(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The mean of y and its slope on x by least squares, with their variances."""
    line = linregress(table["x"], table["y"])
    estimates = pd.Series([table["y"].mean(), line.slope], ANALYSES)
    return estimates, pd.Series([table["y"].var() / len(table), line.stderr**2], ANALYSES)


def run_one(seed: int) -> dict[str, Any]:
    """Estimates, standard errors and coverage of one simulated table."""
    data = IncompleteData.from_frame(simulate(seed))
    model = NotMIWAEPPCA(data, "y ~ +y", latent_dim=2, scale="column", seed=seed)
    random = PPCA(data, latent_dim=2, scale="column", seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a k-hat that is too high is counted below
        own = fit(model, data, seed=seed, **_FIT)
        mar = fit(random, data, seed=seed, **_FIT)
        several = {
            "proper": multiple_imputation(own, data, TABLES, seed=seed),
            "plug-in": multiple_imputation(own, data, TABLES, parameters="fixed", seed=seed),
            "missing at random": multiple_imputation(mar, data, TABLES, seed=seed),
        }
    truth = pd.Series([MEAN, SLOPE], ANALYSES)
    found: dict[str, Any] = {"seed": seed, "missing": float((~data.s[:, 0]).double().mean())}
    for name, tables in several.items():
        pooled = tables.pool(analyse, complete_df=ROWS - 2).table
        inside = (pooled["lower"] <= truth) & (truth <= pooled["upper"])
        found[name] = {
            "khat": None if np.isnan(tables.khat) else tables.khat,
            "error": (pooled["estimate"] - truth).to_dict(),
            "se": pooled["se"].to_dict(),
            "covered": inside.to_dict(),
        }
    return found


def table(folder: Path) -> pd.DataFrame:
    """Coverage, bias, mean standard error and the estimates' own sd, by method and analysis."""
    cells = [json.loads(path.read_text()) for path in sorted(folder.glob("[!.]*.json"))]
    rows = {}
    for method in ("proper", "plug-in", "missing at random"):
        for what in ANALYSES:
            error = np.array([cell[method]["error"][what] for cell in cells])
            rows[method, what] = {
                "coverage": np.mean([cell[method]["covered"][what] for cell in cells]),
                "bias": error.mean(),
                "mean se": np.mean([cell[method]["se"][what] for cell in cells]),
                "sd of estimates": error.std(ddof=1) if len(error) > 1 else np.nan,
                "data sets": len(cells),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def _run_and_write(seed: int, path: Path) -> None:
    write_text_atomic(path, json.dumps(run_one(seed), indent=1) + "\n")


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Run what has not been run, print the table."""
    parser = argparse.ArgumentParser(prog="absentia.experiments.coverage")
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--out", type=Path, default=Path("absentia-results/coverage"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    paths = {seed: options.out / f"{seed:03d}.json" for seed in range(options.datasets)}
    todo = [(seed, path) for seed, path in paths.items() if not path.exists()]
    Parallel(n_jobs=options.jobs)(delayed(_run_and_write)(*one) for one in todo)
    found = table(options.out)
    print(found.round(3).to_string())
    return found


if __name__ == "__main__":
    main()
