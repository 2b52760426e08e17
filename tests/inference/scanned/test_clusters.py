"""Workers of Dask and Ray, where these are installed: the same results as one process."""

from contextlib import ExitStack

import joblib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import absentia as ab

pytestmark = pytest.mark.slow


def started(stack: ExitStack, backend: str) -> None:
    """Start two local workers, which end with the stack."""
    if backend == "dask":
        cluster = pytest.importorskip("dask.distributed")
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        workers = stack.enter_context(cluster.LocalCluster(**options))
        stack.enter_context(cluster.Client(workers))
    else:
        ray = pytest.importorskip("ray")
        pytest.importorskip("ray.util.joblib").register_ray()
        ray.init(num_cpus=2, include_dashboard=False)
        stack.callback(ray.shutdown)


@pytest.mark.filterwarnings("ignore")  # those of the clusters
@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_clusters_give_the_results_of_one_process(backend, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4200, 1)) + 0.5 * rng.normal(size=(4200, 3))
    values[values[:, 0] > 0.8, 0] = np.nan
    pd.DataFrame(values, columns=list("abc")).to_parquet(tmp_path / "table.parquet")
    scan = ab.scan(tmp_path / "table.parquet")
    data = scan.range(0, 200)
    fitted = ab.fit(
        ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1), data, progress=False, check=False
    )

    def results(jobs):
        several = ab.multiple_imputation(
            fitted, data, 3, parameters="bootstrap", steps=5, particles=20, jobs=jobs
        )
        out = tmp_path / f"out{jobs}"
        ab.impute(fitted, scan, 20, out=out, jobs=jobs, rows_per_file=1, check=False)
        return [*several, pq.read_table(out).to_pandas()]

    serial = results(1)
    with ExitStack() as stack:
        started(stack, backend)
        stack.enter_context(joblib.parallel_config(backend=backend))
        found = results(2)
    assert all(one.equals(other) for one, other in zip(serial, found, strict=True))
