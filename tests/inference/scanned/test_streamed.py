"""A fit to a scan: every row comes once an epoch, rows are held out by key, and fits go on."""

import functools
import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import absentia as ab
from absentia.data.errors import InputError
from absentia.inference.scanned import streamed
from absentia.inference.scanned.streamed import StreamedRows, split_scan

N = 600


def table() -> pa.Table:
    """Rows that can be told apart by their first column, and a column that is constant."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=N)
    gone = z + 0.3 * rng.normal(size=N) > 0.5
    return pa.table(
        {
            "a": z,
            "b": pa.array(z + 0.5 * rng.normal(size=N), mask=gone),
            "c": pa.array(0.5 * rng.normal(size=N) - z, mask=rng.random(N) < 0.2),
            "only": np.full(N, 3.0),
            "w": rng.normal(size=N),
        }
    )


def scan(folder: Path, cuts=(100, 350), group=60, **options) -> ab.data.scan.Scan:
    folder.mkdir()
    for k, (a, b) in enumerate(pairwise([0, *cuts, N])):
        pq.write_table(table().slice(a, b - a), folder / f"{k}.parquet", row_group_size=group)
    return ab.scan(folder, **options)


def rows_of(found: ab.data.scan.Scan, held: float, seed: int = 0):
    few = found.sample(50).part(["a", "b", "c"])
    model = ab.PPCA(few, latent_dim=1)
    return split_scan(found, model, few, held, 1000, seed)


def seen_in(rows: StreamedRows, batches: int, size: int) -> list[float]:
    stream = rows.batches(size, seed=1)
    return [v for _ in range(batches) for v in stream.next()[0][:, 0].tolist()]


def test_every_row_comes_once_an_epoch_in_a_random_order(tmp_path):
    found = scan(tmp_path / "t", covariates=["w"])
    rows, held_out = rows_of(found, 0.0)
    assert held_out is None
    assert len(found.parts) == 2 + 5 + 5
    every = np.concatenate([part.x[:, 0].numpy() for part in found])
    seen = seen_in(rows, 2 * N // 10, 10)
    assert sorted(seen[:N]) == sorted(seen[N:]) == sorted(every.tolist())
    assert seen[:N] != every.tolist()
    assert seen[:N] != seen[N:]
    first = set(seen[: N // 3])
    assert len(first & set(every[: N // 3].tolist())) < 0.7 * N / 3  # parts are not in order


def test_a_minibatch_has_its_own_covariates(tmp_path):
    rows, _ = rows_of(scan(tmp_path / "t", covariates=["w"]), 0.0)
    a, w = (table()[name].to_numpy() for name in "aw")
    of = {np.float32((x - a.mean()) / a.std(ddof=1)): y for x, y in zip(a, w, strict=True)}
    stream = rows.batches(40, seed=0)
    x, _ = stream.next()
    nearest = [min(of, key=lambda known: abs(known - value)) for value in x[:, 0].tolist()]
    wanted = [of[known] for known in nearest]
    np.testing.assert_allclose(stream.extras["covariates"][:, 0].tolist(), wanted, rtol=1e-6)


def test_rows_held_out_do_not_depend_on_the_files_and_are_not_fitted(tmp_path):
    found = scan(tmp_path / "one")
    rows, held_out = rows_of(found, 0.1)
    _, others = rows_of(scan(tmp_path / "two", (7, 500), 33), 0.1)
    assert len(held_out) == 60
    assert len(rows) == N - 60
    np.testing.assert_array_equal(held_out.values, others.values)
    seen = seen_in(rows, (N - 60) // 10, 10)
    assert len(set(seen)) >= N - 60 - 3 * 10  # at most a batch is left out of each four parts
    assert not set(seen) & set(held_out.x[:, 0].tolist())
    _, more = rows_of(found, 0.1, seed=1)
    assert set(more.x[:, 0].tolist()) != set(held_out.x[:, 0].tolist())


def test_batches_larger_than_the_parts_shrink(tmp_path, monkeypatch):
    monkeypatch.setattr(streamed, "PARTS_AT_ONCE", 1)
    rows, _ = rows_of(scan(tmp_path / "t"), 0.0)
    assert rows.batches(500, seed=0).next()[0].shape[0] <= 60


def test_a_scan_that_fits_into_memory_is_fitted_as_such(tmp_path):
    found = scan(tmp_path / "t")
    options = {"steps": 20, "batch_size": 50, "progress": False, "check": False}
    one = ab.fit(lambda data: ab.NotMIWAEPPCA(data, sign="+"), found, **options)
    data = ab.IncompleteData.from_frame(table(), like=found)
    other = ab.fit(ab.NotMIWAEPPCA(data, sign="+"), data, **options)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name])
    assert one.rows == N
    assert one.columns == ("a", "b", "c", "only", "w")


def test_a_streamed_fit_finds_what_one_in_memory_finds(tmp_path):
    found = scan(tmp_path / "t", (300,), 300)
    options = {"steps": 120, "learning_rate": 0.05, "particles": 3, "progress": False, "seed": 2}
    one = ab.fit(ab.PPCA, found, rows_in_memory=100, **options)
    data = ab.IncompleteData.from_frame(table(), like=found)
    other = ab.fit(ab.PPCA(data), data, **options)
    assert one.rows == N
    bounds = [float(ab.check.held_out_bound(f, data, 200).mean()) for f in (one, other)]
    assert bounds[0] == pytest.approx(bounds[1], abs=0.03)
    np.testing.assert_array_equal(one.scaler.center, found.scaler.center)


def test_a_streamed_fit_goes_on_from_its_checkpoint(tmp_path):
    found = scan(tmp_path / "t")
    path = tmp_path / "checkpoint"
    options = {"steps": 16, "evaluations": 4, "particles": 3, "batch_size": 100,
               "rows_in_memory": 100, "progress": False, "check": False}  # fmt: skip

    def stops(row):
        if row["step"] == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ab.fit(ab.MIWAE, found, checkpoint=path, callback=stops, **options)
    assert path.exists()
    again = ab.fit(ab.MIWAE, found, checkpoint=path, **options)
    whole = ab.fit(ab.MIWAE, found, **options)
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name])
    assert again.history.equals(whole.history)


def test_l_bfgs_is_given_a_sample(tmp_path, caplog):
    found = scan(tmp_path / "t")
    with caplog.at_level(logging.INFO, "absentia"):
        told = functools.partial(ab.NotMIWAEPPCA, missingness="self-masking")
        fitted = ab.fit(told, found, rows_in_memory=200, progress=False)
    assert fitted.settings.optimiser == "l-bfgs"
    assert fitted.rows == 200
    assert "200 of 600 rows" in caplog.text
    made = ab.impute(fitted, found, 50, out=tmp_path / "out")
    assert pq.read_table(made.path).schema.equals(table().schema)
    assert pq.read_table(made.path)["b"].null_count == 0


def test_no_row_in_memory_is_refused(tmp_path):
    with pytest.raises(InputError, match="rows_in_memory is 0"):
        ab.fit(ab.PPCA, scan(tmp_path / "t"), rows_in_memory=0)
