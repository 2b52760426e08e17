"""The entry point of ``python -m absentia`` and of ``torchrun -m absentia``."""

from absentia.cli import app

app()
