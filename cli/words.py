"""The arguments that the library names in its texts, as the options of the command that runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .console import quoted

#: what is another command here
_COMMANDS = {
    "slope_sensitivity": "absentia sensitivity",
    "multiple_imputation": "absentia impute --multiple",
}
#: an argument, as in ``parameters='bootstrap'``, ``sign={'crp': 'low'}`` or ``sep=``; a name that
#: begins behind a quote is that of a column
_ARGUMENT = re.compile(
    r"(?<![\w'\"`=.-])([a-z_]+)="
    r"('[^']*'|\d+(?:\.\d+)?|\{'[^']*': '[^']*'\})?(?![\w'\"\[{(])"
)
#: the options of the command that runs, by the name of their argument
_here: dict[str, str] = {}


def speak_of(options: Iterable[Any]) -> None:
    """Take the options of the command that runs; those of the command before are forgotten."""
    _here.clear()
    for option in options:
        if option.opts and option.opts[0].startswith("--"):
            _here[str(option.name)] = str(option.opts[0])


def at_the_shell(text: str) -> str:
    """Write arguments in a text of the library as options, where this command has them."""
    for name, command in _COMMANDS.items():
        text = re.sub(rf"\b{name}\b(?!\()", command, text)
    return _ARGUMENT.sub(_as_option, text)


def _as_option(found: re.Match[str]) -> str:
    if found[1] not in _here:
        return found[0]
    option, value = _here[found[1]], found[2]
    if value is None:
        return option
    if value.startswith("{"):
        column, one = re.findall(r"'([^']*)'", value)
        return f"{option} {quoted(f'{column}={one}')}"
    return f"{option} {quoted(value.strip(chr(39)))}"
