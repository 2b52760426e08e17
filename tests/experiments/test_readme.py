"""The README's tables: drawn from results, and those that are committed."""

from pathlib import Path

from absentia.experiments import readme

ROOT = Path(__file__).parents[2]
TEXT = "before\n<!-- results ring -->\nold\n<!-- end of results -->\nafter\n"


def test_tables_are_drawn_between_their_marks(tmp_path):
    found = readme.refreshed(TEXT, ROOT / "experiments" / "results")
    assert found.startswith("before\n<!-- results ring -->\n| rmse | ring |")
    assert found.endswith("cells.\n<!-- end of results -->\nafter\n")
    assert "old" not in found
    path = tmp_path / "R.md"
    path.write_text(TEXT)
    options = ["--files", str(path), "--results", str(ROOT / "experiments" / "results")]
    assert readme.main([*options, "--check"]) == 1
    assert readme.main(options) == 0
    assert path.read_text() == found
    assert readme.main([*options, "--check"]) == 0


def test_a_score_can_be_named():
    text = TEXT.replace("ring", "ring seconds")
    assert "| seconds | ring |" in readme.refreshed(text, ROOT / "experiments" / "results")


def test_the_readmes_tables_are_those_of_the_committed_results():
    for file in readme.FILES:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert text.count("<!-- results ") == text.count("<!-- end of results -->") > 0
        assert readme.refreshed(text, ROOT / "experiments" / "results") == text
