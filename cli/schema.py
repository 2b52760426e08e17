"""The command ``absentia schema``: the JSON schema of what a command prints with --json."""

from __future__ import annotations

from typing import Annotated

import typer

from ..data.errors import InputError
from .console import listed, print_document
from .one_line_errors import one_line_errors


def schema(
    name: Annotated[
        str,
        typer.Argument(
            help="impute, inspect, pool, report or sensitivity: what the command prints with "
            "--json; page: the file beside a report; error: what a failure prints.",
            show_default=False,
        ),
    ],
) -> None:
    """Print the JSON schema of a document that a command writes with --json."""
    with one_line_errors():
        from .documents import schema_names, schema_of

        known = schema_names()
        if name not in known:
            raise InputError(f"there is no schema '{name}'; give one of {listed(known, 12)}")
        print_document(schema_of(name))
