"""Fitting by maximising the bound: minibatches, optimiser, history, checkpoints."""

from .loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from .loop import fit
from .nonfinite import NonFiniteLossError
from .result import FitResult, load, save
from .settings import FitSettings

__all__ = [
    "CSVLogger",
    "FitResult",
    "FitSettings",
    "Logger",
    "NonFiniteLossError",
    "TensorBoardLogger",
    "WandbLogger",
    "fit",
    "load",
    "save",
]
