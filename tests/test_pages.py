"""The blocks of README.md and of the documentation's pages run as they stand.

The Python blocks of a page run in order, in one namespace; so do its shell commands, in an empty
folder. The quick run lowers the budgets that the blocks name; ``make test-slow`` pastes them.
"""

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

ROOT = Path(__file__).parents[1]
#: pages that the build makes or copies are tested where they come from
MADE = ("generated", "tutorials", "_build")
PAGES = [ROOT / "README.md"] + [
    page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if not set(MADE) & set(page.relative_to(ROOT).parts)
]
#: pages that take long even with lowered budgets; they run only as pasted, with the slow tests
LONG = {
    "docs/how-to/checks.md",
    "docs/how-to/pictures.md",
    "docs/how-to/pooled-regression.md",
    "docs/how-to/regulator.md",
    "docs/how-to/scikit-learn.md",
    "docs/how-to/two-groups.md",
    "docs/models/average.md",
    "docs/start.md",
}
#: what a block may be: run, drawn by the site, or text
KNOWN = {"", "python", "sh", "text", "toml", "json", "bibtex"}


def blocks(text, language):
    """Yield the position and the text of each block of a language."""
    pattern = rf"^```{language}[^\S\n]*\n(.*?)^```[^\S\n]*$"
    for found in re.finditer(pattern, text, flags=re.MULTILINE | re.DOTALL):
        yield found.start(1), found[1]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def pages_with(language, without=()):
    """The pages that have blocks of a language, but for some of them."""
    return [
        pytest.param(page, id=name_of(page))
        for page in PAGES
        if list(blocks(page.read_text(encoding="utf-8"), language)) and name_of(page) not in without
    ]


#: the most that the quick run spends on an argument of these names
BUDGETS = {
    "steps": 20, "particles": 50, "samples": 20, "warm_up": 20, "draws": 5, "replications": 20,
    "rows": 100, "m": 2,
}  # fmt: skip


class Quicker(ast.NodeTransformer):
    """Lower the budgets that a page's calls and dictionaries of options name."""

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


def run_blocks(page, tmp_path, monkeypatch, quick):
    text = page.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    if quick:  # the first rows of the same tables
        for name in ("load", "target"):
            whole = getattr(uci, name)
            monkeypatch.setattr(uci, name, lambda *a, whole=whole: whole(*a).head(100))
        for name in ("SWEEPS", "_LEAST_SWEEPS"):  # where no steps are given
            monkeypatch.setattr(sampled, name, 100)
    for start, block in blocks(text, "python"):
        above = text.count("\n", 0, start)  # so that a traceback names the page's own lines
        tree = ast.parse("\n" * above + block, str(page))
        if quick:
            tree = Quicker().visit(tree)
        exec(compile(tree, str(page), "exec"), namespace)


# of what was hardly fitted, much is said; as pasted, nothing may be
@pytest.mark.filterwarnings("ignore::absentia.AbsentiaWarning")
@pytest.mark.parametrize("page", pages_with("python", without=LONG))
@pytest.mark.thin(5)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    run_blocks(page, tmp_path, monkeypatch, quick=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run_as_pasted(page, tmp_path, monkeypatch):
    run_blocks(page, tmp_path, monkeypatch, quick=False)


@pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in PAGES])
def test_blocks_are_of_languages_that_are_run_or_shown(page):
    text = page.read_text(encoding="utf-8")
    opened = re.findall(r"^```+([^\n`{]*)$", text, flags=re.MULTILINE)
    assert {language.strip() for language in opened} <= KNOWN


def test_readme_fits_on_a_screen_or_few():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_files_that_pages_link_to_are_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def test_a_mechanism_of_one_s_own_takes_eight_lines_at_most():
    text = (ROOT / "docs/how-to/own-parts.md").read_text(encoding="utf-8")
    (block,) = (block for _, block in blocks(text, "python") if "class HidesExtremes" in block)
    body = re.search(r"^class HidesExtremes.*?(?=^\w)", block + "\nend", re.MULTILINE | re.DOTALL)
    assert body is not None
    lines = [line for line in body[0].splitlines() if line.strip()]
    assert len(lines) <= 8


#: as pasted but for how long they take
QUICKER = {
    "impute": ["--steps", "20", "--particles", "50"],
    "report": ["--particles", "50", "--multiple", "2"],
    "sensitivity": ["--multiple", "2"],
}


def commands(page):
    """The commands of a page's shell examples, in order, as a shell splits them."""
    text = page.read_text(encoding="utf-8")
    lines = [line for _, block in blocks(text, "sh") for line in block.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["absentia"]]


class Once:
    """Runs commands in a folder, each of them once: the second page that has it gets its files."""

    def __init__(self):
        self.known = {}

    def run(self, words, folder):
        needs = {word for word in words if (folder / word).exists()}
        if tuple(words) in self.known:
            needed, made = self.known[tuple(words)]
            assert needed <= needs, f"{' '.join(words)}\nhas no {needed - needs} here"
        else:
            before = contents(folder)
            done = CliRunner().invoke(app, [*words, *QUICKER.get(words[0], [])])
            assert done.exit_code == 0, f"{' '.join(words)}\n{done.output}"
            made = {name: b for name, b in contents(folder).items() if before.get(name) != b}
            self.known[tuple(words)] = needs, made
        for name, inside in made.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(inside)


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_shell_examples_run_in_an_empty_folder(tmp_path, monkeypatch):
    run, once = ("example", "inspect", "pool", *QUICKER), Once()
    for page in (page.values[0] for page in pages_with("sh")):
        folder = tmp_path / name_of(page)
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        for words in (words for words in commands(page) if words[0] in run):
            once.run(words, folder)
            if "--out" in words:
                assert (folder / words[words.index("--out") + 1]).exists()


def test_shell_examples_name_commands_and_options_that_there_are():
    of_command = typer.main.get_command(app).commands
    seen = set()
    for page in PAGES:
        for words in commands(page):
            command, seen = of_command[words[0]], seen | {words[0]}
            known = {name for option in command.params for name in option.opts}
            given = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
            assert given <= known | {"--help"}, f"{name_of(page)}: {' '.join(words)}"
    assert {"impute", "pool", "sensitivity", "reproduce", "results", "tune"} <= seen


def test_shell_examples_name_experiments_that_there_are():
    named = {"reproduce": Spec, "results": Spec, "tune": Sweep}
    jobs = [words for page in PAGES for words in commands(page) if words[0] in named]
    assert {words[0] for words in jobs} == set(named)
    for words in jobs:
        command = typer.main.get_command(app).commands[words[0]]
        context = command.make_context(words[0], words[1:])  # refuses unknown options
        found = named[words[0]].named(context.params["name"])
        if "budget" in context.params:
            assert context.params["budget"] in found.budgets
