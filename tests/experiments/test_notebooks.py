"""The notebooks stand in the repository as they ran, and run again to the same outputs."""

import re

import nbformat
import pytest

from tests.experiments.notebooks import NOTEBOOKS, executed

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])")
#: what a number may differ by from one machine to the next: absolutely, and relative to its size
_ABSOLUTE, _RELATIVE = 0.05, 0.05


def code_of(path):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def texts_of(cell):
    """Return the printed text, the value as text, and the kinds of outputs of a cell."""
    printed = "".join(o["text"] for o in cell["outputs"] if o["output_type"] == "stream")
    data = [o["data"] for o in cell["outputs"] if "data" in o]
    shown = "\n".join(one.get("text/plain", "") for one in data)
    return printed, shown, [sorted(one) for one in data]


def same_numbers(one, other):
    """Whether two texts have the same numbers, nearly."""
    first, second = ([float(n) for n in _NUMBER.findall(text)] for text in (one, other))
    return len(first) == len(second) and all(
        abs(a - b) <= _ABSOLUTE + _RELATIVE * abs(b) for a, b in zip(first, second, strict=True)
    )


def test_numbers_of_outputs_are_compared():
    assert same_numbers("mean 1.03 (se 0.2)", "mean 1.00 (se 0.21)")
    assert not same_numbers("mean 1.3", "mean 1.0")
    assert not same_numbers("1 2", "1")
    assert not same_numbers("-1.0", "1.0")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_as_it_ran(path):
    cells = code_of(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(o["output_type"] != "error" for cell in cells for o in cell["outputs"])
    assert sum(bool(cell["outputs"]) for cell in cells) > len(cells) / 2
    source = "\n".join(cell["source"] for cell in cells)
    assert 'simplefilter("ignore")' not in source  # what is warned of is shown
    assert "progress=True" not in source
    assert path.stat().st_size < 700_000


def test_they_are_all_there():
    assert [path.stem[0] for path in NOTEBOOKS] == list("12345678")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own parts
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_to_the_outputs_that_are_stored(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "")  # put back after the test
    again = [cell for cell in executed(path)["cells"] if cell["cell_type"] == "code"]
    for stored, new in zip(code_of(path), again, strict=True):
        (old_text, old_value, old_kinds), (text, value, kinds) = texts_of(stored), texts_of(new)
        assert kinds == old_kinds, new["source"]
        assert same_numbers(value, old_value), f"{value}\n\nis stored as\n\n{old_value}"
        assert same_numbers(text, old_text), f"{text}\n\nis stored as\n\n{old_text}"
