"""The Python blocks of README.md run, in order, in one namespace."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```python[^\S\n]*\n(.*?)^```[^\S\n]*$", flags=re.MULTILINE | re.DOTALL)


def test_python_blocks_run(tmp_path, monkeypatch):
    text = README.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    if not blocks:
        pytest.skip("README.md has no Python block")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "readme"}
    for block in blocks:
        above = text.count("\n", 0, block.start(1))  # so that a traceback names README's own lines
        exec(compile("\n" * above + block[1], str(README), "exec"), namespace)


def test_a_mechanism_of_one_s_own_takes_eight_lines_at_most():
    text = README.read_text(encoding="utf-8")
    (block,) = (b[1] for b in BLOCK.finditer(text) if "class HidesExtremes" in b[1])
    body = re.search(
        r"^class HidesExtremes.*?(?=^\w(?!lass))", block, flags=re.MULTILINE | re.DOTALL
    )
    assert body is not None
    lines = [line for line in body[0].splitlines() if line.strip()]
    assert len(lines) <= 8
