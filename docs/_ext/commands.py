"""The pages of the commands, made from the command line itself, so that they cannot go stale."""

from __future__ import annotations

import enum
import inspect
import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer


def pages() -> dict[str, str]:
    """Return the text of a page for each command, and of their index, by name."""
    from absentia.cli import app

    made, rows = {}, []
    for command in sorted(app.registered_commands, key=lambda one: str(one.callback.__name__)):
        name = (command.name or command.callback.__name__).replace("_", "-")
        made[name] = page(name, command)
        first = _paragraphs(str(command.help))[0]
        rows.append(f"| [`absentia {name}`]({name}.md) | {_cell(first)} |")
    names = "\n".join(made)
    made["index"] = (
        "# Commands\n\nEvery command with its arguments and options, as `absentia COMMAND --help` "
        "prints them.\nHow they go together is told in "
        "[a CSV at the shell](../how-to/csv-at-the-shell.md).\n\n"
        "| | |\n|---|---|\n" + "\n".join(rows) + f"\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )
    return made


def page(name: str, command: Any) -> str:
    """Write the page of one command."""
    hints = get_type_hints(command.callback, include_extras=True)
    arguments, options = [], []
    for parameter in inspect.signature(command.callback).parameters.values():
        if parameter.annotation is typer.Context or hints.get(parameter.name) is typer.Context:
            continue
        kind, info = _parts(hints.get(parameter.name, parameter.annotation))
        given = parameter.default is inspect.Parameter.empty
        words = _cell(getattr(info, "help", "") or "")
        if type(info).__name__ == "ArgumentInfo":
            arguments.append((parameter.name.upper(), words))
            continue
        # where an option is annotated, typer keeps its first name in the place of the default
        first = getattr(info, "default", None)
        spelled = [*([first] if isinstance(first, str) else []), *(info.param_decls or ())]
        spelled = [one for one in spelled if one.startswith("-")]
        names = spelled or [f"--{parameter.name.replace('_', '-')}"]
        shown = ", ".join(f"`{one}`" for one in names)
        default = "" if given or parameter.default in (None, False, "") else parameter.default
        default = default.value if isinstance(default, enum.Enum) else default
        usual = "required" if given else f"`{default}`" if default != "" else ""
        options.append(f"| {shown} | {_cell(_values(kind))} | {words} | {usual} |")
    line = " ".join(["absentia", name, *(one for one, _ in arguments), "[OPTIONS]"])
    text = f"# absentia {name}\n\n```text\n{line}\n```\n\n"
    text += "\n\n".join(map(_escaped, _paragraphs(str(command.help)))) + "\n"
    if arguments:
        text += "\n| argument | |\n|---|---|\n"
        text += "\n".join(f"| `{one}` | {words} |" for one, words in arguments) + "\n"
    if options:
        text += "\n| option | value | what it does | by default |\n|---|---|---|---|\n"
        text += "\n".join(options) + "\n"
    return text


def _parts(annotation: Any) -> tuple[Any, Any]:
    if get_origin(annotation) is Annotated:
        kind, info, *_ = get_args(annotation)
        return kind, info
    return annotation, None


def _values(kind: Any) -> str:
    """Say what an option takes."""
    inner = [one for one in get_args(kind) if one is not type(None)]
    if inner:
        return _values(inner[0])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    words = {bool: "", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    return words.get(kind, "a text")


def _paragraphs(text: str) -> list[str]:
    return [" ".join(one.split()) for one in text.split("\n\n") if one.strip()]


def _escaped(text: str) -> str:
    """Write a paragraph so that Markdown shows its letters, and options are not broken in two."""
    text = re.sub(r"([*_<>\[\]{}$])", r"\\\1", text)
    return re.sub(r"(?<![\w`-])(--[a-z][a-z-]*[a-z])", r"`\1`", text)


def _cell(text: str) -> str:
    return text if text.startswith("`") else _escaped(" ".join(text.split())).replace("|", r"\|")


def write(folder: Path) -> None:
    """Write all pages that have changed, and remove those of commands that are gone."""
    folder.mkdir(exist_ok=True)
    made = pages()
    for path in folder.glob("*.md"):
        if path.stem not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
