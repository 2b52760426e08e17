"""The entry point of ``python -m absentia`` and of ``torchrun -m absentia``."""

from .cli import app

app()
