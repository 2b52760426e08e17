"""A scan is imputed to the same bits whatever its files, parts, workers and interruptions are."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import absentia as ab
from absentia.data.errors import InputError
from absentia.data.system.files import TableError
from absentia.inference.scanned import imputed

pytestmark = pytest.mark.filterwarnings("ignore::absentia.data.columns.cautions.ColumnWarning")
N, BLOCK = 200, 32


def table(n: int = N) -> pa.Table:
    rng = np.random.default_rng(0)
    z = rng.normal(size=n)
    values = z[:, None] + 0.5 * rng.normal(size=(n, 4))
    gone = rng.random((n, 4)) < 0.25
    gone[:, 0] = values[:, 0] > 0.8
    level = np.where(values[:, 3] > 0, "high", "low")
    return pa.table(
        {
            "id": [f"r{i}" for i in range(n)],
            "pay": pa.array(values[:, 0].astype(np.float32), mask=gone[:, 0]),
            "age": pa.array(np.rint(40 + 10 * values[:, 1]).astype(np.int16), mask=gone[:, 1]),
            "when": pa.array(
                np.datetime64("2020-01-01") + np.rint(90 * values[:, 2]).astype(int),
                pa.date32(),
                mask=gone[:, 2],
            ),
            "level": pa.array(level, mask=gone[:, 3]).dictionary_encode(),
            "note": rng.integers(0, 9, n),
        }
    )


def written(folder: Path, cuts: list[int], group: int = 1000) -> Path:
    folder.mkdir(parents=True)
    for k, (a, b) in enumerate(pairwise([0, *cuts, N])):
        pq.write_table(table().slice(a, b - a), folder / f"{k}.parquet", row_group_size=group)
    return folder


COLUMNS = ["pay", "age", "when", "level"]


@pytest.fixture(scope="module")
def fitted() -> ab.inference.FitResult:
    data = ab.IncompleteData.from_frame(table().select(COLUMNS))
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    return ab.fit(model, data, steps=30, progress=False, check=False)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(imputed, "_BLOCK", BLOCK)
    monkeypatch.setattr(imputed, "_SMALLEST_BLOCK", BLOCK)


OPTIONS = {"m": 2, "interval": 0.9, "check": False}


@pytest.fixture(scope="module")
def one_file(fitted, tmp_path_factory) -> Path:
    """The folder imputed from one file, by one process into one file."""
    root = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imputed, "_BLOCK", BLOCK)
        scan = ab.scan(written(root / "in", []), COLUMNS)
        return ab.impute(fitted, scan, out=root / "out", **OPTIONS).path


def read(folder: Path, further: str = "") -> pa.Table:
    return pq.read_table(folder.with_name(folder.name + further)).combine_chunks()


def check_same(one: Path, other: Path) -> None:
    """All tables of two folders, to the last bit and in the same order of rows."""
    for further in ("", "-rows", "-intervals"):
        a, b = read(one, further), read(other, further)
        assert a.schema.equals(b.schema)
        assert a.to_pandas().equals(b.to_pandas()), further
    a, b = (read(folder, "-draws").to_pandas() for folder in (one, other))
    for number in (1, 2):
        first, second = (t[t["imputation"] == number].reset_index(drop=True) for t in (a, b))
        assert first.equals(second)


def test_observed_values_types_and_other_columns_stay(one_file):
    given, found = table(), read(one_file)
    assert found.schema.equals(given.schema)
    assert found["id"].equals(given["id"])
    assert found["note"].equals(given["note"])
    for name in COLUMNS:
        seen = given[name].is_valid()
        assert found[name].null_count == 0
        assert found[name].filter(seen).to_pylist() == given[name].filter(seen).to_pylist()
    rows = read(one_file, "-rows").to_pandas()
    assert rows["row"].tolist() == list(range(N))
    assert rows["ess"].between(1, rows["particles"]).all()


def test_intervals_stand_where_values_are_missing(one_file):
    given, ends, found = table(), read(one_file, "-intervals"), read(one_file)
    for name in ("pay", "age", "when"):
        lower, upper = ends[f"{name}_lower"], ends[f"{name}_upper"]
        assert lower.is_null().to_pylist() == given[name].is_valid().to_pylist()
        gaps = given[name].is_null()
        low, value, high = (c.filter(gaps).to_pylist() for c in (lower, found[name], upper))
        assert np.mean([a <= v <= b for a, v, b in zip(low, value, high, strict=True)]) > 0.97


def test_a_small_table_is_imputed_as_in_memory(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(imputed, "_BLOCK", 256)
    scan = ab.scan(written(tmp_path / "in", [150]), like=fitted)
    folder = ab.impute(fitted, scan, 60, out=tmp_path / "out", m=1, seed=3, check=False)
    memory = ab.impute(
        fitted, scan.range(0, N), 60, draws=1, seed=3, check=False
    )  # one block: the seed is the same
    frame, found = memory.to_frame(), read(folder.path)
    np.testing.assert_array_equal(found["pay"].to_numpy(), frame["pay"].to_numpy())
    assert found["level"].to_pylist() == frame["level"].tolist()
    assert folder.summary()["weights_good"] == pytest.approx(memory.summary()["weights_good"])


@pytest.mark.parametrize(
    ("cuts", "group", "rows_per_file"), [([], 1000, 64), ([13, 77, 150], 20, 200), ([100], 60, 1)]
)
@pytest.mark.thin(1)
def test_any_partition_gives_the_same_bits(fitted, one_file, tmp_path, cuts, group, rows_per_file):
    scan = ab.scan(written(tmp_path / "in", cuts, group), like=fitted)
    made = ab.impute(fitted, scan, out=tmp_path / "out", rows_per_file=rows_per_file, **OPTIONS)
    assert made.num_parts == -(-N // (-(-rows_per_file // BLOCK) * BLOCK))
    check_same(one_file, made.path)


def test_workers_of_any_backend_give_the_same_bits(fitted, one_file, tmp_path):
    scan = ab.scan(written(tmp_path / "in", [90]), like=fitted)
    with joblib.parallel_config(backend="threading"):
        made = ab.impute(fitted, scan, out=tmp_path / "out", jobs=2, rows_per_file=BLOCK, **OPTIONS)
    check_same(one_file, made.path)


@pytest.mark.slow
def test_two_processes_give_the_same_bits(fitted, one_file, tmp_path):
    scan = ab.scan(written(tmp_path / "in", [90]), like=fitted)
    made = ab.impute(fitted, scan, out=tmp_path / "out", jobs=2, rows_per_file=BLOCK, **OPTIONS)
    check_same(one_file, made.path)


def test_a_run_that_ends_early_goes_on(fitted, one_file, tmp_path, monkeypatch):
    """Twice inside a part, whose blocks are computed again."""
    scan, out = ab.scan(written(tmp_path / "in", [90]), like=fitted), tmp_path / "out"
    own, blocks = imputed._imputed, []

    def stopped_at(last):
        def imputed_until(*given):
            blocks.append(given[2])
            if len(blocks) == last:
                raise KeyboardInterrupt
            return own(*given)

        return imputed_until

    for last in (3, 4):
        blocks.clear()
        monkeypatch.setattr(imputed, "_imputed", stopped_at(last))
        with pytest.raises(KeyboardInterrupt):
            ab.impute(fitted, scan, out=out, rows_per_file=64, **OPTIONS)
        assert not json.loads((out / "_absentia.json").read_text())["finished"]
        for path in out.glob("part-*"):
            assert pq.read_table(path).num_rows == 64  # what is there is whole
    made = sorted(path.name for path in out.glob("part-*"))
    assert (
        made == ["part-000000.parquet", "part-000001.parquet", "part-000002.parquet"][: len(made)]
    )
    blocks.clear()
    monkeypatch.setattr(imputed, "_imputed", stopped_at(-1))
    ab.impute(fitted, scan, out=out, rows_per_file=64, **OPTIONS)
    assert min(blocks) == 64 * len(made)  # no part is computed again
    check_same(one_file, out)
    assert json.loads((out / "_absentia.json").read_text())["finished"]
    assert not list(out.glob(".*"))
    blocks.clear()
    ab.impute(fitted, scan, out=out, rows_per_file=64, **OPTIONS)
    assert not blocks


@pytest.mark.slow
def test_a_run_that_is_killed_five_times_goes_on(fitted, one_file, tmp_path):
    written(tmp_path / "in", [90])
    fitted.save(tmp_path / "fit")
    script = f"""
        import absentia as ab
        from absentia.inference.scanned import imputed
        imputed._BLOCK = {BLOCK}
        fitted = ab.load({str(tmp_path / "fit")!r})
        scan = ab.scan({str(tmp_path / "in")!r}, like=fitted)
        out = {str(tmp_path / "out")!r}
        for _ in sys.stdin:
            run = os.fork()
            if not run:
                ab.impute(fitted, scan, out=out, rows_per_file={BLOCK}, **{OPTIONS!r})
                os._exit(0)
            print(run, flush=True)
            print(os.waitpid(run, 0)[1], flush=True)
    """
    # the runs are copies of one process, which has imported what they need
    command = [sys.executable, "-c", "import os, sys\n" + textwrap.dedent(script)]
    luck, killed = random.Random(0), 0
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as runs:

        def parts():
            return set((tmp_path / "out").glob("part-*"))

        def begun():
            runs.stdin.write("begin\n")
            runs.stdin.flush()
            return int(runs.stdout.readline())

        for k in range(5):
            before, run = parts(), begun()
            while k % 2 and parts() == before:  # every other one gets further by a part at least
                time.sleep(0.002)
            time.sleep(luck.uniform(0.0, 0.1))
            os.kill(run, signal.SIGKILL)
            killed += int(runs.stdout.readline()) == signal.SIGKILL
            for path in parts():
                assert pq.read_table(path).num_rows in (BLOCK, N % BLOCK)
        begun()
        assert runs.stdout.readline() == "0\n"
        runs.stdin.close()
    assert killed == 5
    check_same(one_file, tmp_path / "out")
    assert not list((tmp_path / "out").glob(".*"))


def test_another_fit_table_or_setting_is_refused(fitted, tmp_path):
    scan, out = ab.scan(written(tmp_path / "in", [90]), like=fitted), tmp_path / "out"
    ab.impute(fitted, scan, 20, out=out, check=False)
    with pytest.raises(InputError, match=r"another settings \(seed=0, and now seed=1\)"):
        ab.impute(fitted, scan, 20, out=out, seed=1, check=False)
    with pytest.raises(InputError, match=r"another settings \(draws=0, and now draws=200"):
        ab.impute(fitted, scan, 20, out=out, interval=0.9, check=False)
    data = scan.range(0, N)
    other = ab.fit(ab.PPCA(data, latent_dim=1), data, progress=False, steps=3)
    with pytest.raises(InputError, match="begun with another fit"):
        ab.impute(other, scan, 20, out=out, check=False)
    pq.write_table(table().slice(0, 60), tmp_path / "in" / "0.parquet")
    with pytest.raises(InputError, match="begun with another table"):
        ab.impute(fitted, ab.scan(tmp_path / "in", like=fitted), 20, out=out, check=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    with pytest.raises(InputError, match="mine is not empty"):
        ab.impute(fitted, scan, 20, out=tmp_path / "mine", check=False)


def test_arguments_are_refused_before_any_work(fitted, tmp_path):
    scan = ab.scan(written(tmp_path / "in", [90]), like=fitted)
    with pytest.raises(InputError, match="give out='folder'"):
        ab.impute(fitted, scan)
    with pytest.raises(InputError, match="interval is 90"):
        ab.impute(fitted, scan, out=tmp_path / "o", interval=90)
    with pytest.raises(TypeError, match=r"data is a Scan, .* take some of its rows: scan.sample"):
        ab.multiple_imputation(fitted, scan, 2)
    with pytest.raises(TypeError, match=r"X is a Scan, .* use absentia.fit"):
        ab.MNARImputer().fit(scan)
    with pytest.raises(InputError, match=r"given a Scan; take some of its rows, .* scan.sample"):
        ab.IncompleteData.from_frame(scan)
    with pytest.raises(InputError, match="jobs is 0"):
        ab.impute(fitted, scan, out=tmp_path / "o", jobs=0)
    with pytest.raises(InputError, match="out belongs to a scan"):
        ab.impute(fitted, scan.range(0, 9), out=tmp_path / "o")
    with pytest.raises(InputError, match="scan the files with like=fit"):
        ab.impute(fitted, ab.scan(tmp_path / "in", ["pay"]), out=tmp_path / "o")
    with pytest.raises(InputError, match="was never fitted"):
        ab.impute(ab.PPCA(scan.range(0, 50), latent_dim=1), scan, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_value_that_the_fit_does_not_know_is_named(fitted, tmp_path):
    folder = written(tmp_path / "in", [90])
    strange = table().slice(90)
    strange = strange.set_column(4, "level", pa.array(["huge"] + ["low"] * 109).dictionary_encode())
    pq.write_table(strange, folder / "1.parquet")
    with pytest.raises(TableError, match=r"column 'level', row 90: got 'huge', but the levels are"):
        ab.impute(fitted, ab.scan(folder, like=fitted), 20, out=tmp_path / "out", check=False)


def test_the_key_stands_beside_the_diagnostics(fitted, tmp_path):
    scan = ab.scan(written(tmp_path / "in", [90]), like=fitted, key="id")
    made = ab.impute(fitted, scan, 20, out=tmp_path / "out")
    assert pd.read_parquet(made.rows)["id"].tolist() == [f"r{i}" for i in range(N)]


def test_covariates_constants_and_complete_blocks(tmp_path):
    """A mechanism that reads a covariate, a column of one value, and rows without a gap."""
    rng = np.random.default_rng(1)
    age, pay = rng.normal(size=(2, 120))
    pay[(age + pay > 1) & (np.arange(120) < 60)] = np.nan
    site = np.where(np.arange(120) % 5 == 0, None, "A")
    frame = pd.DataFrame({"age": age, "pay": pay, "aid": rng.normal(size=120), "site": site})
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    scan = ab.scan(tmp_path / "t.parquet", covariates=["age"])
    formula = ab.missing("pay ~ pay + age")
    fitted = ab.fit(lambda data: ab.NotMIWAEPPCA(data, formula, latent_dim=1), scan, progress=False)
    made = ab.impute(fitted, scan, 50, out=tmp_path / "out", interval=0.5, check=False)
    found = pd.read_parquet(made.path)
    assert found["pay"].notna().all()
    assert set(found["site"]) == {"A"}
    assert found["age"].equals(frame["age"])
    assert found["pay"][60:].equals(frame["pay"][60:])


@pytest.mark.slow
def test_a_fit_that_averages_over_forms(tmp_path):
    rng = np.random.default_rng(2)
    z = rng.normal(size=(150, 1))
    values = z + 0.5 * rng.normal(size=(150, 3))
    values[values[:, 0] > 0.7, 0] = np.nan
    pd.DataFrame(values, columns=list("abc")).to_parquet(tmp_path / "t.parquet")
    scan = ab.scan(tmp_path / "t.parquet")
    builder = lambda data: ab.NotMIWAEPPCA(data, "auto", latent_dim=1)  # noqa: E731
    fitted = ab.fit(builder, scan, optimiser="gibbs", progress=False)
    made = ab.impute(fitted, scan, 60, out=tmp_path / "out", check=False)
    assert pd.read_parquet(made.path).notna().all(axis=None)
    assert fitted.odds is not None


@pytest.fixture(scope="module")
def numbers_fit():
    """A table of numbers under a mechanism that reads other columns, so that values are sampled."""
    data = ab.IncompleteData.from_frame(table().select(["pay", "age"]))
    model = ab.NotMIWAEPPCA(data, "linear", latent_dim=1)
    return ab.fit(model, data, steps=30, progress=False, check=False)


@pytest.mark.parametrize(
    ("which", "particles", "refine"),
    [
        ("kinds", "auto", False),
        ("numbers", 100, False),
        pytest.param("kinds", 60, True, marks=pytest.mark.slow),
    ],
)
@pytest.mark.thin(1)
def test_a_row_is_imputed_alike_wherever_it_lies(
    fitted, numbers_fit, tmp_path, which, particles, refine
):
    """By its key: in files that are shuffled, in a part of the rows, and in other files."""
    fit = fitted if which == "kinds" else numbers_fit
    whole, order = table().slice(0, 90), np.random.default_rng(4).permutation(90)
    tables = {"whole": whole, "shuffled": whole.take(order), "few": whole.take(order[:70])}
    found = {}
    for name, rows in tables.items():
        (tmp_path / name).mkdir()
        for k in range(2):
            part = rows.slice(60 * k, 60 if k == 0 else None)
            pq.write_table(part, tmp_path / name / f"{k}.parquet")
        scan = ab.scan(tmp_path / name, like=fit, key="id")
        made = ab.impute(
            fit, scan, particles, out=tmp_path / f"{name}-out", refine=refine, **OPTIONS
        )
        draws = pd.read_parquet(made.draws)
        found[name] = {
            "table": pd.read_parquet(made.path).set_index("id"),
            "rows": pd.read_parquet(made.rows).drop(columns="row").set_index("id"),
            "first": draws[draws["imputation"] == 1].set_index("id"),
            "second": draws[draws["imputation"] == 2].set_index("id"),
        }
    assert not found["whole"]["first"].equals(found["whole"]["second"])
    for name in ("shuffled", "few"):
        for part, frame in found[name].items():
            own = found["whole"][part].loc[frame.index]
            # up to rounding, which depends on the rows that are computed together; k-hat is a shape
            # fitted to the differences of the largest weights, where rounding weighs most
            numbers = frame.select_dtypes("number").columns
            for column in numbers:
                found_there, found_here = frame[column].astype(float), own[column].astype(float)
                within = 0.01 if column.startswith("khat") else 1e-4
                np.testing.assert_allclose(found_there, found_here, rtol=1e-4, atol=within)
            others = frame.columns.difference(numbers)
            assert frame[others].astype(str).equals(own[others].astype(str)), (name, part)


def test_rows_of_a_small_scan_come_in_the_order_of_their_keys(tmp_path):
    """So that what is held out follows the rows in shuffled files, too."""
    fits = []
    for name, rows in (("a", table()), ("b", table().take(np.arange(N)[::-1]))):
        (tmp_path / name).mkdir()
        pq.write_table(rows, tmp_path / name / "0.parquet")
        scan = ab.scan(tmp_path / name, ["pay", "age"], key="id")
        build = lambda data: ab.PPCA(data, latent_dim=1)  # noqa: E731
        options = {"optimiser": "adam", "schedule": "constant", "progress": False}
        fits.append(ab.fit(build, scan, steps=20, **options))
    assert fits[0].history["bound"].tolist() == pytest.approx(fits[1].history["bound"].tolist())
