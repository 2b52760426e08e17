"""Complete a CSV file by this package: ``python -m absentia.experiments.bench.ours METHOD ...``.

It is called as the peers' scripts are, ``METHOD input.csv output.csv --seed S``, so that the same
clock measures both, imports included.
"""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd
import torch

from ...inference import MNARImputer

_LINEAR = {"model": "not-miwae-ppca", "missingness": "self-masking"}
#: arguments of the imputer by method; what is not given is at its default
OURS: dict[str, dict[str, Any]] = {
    "MNARImputer": _LINEAR,
    "MNARImputer, sign told": {**_LINEAR, "sign": "+"},
    "MNARImputer, network": {"model": "not-miwae", "missingness": "self-masking"},
    "MNARImputer, PPCA": {"model": "ppca"},
    "MNARImputer, default": {},
}


def main(arguments: list[str] | None = None) -> None:
    """Read a table of numbers, complete it, and write it."""
    parser = argparse.ArgumentParser(prog="ours", description="Complete a table of numbers.")
    parser.add_argument("method", choices=OURS)
    parser.add_argument("input", help="CSV file with a header; empty cells are missing")
    parser.add_argument("output", help="CSV file to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table = pd.read_csv(options.input).astype(float)
    imputer = MNARImputer(random_state=options.seed, **OURS[options.method])
    completed = imputer.fit_transform(table.to_numpy())
    pd.DataFrame(completed, columns=table.columns).to_csv(options.output, index=False)


if __name__ == "__main__":
    main()
