"""Several processes that fit a scan together take the steps of one with larger minibatches."""

import os
import subprocess
import sys
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


@pytest.mark.slow
def test_200_steps_of_two_processes_are_those_of_one(folder, monkeypatch):
    """Two streams whose gradients are averaged, beside one model that is given both minibatches."""
    scan = ab.scan(folder)
    few = scan.range(0, 50)
    one, both = ab.PPCA(few, latent_dim=2), ab.PPCA(few, latent_dim=2)
    elbo = ab.ImportanceWeightedELBO(2)
    streams = [
        StreamedRows(scan, one, None, 0, 0, few, Ranks(k, 2)).batches(20, seed=1) for k in (0, 1)
    ]
    adams = [torch.optim.Adam(model.parameters(), lr=0.01) for model in (one, both)]

    def backward(model, x, s):
        model.zero_grad()
        (elbo.differentiable_loss(model.model, model.guide, x, s, 480) / 480).backward()

    for _ in range(200):
        (x, s), (y, t) = (stream.next() for stream in streams)
        backward(both, torch.cat([x, y]), torch.cat([s, t]))
        backward(one, x, s)
        sent = torch.cat([p.grad.flatten() for p in one.parameters()])
        monkeypatch.setattr(ranks.dist, "all_reduce", lambda total, sent=sent: total.add_(sent))
        backward(one, y, t)
        Ranks(1, 2).average(one.parameters())
        for adam in adams:
            adam.step()
    for own, other in zip(one.parameters(), both.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=1e-4)


def run(folder: Path, out: Path, processes: int, steps: int = 40, stop: int = -1) -> int:
    out.mkdir(exist_ok=True)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*start, f"--nproc-per-node={processes}", str(PROGRAM), str(folder), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(steps), str(stop)], env=environment, capture_output=True, text=True
    )
    return done.returncode


@pytest.mark.slow
def test_two_processes_end_alike_and_go_on_as_three(folder, tmp_path):
    two, stopped = tmp_path / "two", tmp_path / "stopped"
    assert run(folder, two, 2) == 0
    states = [torch.load(two / f"state-{rank}") for rank in (0, 1)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])
    assert not (two / "checkpoint").exists()
    assert run(folder, stopped, 2, stop=20) != 0
    assert (stopped / "checkpoint").exists()
    assert run(folder, stopped, 3) == 0
    for name, value in torch.load(stopped / "state-2").items():
        assert value.isfinite().all(), name
