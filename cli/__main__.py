"""``python -m absentia.cli``."""

from . import app

app()
