"""Are true coefficients inside the intervals? Data drawn from each mechanism, over seeds.

``python -m absentia.experiments.recovery`` runs what has not been run yet (one JSON a mechanism
and seed, in ``--out``) and prints, for every coefficient, how many of the seeds' 90 % intervals
hold the true value, in the data's own units. Two cores share the work as two calls with
``--part 0/2`` and ``--part 1/2``.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import binom

from ..data import IncompleteData
from ..data.files import write_text_atomic
from ..inference import coefficient_posterior, fit
from ..models import NotMIWAEPPCA, missing

ROWS = 5_000
LEVEL = 0.9
SETTINGS: dict[str, Any] = {"steps": 1_500, "learning_rate": 1e-2, "particles": 10}

#: per mechanism its formulas, and the true coefficients by column and term, in data units
MECHANISMS: dict[str, tuple[dict[str, str], dict[str, dict[str, float]]]] = {
    "self-masking": (
        {"a": "a", "b": "b"},
        {"a": {"Intercept": -3.0, "a": 1.0}, "b": {"Intercept": -1.0, "b": -0.8}},
    ),
    "self-masking, probit": (
        {"a": "a", "b": "b"},
        {"a": {"Intercept": -1.8, "a": 0.6}, "b": {"Intercept": -0.7, "b": -0.5}},
    ),
    "two-sided": ({"a": "a + I(a**2)"}, {"a": {"Intercept": 0.8, "a": -1.6, "I(a ** 2)": 0.4}}),
    "at random": (
        {"a": "w", "b": "w + v"},
        {
            "a": {"Intercept": -1.0, "w": 0.9},
            "b": {"Intercept": -1.0, "w": -0.6, "v": 0.7},
        },
    ),
    "self and covariate": (
        {"a": "a + site"},
        {"a": {"Intercept": -2.5, "a": 0.8, "site[y]": 0.9}},
    ),
    "no self-censoring": (
        {"a": "b", "b": "w"},
        {"a": {"Intercept": -1.0, "b": 0.9}, "b": {"Intercept": -1.2, "w": 0.7}},
    ),
    "self and another": (
        {"a": "a + b", "b": "b"},
        {"a": {"Intercept": -3.0, "a": 0.8, "b": 0.5}, "b": {"Intercept": -1.0, "b": -0.7}},
    ),
    "self and absence": (
        {"a": "a + is_missing(b)", "b": "b"},
        {
            "a": {"Intercept": -3.0, "a": 0.9, "is_missing(b)": 0.8},
            "b": {"Intercept": -1.0, "b": -0.7},
        },
    ),
    "with a prior": (
        {"a": "+a"},
        {"a": {"Intercept": -3.0, "a": 1.0}},
    ),
}


def complete_table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    """Columns a, b, w, v of a two-factor model, and a covariate site; w, v stay complete."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 2))
    loading = np.array([[1.0, 0.3], [0.2, 1.0], [0.9, -0.4], [0.5, 0.8]])
    x = z @ loading.T + np.array([2.0, 0.0, 1.0, -1.0]) + 0.5 * rng.normal(size=(rows, 4))
    table = pd.DataFrame(x, columns=["a", "b", "w", "v"])
    table["site"] = rng.choice(["x", "y"], size=rows)
    return table


def masked(table: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    """The table with values missing by the mechanism, written out by hand."""
    rng = np.random.default_rng(10_000 + seed)
    _, truth = MECHANISMS[name]
    probit = name.endswith("probit")
    gone: dict[str, np.ndarray] = {}
    for column in ("b", "a"):  # the absence of a may depend on that of b
        if column not in truth:
            continue
        terms = {
            "Intercept": np.ones(len(table)),
            "site[y]": (table["site"] == "y").to_numpy(float),
            "I(a ** 2)": table["a"].to_numpy() ** 2,
            "is_missing(b)": gone.get("b", np.zeros(len(table))).astype(float),
            **{c: table[c].to_numpy() for c in ("a", "b", "w", "v")},
        }
        score = sum(value * terms[term] for term, value in truth[column].items())
        noise = rng.normal(size=len(table)) if probit else rng.logistic(size=len(table))
        gone[column] = score + noise > 0
    result = table.copy()
    for column, where in gone.items():
        result.loc[where, column] = np.nan
    return result


def run_cell(name: str, seed: int, rows: int = ROWS) -> dict[str, Any]:
    """Fit one mechanism to its own data and compare the intervals with the truth."""
    formulas, truth = MECHANISMS[name]
    table = masked(complete_table(seed, rows), name, seed)
    data = IncompleteData.from_frame(table, covariates=["site"])
    begun = time.perf_counter()
    prior = torch.distributions.Normal(0.0, 5.0) if name == "with a prior" else None
    what = missing(formulas, prior=prior, link="probit" if name.endswith("probit") else "logit")
    model = NotMIWAEPPCA(data, what, latent_dim=2, seed=seed)
    fitted = fit(model, data, seed=seed, progress=False, **SETTINGS)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = coefficient_posterior(fitted, data, level=LEVEL, seed=seed)
    described = model.missingness.describe()
    return {
        "mechanism": name,
        "seed": seed,
        "rows": rows,
        "settings": fitted.settings.to_dict(),
        "missing": {c: float(table[c].isna().mean()) for c in truth},
        "coefficients": {
            f"{column} ~ {term}": {
                "truth": value,
                **found.loc[f"{column} ~ {term}"].astype(float).to_dict(),
            }
            for column, values in truth.items()
            for term, value in values.items()
        },
        "warnings": [str(one.message) for one in said],
        "identified": {c: described[c].identified for c in truth},
        "seconds": round(time.perf_counter() - begun, 1),
        "torch": torch.__version__,
    }


def table_of(cells: list[dict[str, Any]]) -> str:
    """Per coefficient: truth, mean estimate, mean sd, sd over seeds, intervals that hold it."""
    lines = [
        f"| mechanism | coefficient | truth | mean estimate | mean sd | sd over seeds | "
        f"{100 * LEVEL:.0f} % intervals that hold it |",
        "|---|---|---|---|---|---|---|",
    ]
    inside = total = 0
    for name in MECHANISMS:
        own = [c for c in cells if c["mechanism"] == name]
        for coefficient in own[0]["coefficients"] if own else ():
            found = [c["coefficients"][coefficient] for c in own]
            held = sum(f["lower"] <= f["truth"] <= f["upper"] for f in found)
            estimates = [f["estimate"] for f in found]
            inside, total = inside + held, total + len(found)
            lines.append(
                f"| {name} | {coefficient} | {found[0]['truth']:g} | {np.mean(estimates):.3f} | "
                f"{np.mean([f['sd'] for f in found]):.3f} | {np.std(estimates, ddof=1):.3f} | "
                f"{held} of {len(found)} |"
            )
    warned = [f"{c['mechanism']} {c['seed']}" for c in cells if c["warnings"]]
    if total:
        low, high = binom.ppf([0.025, 0.975], total, LEVEL)
        lines.append(
            f"\nTogether {inside} of {total} ({100 * inside / total:.1f} %); were all intervals "
            f"independent and right, 95 % of such counts would lie from {low:.0f} to {high:.0f}. "
            f"Fits that were warned of: {', '.join(warned) or 'none'}."
        )
    return "\n".join(lines)


def main() -> None:
    """Run the missing cells, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--mechanisms", nargs="*", default=list(MECHANISMS), choices=MECHANISMS)
    parser.add_argument("--part", default="0/1", help="this share of the cells, as 0/2")
    parser.add_argument("--out", type=Path, default=Path("experiments/results/recovery"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    part, parts = (int(number) for number in options.part.split("/"))
    cells = [(name, seed) for seed in range(options.seeds) for name in options.mechanisms]
    for number, (name, seed) in enumerate(cells):
        path = options.out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}.json"
        if number % parts != part or path.exists():
            continue
        cell = run_cell(name, seed)
        write_text_atomic(path, json.dumps(cell, indent=1))
        print(f"{path.name}: {cell['seconds']} s", flush=True)
    done = [json.loads(path.read_text()) for path in sorted(options.out.glob("*.json"))]
    print(table_of(done))


if __name__ == "__main__":
    main()
