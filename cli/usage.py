"""Mistakes in what was typed, before a command runs: one line each, as for all other mistakes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from .console import errors, print_document, say
from .words import speak_of


class OneLineGroup(TyperGroup):
    """Commands that report an unknown option, a wrong or a missing value in one line.

    Typer draws a box of several lines, which a log file or a script cannot read.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, whose options are then named in what it says."""
        found = super().resolve_command(ctx, args)
        speak_of(getattr(found[1], "params", ()))
        return found

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command, and end the process with its status unless ``standalone_mode`` is off."""
        given = list(sys.argv[1:] if args is None else args)
        options = (windows_expand_args,)
        if not given or not standalone_mode:  # nothing given: typer shows the help
            return super().main(args, prog_name, complete_var, standalone_mode, *options, **extra)
        try:
            status = super().main(args, prog_name, complete_var, False, *options, **extra)
        except typer.Abort:
            say("stopped", errors)
            status = 1
        except Exception as error:
            # the class of these errors belongs to click, or to typer's own copy of it
            if not hasattr(error, "format_message"):
                raise
            text, status = _in_one_line(error), int(getattr(error, "exit_code", 2))
            say(f"error: {text}", errors)
            if "--json" in given:
                print_document({"error": text, "exit_code": status})
        sys.exit(status if isinstance(status, int) else 0)


def _in_one_line(error: Any) -> str:
    """Write what was wrong in the words of all other errors, and where the options are listed."""
    text = " ".join(str(error.format_message()).split()).rstrip(".")
    context = getattr(error, "ctx", None)
    command = "absentia" if context is None else context.command_path
    return f"{text[:1].lower()}{text[1:]}; {command} --help lists what there is"
