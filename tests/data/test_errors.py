"""Errors and warnings have one base each, and what Python calls them besides."""

import ast
import builtins
import importlib
import inspect
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import absentia as ab
from absentia.data import errors
from absentia.data.system.files import write_text_atomic

ROOT = Path(ab.__file__).parent
FOLDERS = ("cli", "data", "experiments", "inference", "models")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
#: what Python's own protocols ask for by its exact type
PROTOCOL = {"NotImplementedError", "AttributeError", "SystemExit"}


def raised(tree: ast.Module) -> set[str]:
    """The names of Python's own exceptions that a module raises or returns."""
    made = [
        node.exc if isinstance(node, ast.Raise) else node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise | ast.Return)
    ]
    names = [one.func if isinstance(one, ast.Call) else one for one in made]
    return {
        one.id
        for one in names
        if isinstance(one, ast.Name)
        and isinstance(kind := getattr(builtins, one.id, None), type)
        and issubclass(kind, BaseException)
    }


def test_no_module_raises_a_bare_error_of_python():
    assert FILES
    found = {
        path.relative_to(ROOT).as_posix(): names
        for path in FILES
        if (names := raised(ast.parse(path.read_text(encoding="utf-8"))) - PROTOCOL)
    }
    assert found == {}


def test_every_error_and_warning_of_the_package_has_its_base():
    classes = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            and any(str(getattr(b, "id", "")).endswith(("Error", "Warning")) for b in node.bases)
        ]
        if names:
            module = ".".join(("absentia", *path.relative_to(ROOT).with_suffix("").parts))
            classes += [getattr(importlib.import_module(module), name) for name in names]
    assert {c.__name__ for c in classes} >= {"IntegrationError", "WeightError", "SentinelWarning"}
    for kind in classes:
        base = ab.AbsentiaWarning if issubclass(kind, Warning) else ab.AbsentiaError
        assert issubclass(kind, base), kind


def test_a_refusal_is_caught_as_absentias_and_as_pythons():
    for expected in (ab.AbsentiaError, ValueError):
        with pytest.raises(expected, match="columns"):
            ab.IncompleteData.from_numpy(np.ones((3, 2)), columns=["pay"])
    for expected in (ab.AbsentiaError, TypeError):
        with pytest.raises(expected, match="str"):
            ab.pool("no tables")
    for expected in (ab.AbsentiaError, OSError):
        with pytest.raises(expected, match="nowhere"):
            write_text_atomic(Path("/nowhere/there/a.txt"), "text")


def test_warnings_are_caught_by_category():
    table = np.random.default_rng(0).normal(size=(50, 1))
    table[:5] = -9999
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ab.AbsentiaWarning)
        with pytest.raises(ab.AbsentiaWarning, match="-9999"):
            ab.IncompleteData.from_numpy(table)


@pytest.mark.parametrize(
    "kind", [k for _, k in inspect.getmembers(errors, inspect.isclass)], ids=lambda k: k.__name__
)
def test_errors_travel_between_processes(kind):
    again = pickle.loads(pickle.dumps(kind("what happened")))
    assert type(again) is kind
    assert again.args == ("what happened",)
