"""The entry point of ``python -m absentia.cli``."""

from . import app

app()
