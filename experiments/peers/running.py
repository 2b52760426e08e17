"""Other libraries' imputation of a table, each as a process of its own that is measured whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...data.errors import InputError
from .environments import environment

_HERE = Path(__file__).parent


class Peer(NamedTuple):
    """A script that completes a table, and the environment that it needs.

    Attributes:
        script: name of the file in ``scripts``.
        requirements: name of the file in ``requirements``, and of the environment.
        shares_torch: whether the environment sees this interpreter's packages as well.
    """

    script: str
    requirements: str
    shares_torch: bool = False


PEERS = {
    "mean": Peer("peer_mean.py", "scikit-learn"),
    "knn": Peer("peer_knn.py", "scikit-learn"),
    "mice": Peer("peer_mice.py", "scikit-learn"),
    "missforest": Peer("peer_missforest.py", "scikit-learn"),
    "miceforest": Peer("peer_miceforest.py", "miceforest"),
    "gcimpute": Peer("peer_gcimpute.py", "gcimpute"),
    "notmiwae-pytorch": Peer("peer_notmiwae_pytorch.py", "notmiwae-pytorch", True),
}


class Measured(NamedTuple):
    """What a process gave and used.

    Attributes:
        completed: (n, p) completed table.
        seconds: CPU seconds of the whole process, its start and imports included.
        megabytes: its peak memory.
    """

    completed: np.ndarray
    seconds: float
    megabytes: float


def run_peer(name: str, table: np.ndarray, seed: int) -> Measured:
    """Complete a table by another library, in an environment of its own.

    Args:
        name: a key of ``PEERS``.
        table: (n, p) numbers, NaN where missing.
        seed: determines all random numbers.

    Raises:
        InputError: for a name that is not known, an environment that cannot be made, or a peer
            that fails; the message has the last line of what it said.
    """
    if name not in PEERS:
        raise InputError(f"peer '{name}' is not one of {', '.join(PEERS)}")
    peer = PEERS[name]
    python = environment(peer.requirements, peer.shares_torch)
    return run_command(name, [str(python), str(_HERE / "scripts" / peer.script)], table, seed)


def run_command(
    name: str,
    command: Sequence[str],
    table: np.ndarray,
    seed: int,
    paths: Sequence[Path] = (),
) -> Measured:
    """Complete a table by a command that is called as ``COMMAND input.csv output.csv --seed S``.

    It runs with one thread.

    Args:
        name: what an error calls it.
        command: the program and its first arguments.
        table: (n, p) numbers, NaN where missing.
        seed: the seed that the command is given.
        paths: folders in which the command's Python looks for packages first.

    Raises:
        InputError: if the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made, report = (Path(folder) / name for name in ("in.csv", "out.csv", "use.json"))
        columns = [f"x{j}" for j in range(table.shape[1])]
        pd.DataFrame(table, columns=columns).to_csv(given, index=False)
        measure = [sys.executable, "-I", "-S", str(_HERE / "measure.py"), str(report)]
        done = subprocess.run(
            [*measure, *command, str(given), str(made), "--seed", str(seed)],
            env=_plain_environment(paths),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise InputError(f"'{name}' did not complete the table: {last}")
        used = json.loads(report.read_text(encoding="utf-8"))
        completed = pd.read_csv(made)[columns].to_numpy(float)
    return Measured(completed, used["seconds"], used["megabytes"])


def _plain_environment(paths: Sequence[Path]) -> dict[str, str]:
    """Return the environment's variables with one thread, and no packages but the named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    threads = {f"{kind}_NUM_THREADS": "1" for kind in ("OMP", "OPENBLAS", "MKL")}
    found = {**kept, **threads, "OMP_WAIT_POLICY": "PASSIVE"}
    return {**found, "PYTHONPATH": os.pathsep.join(map(str, paths))} if paths else found
