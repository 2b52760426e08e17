"""Docstrings are sentences: public ones have at least four words and end with a full stop."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("data", "models", "inference", "experiments", "cli")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def public_docstrings(source: str):
    """Yield name and docstring of a module, its public classes and their public functions."""
    module = ast.parse(source)
    yield "the module", ast.get_docstring(module)
    waiting = [(module, "")]
    while waiting:
        within, prefix = waiting.pop()
        for node in ast.iter_child_nodes(within):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
                continue
            name = prefix + node.name
            yield name, ast.get_docstring(node)
            if isinstance(node, ast.ClassDef):
                waiting.append((node, name + "."))


def faults(source: str) -> list[str]:
    """List the public docstrings whose first paragraph is not a sentence."""
    found = []
    for name, docstring in public_docstrings(source):
        if docstring is None:
            continue  # ruff (D1) asks for one
        first = docstring.split("\n\n")[0].strip()
        if len(first.split()) < 4:
            found.append(f"{name} has fewer than four words: {first!r}")
        if not first.endswith("."):
            found.append(f"{name} does not end with a full stop: {first!r}")
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_docstrings_are_sentences(folder):
    modules = [path for path in MODULES if path.is_relative_to(ROOT / folder)]
    assert modules
    found = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in modules
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("docstring", "fault"),
    [("The base's.", "four words"), ("Return the mean of every cell", "full stop")],
)
def test_what_is_no_sentence_is_found(docstring, fault):
    found = faults(f'"""A module of its own."""\n\ndef mean():\n    """{docstring}"""\n')
    assert len(found) == 1
    assert fault in found[0]
