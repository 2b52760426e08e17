"""A program that torchrun starts in several processes: it fits a scan and saves what it finds."""

import sys
from pathlib import Path

import torch

import absentia as ab

torch.set_num_threads(1)
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
steps, stop = int(sys.argv[3]), int(sys.argv[4])


def stops(row: dict[str, float]) -> None:
    if row["step"] == stop:
        raise SystemExit(3)


fitted = ab.fit(
    ab.PPCA,
    ab.scan(folder),
    rows_in_memory=100,
    distributed="ddp" if torch.distributed.is_torchelastic_launched() else None,
    steps=steps,
    batch_size=20,
    learning_rate=0.01,
    evaluations=4,
    validation=0.1,
    checkpoint=out / "checkpoint",
    callback=stops,
    progress=False,
    check=False,
)
rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
torch.save(fitted.model.state_dict(), out / f"state-{rank}")
