"""Several processes that fit a scan together take the steps of one with larger minibatches."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.data.errors import InputError
from absentia.inference.scanned import ranks
from absentia.inference.scanned.ranks import Ranks
from absentia.inference.scanned.streamed import StreamedRows

PROGRAM = Path(__file__).with_name("ranks_program.py")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(480, 1)) + 0.5 * rng.normal(size=(480, 4))
    values[rng.random(values.shape) < 0.2] = np.nan
    (tmp_path / "table").mkdir()
    frame = pd.DataFrame(values, columns=list("abcd"))
    frame.to_parquet(tmp_path / "table" / "t.parquet", row_group_size=60)
    return tmp_path / "table"


def test_the_parts_are_divided_among_processes(folder):
    scan = ab.scan(folder)
    few = scan.range(0, 50)
    model = ab.PPCA(few, latent_dim=1)
    seen = []
    for rank in range(3):
        rows = StreamedRows(scan, model, None, 0, 0, few, Ranks(rank, 3))
        stream = rows.batches(10, seed=1)
        own = 60 * len(range(rank, 8, 3))
        seen.append([v for _ in range(own // 10) for v in stream.next()[0][:, 1].tolist()])
    whole = np.concatenate([part.x[:, 1].numpy() for part in scan])
    assert sorted(v for one in seen for v in one) == sorted(whole.tolist())
    with pytest.raises(InputError, match="8 parts for 9 processes"):
        StreamedRows(scan, model, None, 0, 0, few, Ranks(0, 9))


def test_gradients_of_two_processes_are_those_of_one(folder, monkeypatch):
    """The exact evidence under PPCA has no noise: half the rows each, or all of them at once."""
    data = ab.scan(folder).range(0, 80).to(dtype=torch.float64)
    model = ab.PPCA(data, latent_dim=2).double()
    elbo = ab.ImportanceWeightedELBO(2)

    def gradient(rows):
        model.zero_grad()
        x, s = data.x[rows], data.s[rows]
        elbo.differentiable_loss(model.model, model.guide, x, s, 80).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    whole, first, second = (
        gradient(r).clone() for r in (slice(0, 80), slice(0, 40), slice(40, 80))
    )
    # the gradients of the second half are there now, and those of the first come by the message
    monkeypatch.setattr(ranks.dist, "all_reduce", lambda total: total.add_(first))
    Ranks(1, 2).average(model.parameters())
    mean = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
    torch.testing.assert_close(mean, (first + second) / 2)
    torch.testing.assert_close(mean, whole, rtol=1e-6, atol=1e-9)


def test_processes_are_those_of_torchrun(folder, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="for processes that torchrun starts"):
        ab.fit(ab.PPCA, ab.scan(folder), distributed="ddp")
    with pytest.raises(InputError, match="distributed is 'mpi'"):
        ab.fit(ab.PPCA, ab.scan(folder), distributed="mpi")


def run(processes: int, *arguments: object) -> int:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*start, f"--nproc-per-node={processes}", str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, env=ONE_THREAD, capture_output=True).returncode


@contextmanager
def fits(folder: Path) -> Iterator[Callable[..., bool]]:
    """Give a function that fits in processes of its own; true if all of them ended well."""
    command = [sys.executable, str(PROGRAM), "fits", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=ONE_THREAD
    ) as program:

        def fit(**options: object) -> bool:
            program.stdin.write(json.dumps({"steps": 200, **options}, default=str) + "\n")
            program.stdin.flush()
            return json.loads(program.stdout.readline().lower())

        yield fit
        program.stdin.close()


@pytest.mark.slow
def test_two_processes_are_one(folder, tmp_path):
    """One gradient and 200 steps of a fit by two processes, over gloo, beside those of one."""
    assert run(2, "compare", folder, tmp_path) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["gradient"] < 1e-6
    assert found["parameters"] < 1e-4
    assert found["wrapper"] == 0


@pytest.mark.slow
def test_a_killed_process_leaves_a_checkpoint_for_any_number(folder, tmp_path):
    two, stopped, alone = tmp_path / "two", tmp_path / "stopped", tmp_path / "alone"
    for out in (two, stopped):
        out.mkdir()
    ended = {}
    with fits(folder) as fit:
        assert not fit(out=stopped, processes=2, killed_at=100)  # SIGKILL
        assert (stopped / "checkpoint").exists()
        assert not (stopped / "state-0").exists()
        shutil.copytree(stopped, alone)
        for out, processes in ((two, 2), (stopped, 3), (alone, 1)):
            assert fit(out=out, processes=processes, killed_at=-1)
            assert not (out / "checkpoint").exists()
            states = [torch.load(out / f"state-{rank}") for rank in range(processes)]
            ended[processes] = states[0]
            for state in states:  # all processes end alike
                assert state["bounds"] == states[0]["bounds"]
                for name, value in state["model"].items():
                    assert torch.equal(value, states[0]["model"][name]), name
    for processes in (1, 3):  # the first half is that of the run that was killed
        assert ended[processes]["steps"] == ended[2]["steps"]
        assert ended[processes]["bounds"][:5] == ended[2]["bounds"][:5]
        assert ended[processes]["bounds"][-1] == pytest.approx(ended[2]["bounds"][-1], abs=0.05)
