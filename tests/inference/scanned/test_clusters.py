"""Workers of Dask and Ray, where these are installed: the same results as one process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import absentia as ab
from absentia.cli import app
from absentia.experiments.tuning import Sweep, tune
from tests.parts import TOY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # those of the clusters
    pytest.mark.parametrize("backend", ["dask", "ray"]),
]
SWEEP = """
title = "A toy"
file = "table.csv"
trials = 4
prune = false
[method]
kind = "not-miwae-ppca"
model = {latent_dim = 1}
fit = {steps = 20, particles = 5}
[search."fit.learning_rate"]
low = 1e-3
high = 1e-2
log = true
"""


@pytest.fixture(autouse=True)
def installed(backend: str) -> None:
    pytest.importorskip({"dask": "dask.distributed", "ray": "ray"}[backend])


def values() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4200, 1)) + 0.5 * rng.normal(size=(4200, 3))
    values[values[:, 0] > 0.8, 0] = np.nan
    return pd.DataFrame(values, columns=list("abc"))


def test_refits_and_parts_are_those_of_one_process(backend, tmp_path):
    values().to_parquet(tmp_path / "table.parquet")
    scan = ab.scan(tmp_path / "table.parquet")
    data = scan.range(0, 200)
    fitted = ab.fit(
        ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1), data, progress=False, check=False
    )

    def results(jobs: int, backend: str | None) -> list[pd.DataFrame]:
        several = ab.multiple_imputation(
            fitted, data, 3, parameters="bootstrap", steps=5, particles=20, jobs=jobs,
            backend=backend,
        )  # fmt: skip
        out = tmp_path / f"out{jobs}"
        ab.impute(
            fitted, scan, 20, out=out, jobs=jobs, backend=backend, rows_per_file=1, check=False
        )
        return [*several, pq.read_table(out).to_pandas()]

    serial, found = results(1, None), results(2, backend)
    assert all(one.equals(other) for one, other in zip(serial, found, strict=True))


def test_cells_of_an_experiment_are_those_of_one_process(backend, tmp_path):
    (tmp_path / "toy.toml").write_text(TOY)

    def results(*options: str) -> dict[str, Any]:
        out = tmp_path / f"out{len(options)}"
        arguments = ["reproduce", str(tmp_path / "toy.toml"), "--out", str(out), *options]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return {path.name: lasting(json.loads(path.read_text())) for path in out.glob("*.json")}

    serial = results("--jobs", "1")
    assert len(serial) == 4
    assert results("--jobs", "2", "--backend", backend) == serial


def lasting(found: Any) -> Any:
    """Return a result without what depends on the machine and its load."""
    if not isinstance(found, dict):
        return found
    kept = {k: lasting(v) for k, v in found.items() if "second" not in k}
    return {k: v for k, v in kept.items() if k not in ("peak_memory_mb", "machine")}


def test_trials_of_a_sweep_are_those_of_one_process(backend, tmp_path):
    pytest.importorskip("optuna")
    values().head(120).to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    sweep = Sweep.named(str(tmp_path / "sweep.toml"))

    def results(folder: Path, jobs: int, backend: str | None) -> pd.DataFrame:
        # the first trials are drawn at random, so that none waits for another's result
        found = tune(sweep, folder, jobs, backend=backend)
        assert found["error"].isna().all()
        return found.set_index("trial").sort_index()[["bound", "fit.learning_rate"]]

    serial = results(tmp_path / "one", 1, None)
    pd.testing.assert_frame_equal(results(tmp_path / "two", 2, backend), serial)
