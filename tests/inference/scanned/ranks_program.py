"""Programs that torchrun starts in two processes and more, and that save what they find.

``fits`` starts its processes itself, as torchrun would: as copies of one that has imported torch.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import absentia as ab
from absentia.inference.scanned.ranks import Ranks
from absentia.inference.scanned.streamed import StreamedRows

torch.set_num_threads(1)
STEPS, BATCH, RATE = 200, 20, 0.01


def fit(folder: Path, out: Path, steps: int, killed_at: int) -> None:
    """Fit a scan; at a step the first process kills the last one."""
    rank = int(os.environ.get("RANK", 0))
    (out / f"pid-{rank}").write_text(str(os.getpid()))

    def kills(row: dict[str, float]) -> None:
        if row["step"] == killed_at:
            last = int(os.environ["WORLD_SIZE"]) - 1
            os.kill(int((out / f"pid-{last}").read_text()), signal.SIGKILL)

    fitted = ab.fit(
        ab.PPCA,
        ab.scan(folder),
        rows_in_memory=100,
        distributed="ddp" if "RANK" in os.environ else None,
        steps=steps,
        batch_size=20,
        learning_rate=0.01,
        evaluations=10,
        validation=0.1,
        checkpoint=out / "checkpoint",
        callback=kills,
        progress=False,
        check=False,
    )
    state = {"model": fitted.model.state_dict(), "bounds": fitted.history["bound"].tolist()}
    torch.save({**state, "steps": fitted.history["step"].tolist()}, out / f"state-{rank}")


def fits(folder: Path, out: str, steps: int, killed_at: int, processes: int) -> bool:
    """Fit in several processes, as :func:`fit`; return whether all of them ended well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = set()
    for rank in range(processes):
        copy = os.fork()
        if not copy:
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes}
            place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            os.environ.update({name: str(value) for name, value in place.items()})
            try:
                fit(folder, Path(out), steps, killed_at)
                os._exit(0)
            finally:
                os._exit(1)
        running.add(copy)
    well = True
    while running:
        ended, status = os.wait()
        running.discard(ended)
        well = well and status == 0
        for other in running if status else ():  # as torchrun does
            os.kill(other, signal.SIGKILL)
    return well


def compare(folder: Path, out: Path) -> None:
    """Compare two processes with one, and our averages of gradients with torch's wrapper."""
    ranks = Ranks.of("ddp")
    found = {"gradient": gradients(folder, ranks), "wrapper": wrapper(folder, ranks)}
    found["parameters"] = steps(folder, ranks)
    if ranks.first:
        (out / "found.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def gradients(folder: Path, ranks: Ranks) -> float:
    """Return the largest relative difference of a gradient of two processes from that of one.

    The exact evidence under PPCA has no noise: half of the rows each, or all of them at once.
    """
    data = ab.scan(folder).range(0, 80).to(dtype=torch.float64)
    model = ab.PPCA(data, latent_dim=2).double()
    ranks.same_start(model)
    elbo = ab.ImportanceWeightedELBO(2)

    def gradient(rows: slice) -> torch.Tensor:
        model.zero_grad()
        x, s = data.x[rows], data.s[rows]
        (elbo.differentiable_loss(model.model, model.guide, x, s, 80) / 80).backward()
        if rows != slice(0, 80):
            ranks.average(model.parameters())
        return torch.cat([p.grad.flatten() for p in model.parameters()]).clone()

    whole = gradient(slice(0, 80))
    both = gradient(slice(40 * ranks.rank, 40 * ranks.rank + 40))
    return float(((both - whole).abs() / whole.abs().clamp_min(1e-3)).max())


def wrapper(folder: Path, ranks: Ranks) -> float:
    """Return the largest difference from DistributedDataParallel around the bound's module."""
    data = ab.scan(folder).range(0, 80)
    model = ab.NotMIWAE(data, "self-masking", latent_dim=2, hidden=[16])
    ranks.same_start(model)
    loss = ab.ImportanceWeightedELBO(5)(model.model, model.guide)
    rows = slice(40 * ranks.rank, 40 * ranks.rank + 40)
    sent = []
    for module in (DistributedDataParallel(loss), loss):
        model.zero_grad()
        torch.manual_seed(ranks.rank)
        module(data.x[rows], data.s[rows]).backward()
        if module is loss:
            ranks.average(model.parameters())
        sent.append(torch.cat([p.grad.flatten() for p in model.parameters()]).clone())
    return float((sent[0] - sent[1]).abs().max())


def steps(folder: Path, ranks: Ranks) -> float:
    """Return the largest difference of parameters from those of one fit to both minibatches."""
    scan = ab.scan(folder)
    few = scan.range(0, 50)
    torch.manual_seed(0)
    fitted, other = ab.PPCA(few, latent_dim=2), ab.PPCA(few, latent_dim=2)
    ranks.same_start(fitted)
    other.load_state_dict(fitted.state_dict())
    ab.fit(
        fitted, scan, rows_in_memory=100, distributed="ddp", steps=STEPS, batch_size=BATCH,
        learning_rate=RATE, schedule="constant", optimiser="adam", particles=2, gradient="iwae",
        validation=0.0, progress=False, check=False,
    )  # fmt: skip
    elbo = ab.ImportanceWeightedELBO(2)
    own = [StreamedRows(scan, other, None, 0, 0, few, Ranks(k, 2)) for k in (0, 1)]
    streams = [rows.batches(BATCH, seed=0) for rows in own]
    adam = torch.optim.Adam(other.parameters(), lr=RATE)
    for _ in range(STEPS):
        (x, s), (y, t) = (stream.next() for stream in streams)
        adam.zero_grad()
        x, s = torch.cat([x, y]), torch.cat([s, t])
        (elbo.differentiable_loss(other.model, other.guide, x, s, 480) / 480).backward()
        adam.step()
    pairs = zip(fitted.parameters(), other.parameters(), strict=True)
    return max(float((p - q).detach().abs().max()) for p, q in pairs)


if __name__ == "__main__":
    if sys.argv[1] == "fits":
        for line in sys.stdin:
            print(fits(Path(sys.argv[2]), **json.loads(line)), flush=True)
    else:
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
