"""Mixed real tables made MNAR: ours beside mean or mode, MICE, missForest and MIWAE.

``python -m absentia.experiments.mixed`` runs what has not been run yet (one JSON a table, method
and seed, in ``--out``) and prints the tables of all cells. In every second column values go
missing by themselves (:func:`absentia.data.amputation.level_self_masking`, slope 2 per sd, 30 %);
the others are complete. Settings are the same for all tables and were not tuned on the scores;
the latent size is the one of 2 and 4 with the better bound on held-out rows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..data import IncompleteData, mixed
from ..data.amputation import level_self_masking
from ..data.files import write_text_atomic
from ..inference import fit, impute
from ..models import MIWAE, PPCA, NotMIWAE, NotMIWAEPPCA
from .mixed_baselines import MixedCompleted, encoded, mean_mode, mice, miss_forest
from .mixed_metrics import column_scores

MOST_ROWS = 2_000
PARTICLES = 500
LATENTS = (2, 4)
FIT: dict[str, Any] = {"steps": 1_000, "learning_rate": 3e-3}
#: ours: constructor and options; "+" tells that high values go missing, None leaves it free
OURS: dict[str, tuple[Any, dict[str, Any]]] = {
    "miwae": (MIWAE, {"hidden": (64, 64)}),
    "not-miwae": (NotMIWAE, {"hidden": (64, 64)}),
    "not-miwae, high": (NotMIWAE, {"hidden": (64, 64), "sign": "+"}),
    "ppca": (PPCA, {}),
    "not-miwae-ppca": (NotMIWAEPPCA, {}),
    "not-miwae-ppca, high": (NotMIWAEPPCA, {"sign": "+"}),
}
BASELINES: dict[str, Any] = {
    "mean or mode": lambda data, seed: mean_mode(data),
    "mice": lambda data, seed: mice(data),
    "missforest": miss_forest,
}
METHODS = (*BASELINES, *OURS)


def amputated(table: str, seed: int) -> tuple[pd.DataFrame, np.ndarray, IncompleteData]:
    """The complete table, what is missing (n, p), and the incomplete data."""
    frame = mixed.load(table)
    if len(frame) > MOST_ROWS:
        chosen = np.random.default_rng(1234).choice(len(frame), MOST_ROWS, replace=False)
        frame = frame.iloc[np.sort(chosen)].reset_index(drop=True)
    columns = list(frame.columns[::2])
    gone = ~level_self_masking(frame, columns, slope=2.0, rate=0.3, seed=seed).mask
    holed = frame.copy()
    for j, name in enumerate(frame.columns):
        holed[name] = holed[name].mask(gone[:, j])
    levels = {
        column.name: {"kind": column.kind, "levels": list(column.levels)}
        for column in IncompleteData.from_frame(frame, schema=mixed.schema(table)).schema
        if column.levels
    }
    data = IncompleteData.from_frame(holed, schema={**levels, **mixed.schema(table)})
    return frame, gone, data


def ours(method: str, data: IncompleteData, seed: int) -> tuple[MixedCompleted, dict[str, Any]]:
    """Fit, choose the latent size by the held-out bound, impute."""
    make, options = OURS[method]
    fits = [
        fit(
            make(data, latent_dim=size, seed=seed, **options),
            data,
            seed=seed,
            progress=False,
            **FIT,
        )
        for size in LATENTS
    ]
    best = int(np.argmax([one.bound for one in fits]))
    found = impute(fits[best], data, PARTICLES, num_draws=0, seed=seed)
    chances = {}
    for j, column in enumerate(data.schema):
        if column.levels:
            table = np.zeros((len(data), column.num_values))
            missing = ~data.s[:, j].numpy()
            table[missing] = found.probabilities(column.name).to_numpy()
            chances[column.name] = table
    extra = {
        "bounds": {str(size): one.bound for size, one in zip(LATENTS, fits, strict=True)},
        "latent_dim": LATENTS[best],
        "reliable_rows": float(found.reliable.mean()),
        "settings": fits[best].settings.to_dict(),
    }
    return MixedCompleted(found.point, chances), extra


def run_cell(table: str, method: str, seed: int) -> dict[str, Any]:
    """One method on one table with one seed."""
    frame, gone, data = amputated(table, seed)
    begun = time.perf_counter()
    extra: dict[str, Any] = {}
    if method in BASELINES:
        completed = BASELINES[method](data, seed=seed)
    else:
        completed, extra = ours(method, data, seed)
    seconds = time.perf_counter() - begun
    truth = encoded(frame, data)
    return {
        "table": table,
        "method": method,
        "seed": seed,
        "rows": len(frame),
        "scores": {
            column.name: {
                "kind": column.kind,
                **column_scores(
                    column,
                    truth[:, j],
                    completed.values[:, j],
                    completed.chances.get(column.name),
                    gone[:, j],
                ),
            }
            for j, column in enumerate(data.schema)
            if gone[:, j].any()
        },
        **extra,
        "seconds": round(seconds, 1),
        "torch": torch.__version__,
    }


def table_of(cells: list[dict[str, Any]]) -> str:
    """A Markdown table a data table: a row a column and score, a column a method, mean (se)."""
    lines: list[str] = []
    for table in sorted({cell["table"] for cell in cells}):
        own = [cell for cell in cells if cell["table"] == table]
        methods = [m for m in METHODS if any(cell["method"] == m for cell in own)]
        seeds = len({cell["seed"] for cell in own})
        lines += [
            f"\n**{table}**, {own[0]['rows']} rows, {seeds} seeds\n",
            "| column | score | " + " | ".join(methods) + " |",
            "|---" * (len(methods) + 2) + "|",
        ]
        for column, scores in own[0]["scores"].items():
            kind = scores["kind"]
            for score in ("rmse",) if "rmse" in scores else ("brier", "accuracy"):
                row = [f"{column} ({kind})", {"rmse": "RMSE"}.get(score, score)]
                for method in methods:
                    found = [c["scores"][column][score] for c in own if c["method"] == method]
                    error = np.std(found, ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.nan
                    row.append(f"{np.mean(found):.3f} ({error:.3f})")
                lines.append("| " + " | ".join(row) + " |")
        lines.append(_means(own, methods))
    return "\n".join(lines)


def _means(cells: list[dict[str, Any]], methods: list[str]) -> str:
    """Means over the columns: RMSE of numbers, Brier score of levels."""
    lines = []
    for score, label in (("rmse", "RMSE"), ("brier", "brier")):
        row = ["**all**", label]
        for method in methods:
            per_seed = [
                np.mean([s[score] for s in cell["scores"].values() if score in s] or [np.nan])
                for cell in cells
                if cell["method"] == method
            ]
            row.append(f"**{np.mean(per_seed):.3f}**")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the missing cells, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", nargs="*", default=["anes96", "fair"], choices=mixed.names())
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--out", type=Path, default=Path("experiments/results/mixed"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for table in options.tables:
            for method in options.methods:
                name = method.replace(", ", "-").replace(" ", "-")
                path = options.out / f"{table}-{name}-{seed}.json"
                if path.exists():
                    continue
                cell = run_cell(table, method, seed)
                write_text_atomic(path, json.dumps(cell, indent=1))
                print(f"{path.name}: {cell['seconds']} s", flush=True)
    cells = [json.loads(path.read_text()) for path in sorted(options.out.glob("*.json"))]
    print(table_of(cells))


if __name__ == "__main__":
    main()
