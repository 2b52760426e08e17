"""Loggers of a fit while it runs: a CSV file, TensorBoard, Weights & Biases.

A logger is anything with these three methods; ``fit(..., loggers=[...])`` calls them.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ...data.errors import NotInstalledError


class Logger(Protocol):
    """The interface of a logger: what a fit reports while it runs."""

    def start(self, settings: Mapping[str, Any], resumed: bool = False) -> None:
        """Begin a fit with these settings, or continue from a checkpoint."""

    def log(self, row: Mapping[str, float]) -> None:
        """Record one evaluation: step, train_bound, validation_bound, learning_rate and bound."""

    def finish(self) -> None:
        """End the record of the fit, whether it succeeded or not."""


class CSVLogger:
    """A CSV file with one line per evaluation; a fit that continues from a checkpoint appends.

    >>> import tempfile
    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> path = Path(tempfile.mkdtemp()) / "fit.csv"
    >>> logger = ab.inference.CSVLogger(path)
    >>> _ = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=3, progress=False, loggers=[logger])
    >>> path.read_text().splitlines()[0]
    'step,train_bound,validation_bound,learning_rate,bound'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def start(self, settings: Mapping[str, Any], resumed: bool = False) -> None:
        """Create the folder, and remove the file of an earlier fit unless this one continues it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not resumed:
            self.path.unlink(missing_ok=True)

    def log(self, row: Mapping[str, float]) -> None:
        """Append one line to the file."""
        new = not self.path.exists() or self.path.stat().st_size == 0
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)

    def finish(self) -> None:
        """Do nothing, since no file is left open."""


class TensorBoardLogger:
    """Curves for ``tensorboard --logdir FOLDER`` (needs the package tensorboard).

    Raises:
        ImportError: tensorboard is not installed, at the first use; the message says how to
            install it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._writer: Any = None

    def start(self, settings: Mapping[str, Any], resumed: bool = False) -> None:
        """Open the folder, and store the settings as text."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise NotInstalledError(
                "TensorBoardLogger needs the package tensorboard; pip install tensorboard"
            ) from error
        self._writer = SummaryWriter(str(self.folder))
        lines = [f"    {name}: {value}" for name, value in settings.items()]
        self._writer.add_text("settings", "\n".join(lines))

    def log(self, row: Mapping[str, float]) -> None:
        """Add one point to every curve."""
        for name, value in row.items():
            if name != "step" and value == value:  # without held-out rows a bound is nan
                self._writer.add_scalar(name, value, int(row["step"]))

    def finish(self) -> None:
        """Write what is buffered, and close the folder."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WandbLogger:
    """A run of Weights & Biases (needs the package wandb), which is offline by default.

    Offline it writes to ``folder``/wandb and asks for no account; ``wandb sync`` sends it later.

    Args:
        project: the project of the run.
        folder: the folder in which the run is kept.
        offline: False sends the run to the account that wandb is logged in to.
        options: further arguments of ``wandb.init``.

    Raises:
        ImportError: wandb is not installed, at the first use; the message says how to install it.
    """

    def __init__(
        self,
        project: str = "absentia",
        folder: str | os.PathLike[str] = ".",
        offline: bool = True,
        **options: Any,
    ) -> None:
        self.project, self.folder, self.offline = project, Path(folder), offline
        self.options = options
        self._run: Any = None

    def start(self, settings: Mapping[str, Any], resumed: bool = False) -> None:
        """Begin a run with these settings."""
        try:
            import wandb
        except ImportError as error:
            raise NotInstalledError(
                "WandbLogger needs the package wandb; pip install wandb"
            ) from error
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=self.project,
            dir=str(self.folder),
            mode="offline" if self.offline else "online",
            config=dict(settings),
            **self.options,
        )

    def log(self, row: Mapping[str, float]) -> None:
        """Add one point to every curve."""
        values = {name: value for name, value in row.items() if name != "step" and value == value}
        self._run.log(values, step=int(row["step"]))

    def finish(self) -> None:
        """End the run of Weights & Biases."""
        if self._run is not None:
            self._run.finish()
            self._run = None
