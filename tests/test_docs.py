"""The site's sources: every public name has one place, and what pages name is there."""

import ast
import html
import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from absentia.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: the rooms whose public names the reference lists
ROOMS = (
    "absentia", "absentia.check", "absentia.data", "absentia.data.amputation",
    "absentia.data.datasets", "absentia.experiments.runner", "absentia.experiments.tuning",
    "absentia.inference", "absentia.models", "absentia.plots", "absentia.sensitivity",
)  # fmt: skip


def listed():
    """The names in the reference's pages, in order."""
    names = []
    for page in sorted((DOCS / "api").glob("*.md")):
        names += re.findall(r"^   ~(absentia\.[\w.]+)$", page.read_text("utf-8"), re.MULTILINE)
    return names


def found(name):
    home, _, own = name.rpartition(".")
    return getattr(importlib.import_module(home), own)


def test_every_public_name_stands_in_the_reference_once():
    objects = {name: found(name) for name in listed()}
    assert len(objects) == len(listed())
    assert len({id(one) for one in objects.values()}) == len(objects)
    known = {id(one) for one in objects.values()}
    rooms = {id(importlib.import_module(room)) for room in (*ROOMS, "absentia.experiments")}
    for room in ROOMS:
        module = importlib.import_module(room)
        lost = [n for n in module.__all__ if id(getattr(module, n)) not in known | rooms]
        assert not lost, f"of {room} no page in docs/api lists {lost}"


def test_tests_that_pages_name_are_there():
    for page in DOCS.rglob("*.md"):
        for path in re.findall(r"`((?:tests|experiments)/[\w/.-]+)`", page.read_text("utf-8")):
            assert (ROOT / path).exists(), f"{page.relative_to(ROOT)} names {path}"


def test_every_model_has_a_page_of_the_same_parts():
    pages = [page for page in (DOCS / "models").glob("*.md") if page.stem != "index"]
    assert len(pages) >= 12
    parts = ("```{program-graph}", "$$", "**Assumes**", "**Identified**", "**When not**",
             "**Call**", "**Reference**")  # fmt: skip
    for page in pages:
        text = page.read_text("utf-8")
        lacking = [part for part in parts if part not in text]
        assert not lacking, f"{page.name} lacks {', '.join(lacking)}"
    every = "\n".join(page.read_text("utf-8") for page in pages)
    models = importlib.import_module("absentia.models")
    builders = [
        n for n in models.__all__ if inspect.isfunction(getattr(models, n)) and n[0].isupper()
    ]
    assert len(builders) >= 8
    for name in builders:
        assert re.search(rf"absentia\.(models\.)?{name}\b", every), f"no page calls {name}"


def test_every_estimator_names_its_tests():
    sections = re.split(r"^## ", (DOCS / "statistics.md").read_text("utf-8"), flags=re.MULTILINE)
    assert len(sections) > 18
    for section in sections[1:]:
        assert "`tests/" in section, section.partition("\n")[0]


def test_every_page_stands_in_a_table_of_contents():
    pages = {
        page.relative_to(DOCS).with_suffix("").as_posix()
        for page in DOCS.rglob("*.md")
        if not {"generated", "_build"} & set(page.parts)
    }
    listed_pages = {"index"}
    for page in pages:
        text = (DOCS / page).with_suffix(".md").read_text("utf-8")
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
            for entry in re.findall(r"^(?!:)(?:.*<)?([\w/.-]+)>?$", tree, re.MULTILINE):
                listed_pages.add((Path(page).parent / entry).as_posix())
    assert pages <= listed_pages


def test_every_notebook_is_a_tutorial():
    index = (DOCS / "tutorials" / "index.md").read_text("utf-8")
    for notebook in (ROOT / "experiments" / "notebooks").glob("*.ipynb"):
        assert f"\n{notebook.stem}\n" in index


def messages():
    """Every text in the package's sources, with a mark where a value is put in."""
    texts = []
    for room in ("data", "models", "inference", "cli"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            docstrings = {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            }
            for node in ast.walk(tree):
                if node in docstrings:
                    continue
                if isinstance(node, ast.JoinedStr):
                    parts = (getattr(part, "value", "") for part in node.values)
                    texts.append("".join(p if isinstance(p, str) else "\0" for p in parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


def test_messages_that_the_errors_page_explains_are_said():
    said = messages()
    page = (DOCS / "faq.md").read_text("utf-8")
    quoted = re.findall(r"\*\*(.+?)\*\*", "\n".join(re.findall(r"^(\*\*.+)\n: ", page, re.M)))
    assert len(quoted) > 20
    for message in quoted:
        for piece in (p.strip() for p in message.split("...")):
            assert piece in said, f"no source says {piece!r}"


def test_the_site_is_not_shipped():
    packages = (ROOT / "pyproject.toml").read_text("utf-8").partition("packages = [")[2]
    assert "absentia.docs" not in packages.partition("]")[0]


def extension(name):
    """A module of the site's own extensions."""
    path = DOCS / "_ext" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"docs_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_command_has_a_page_with_all_its_options():
    pages = extension("commands").pages()
    commands = typer.main.get_command(app).commands
    assert set(pages) == {*commands, "index"}
    for name, command in commands.items():
        assert f"({name}.md)" in pages["index"]
        for parameter in command.params:
            if parameter.name != "help":
                for spelled in parameter.opts:
                    shown = spelled if spelled.startswith("-") else spelled.upper()
                    assert f"`{shown}`" in pages[name], f"{name} does not list {shown}"


def test_options_are_written_as_code():
    for name, text in extension("commands").pages().items():
        bare = re.findall(r"--[a-z]+", re.sub(r"(`+).*?\1", "", text, flags=re.DOTALL))
        assert not bare, f"{name} writes {bare[0]} as text"


def test_formulas_have_no_command_that_is_not_known():
    pytest.importorskip("ziamath")
    mathml = extension("mathml").mathml
    assert ">{<" in mathml(r"\min\Big\{v : v > 1\Big\}")
    with pytest.raises(ValueError, match="nonsense"):
        mathml(r"\nonsense x")
    for page in DOCS.rglob("*.md"):
        if not {"_build", "generated"} & {*page.parts}:
            for formula in re.findall(r"\$\$(.+?)\$\$", page.read_text("utf-8"), re.DOTALL):
                mathml(formula, "block")


def test_the_decision_tree_fits_a_narrow_screen(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    tree = extension("decision_tree")
    lines = (DOCS / "choose.md").read_text("utf-8").partition("```{decision-tree}")[2]
    questions = tree._read(lines.partition("```")[0].splitlines()[1:])
    narrow = tree._drawn(questions, "", tree._NARROW)
    assert tree._NARROW.width < 420
    letter = {"question": 8.2, "answer": 7.5, "take": 8.1}  # at most, in pixels
    drawn = re.findall(r'<text x="(\d+)" y="\d+" class="(\w+)">(.+?)</text>', narrow)
    assert len(drawn) > 30
    for x, kind, text in drawn:
        assert int(x) + letter[kind] * len(html.unescape(text)) < tree._NARROW.width, text


def addresses():
    """Every address outside that pages, the bibliography and the lists of names give."""
    found = {}
    for path in [
        ROOT / "README.md",
        ROOT / "CITATION.cff",
        *DOCS.rglob("*.md"),
        *DOCS.rglob("*.txt"),
    ]:
        if {"_build", "generated", "commands"} & set(path.parts):
            continue
        for one in re.findall(r"https?://[^\s)>\]\"'`]+", path.read_text("utf-8")):
            found[one.rstrip(".,;")] = path
    return found


def test_addresses_outside_are_well_formed():
    for address, path in addresses().items():
        parts = urlsplit(address)
        assert parts.scheme == "https", f"{path.name} has {address}, which is not https"
        assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc), f"{path.name}: {address}"
        assert not re.search(r"\s|[<>{}|\\^]", address), f"{path.name}: {address}"


def test_entries_of_the_bibliography_can_be_found():
    text = (DOCS / "bibliography.bib").read_text("utf-8")
    entries = re.split(r"^@", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 25
    for entry in entries:
        key = re.match(r"\w+\{(\w+),", entry).group(1)
        field = dict(re.findall(r"(\w+)=\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", entry))
        assert {"author", "title", "year"} <= set(field), key
        where = {"booktitle", "journal", "publisher", "howpublished", "note"}
        assert where & set(field), f"{key} says nowhere where it appeared"
        if "doi" in field:
            assert re.fullmatch(r"10\.\d{4,9}/\S+", field["doi"]), key
    assert text.count("doi={") > 15
