"""Fitting by maximising the bound: minibatches, optimiser, history, checkpoints."""

from .loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from .loop import FitResult, fit
from .nonfinite import NonFiniteLossError
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
]
