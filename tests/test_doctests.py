"""The examples in docstrings, run under the installed name.

pytest's own collector imports a file by its path, and a file of this repository has its parent
package only under its installed name. So the modules are imported by name and handed to doctest.
"""

import doctest
import importlib
import tomllib
from pathlib import Path
from typing import Any

import pyro
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
#: examples of several fits, whose functions have tests of their own
SLOW = {
    "absentia.experiments.demo",
    "absentia.inference.checks.leave_out",
    "absentia.inference.checks.predictive",
    "absentia.inference.report.page",
    "absentia.inference.sensitivity.pooled",
    "absentia.inference.sensitivity.slope",
    "absentia.inference.uncertainty.multiple",
}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_with_examples() -> list[Any]:
    """Names of the shipped modules whose source shows a prompt; nothing is imported here."""
    names = []
    for package in PACKAGES:
        for path in sorted(ROOT.joinpath(*package.split(".")[1:]).glob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                names.append(package if path.stem == "__init__" else f"{package}.{path.stem}")
    assert set(names) >= SLOW
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in names]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    report: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        runner.run(example, out=report.append)
    assert runner.tries, f"{name} shows a prompt outside of docstrings; no example was found"
    assert not runner.failures, "".join(report)
