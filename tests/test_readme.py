"""The Python blocks of README.md run, in order, in one namespace; so do its shell examples."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from absentia.cli import app
from absentia.data.datasets import uci
from absentia.experiments.runner import Spec
from absentia.experiments.tuning import Sweep
from absentia.inference.fitting import sampled

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```python[^\S\n]*\n(.*?)^```[^\S\n]*$", flags=re.MULTILINE | re.DOTALL)


#: the most that the quick run spends on an argument of these names
BUDGETS = {
    "steps": 20, "particles": 50, "samples": 20, "warm_up": 20, "draws": 5, "replications": 20,
    "rows": 100, "m": 2,
}  # fmt: skip


class Quicker(ast.NodeTransformer):
    """Lower the budgets that README's calls and dictionaries of options name."""

    def visit_keyword(self, node):
        self.lower(node.arg, node.value)
        return self.generic_visit(node)

    def visit_Dict(self, node):
        for key, value in zip(node.keys, node.values, strict=True):
            self.lower(getattr(key, "value", None), value)
        return self.generic_visit(node)

    def lower(self, name, value):
        if name in BUDGETS and isinstance(value, ast.Constant) and isinstance(value.value, int):
            value.value = min(value.value, BUDGETS[name])


# of what was hardly fitted, much is said; as pasted, nothing may be
HARDLY_FITTED = pytest.mark.filterwarnings("ignore::absentia.AbsentiaWarning")


@pytest.mark.parametrize(
    "budget",
    [
        pytest.param("quick", marks=HARDLY_FITTED),
        pytest.param("as pasted", marks=pytest.mark.slow),
    ],
)
def test_python_blocks_run(tmp_path, monkeypatch, budget):
    text = README.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "readme"}
    if budget == "quick":  # the first rows of the same tables
        for name in ("load", "target"):
            whole = getattr(uci, name)
            monkeypatch.setattr(uci, name, lambda *a, whole=whole: whole(*a).head(100))
        for name in ("_WARM_UP", "_KEPT"):  # the sampler's length is no argument
            monkeypatch.setattr(sampled, name, 100)
    for block in blocks:
        above = text.count("\n", 0, block.start(1))  # so that a traceback names README's own lines
        tree = ast.parse("\n" * above + block[1], str(README))
        if budget == "quick":
            tree = Quicker().visit(tree)
        exec(compile(tree, str(README), "exec"), namespace)


def test_a_mechanism_of_one_s_own_takes_eight_lines_at_most():
    text = README.read_text(encoding="utf-8")
    (block,) = (b[1] for b in BLOCK.finditer(text) if "class HidesExtremes" in b[1])
    body = re.search(
        r"^class HidesExtremes.*?(?=^\w(?!lass))", block, flags=re.MULTILINE | re.DOTALL
    )
    assert body is not None
    lines = [line for line in body[0].splitlines() if line.strip()]
    assert len(lines) <= 8


SHELL = re.compile(r"^```sh[^\S\n]*\n(.*?)^```[^\S\n]*$", flags=re.MULTILINE | re.DOTALL)
#: as pasted but for how long they take
QUICKER = {
    "impute": ["--steps", "20", "--particles", "50"],
    "report": ["--particles", "50", "--multiple", "2"],
    "sensitivity": ["--multiple", "2"],
}


def commands():
    """The commands of README's shell examples, in order, as a shell splits them."""
    text = README.read_text(encoding="utf-8")
    lines = [line for block in SHELL.finditer(text) for line in block[1].splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["absentia"]]


@pytest.mark.slow
def test_shell_examples_run_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [words for words in commands() if words[0] in ("example", "inspect", "pool", *QUICKER)]
    names = ["example", "inspect", *["impute"] * 3, "pool", "sensitivity", "impute", "report"]
    assert [words[0] for words in jobs] == names
    for words in jobs:
        done = CliRunner().invoke(app, [*words, *QUICKER.get(words[0], [])])
        assert done.exit_code == 0, f"{' '.join(words)}\n{done.output}"
    for name in ("filled.csv", "filled-rows.csv", "filled-draws.csv", "report.html", "fit"):
        assert (tmp_path / name).exists()


def test_shell_examples_name_experiments_and_options_that_there_are():
    named = {"reproduce": Spec, "results": Spec, "tune": Sweep}
    jobs = [words for words in commands() if words[0] in named]
    assert {words[0] for words in jobs} == set(named)
    for words in jobs:
        command = typer.main.get_command(app).commands[words[0]]
        context = command.make_context(words[0], words[1:])  # refuses unknown options
        found = named[words[0]].named(context.params["name"])
        if "budget" in context.params:
            assert context.params["budget"] in found.budgets
