"""Several scores of an experiment in one table, at the command line and in the READMEs."""

import json

import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.experiments.readme import refreshed
from absentia.experiments.runner import Report, SideBySide, Spec, plan

SPEC = """
title = "Two tables"
source = "nobody"
tables = ["breast", "yeast"]

[[scenario]]
name = "above mean"
amputation = "above_mean"

[budget.full]
seeds = 2

[[method]]
name = "mean, plain"
kind = "mean"
published = {breast = 1.372}

[[method]]
name = "MICE"
kind = "mice"

[[method]]
name = "others"
kind = "published"
published = {yeast = 1.2}
"""


@pytest.fixture
def spec(tmp_path):
    """The spec, with results that say seed, method and table in their figures."""
    path = tmp_path / "two.toml"
    path.write_text(SPEC)
    spec = Spec.read(path)
    folder = tmp_path / "two"
    folder.mkdir()
    for cell in plan(spec, "full"):
        seed = cell.configuration["seed"]
        metrics = {"rmse": 1.0 + 0.2 * seed + 4.0 * (cell.column == "yeast")}
        cost = {"seconds": 100.0 + seed, "peak_memory_mb": 20 + 2 * seed}
        cost["parameters"] = {"all": 1234, "mechanism": 2}
        result = {"digest": cell.digest, "metrics": metrics, **cost}
        cell.path(folder).write_text(json.dumps(result))
    return spec


def test_scores_stand_side_by_side_with_their_errors_and_the_published(spec, tmp_path):
    scores = ["rmse", "seconds", "peak_memory_mb", "parameters", "mechanism_parameters"]
    found = SideBySide.of(spec, "full", tmp_path / "two", scores)
    assert (found.found, found.planned) == (8, 8)
    assert found.caption() == Report.of(spec, "full", tmp_path / "two").caption()
    # means of two seeds; 100.5 rounds to even
    costs = ["100 (0)", "21 (1)", "1234 (0)", "2 (0)"]
    assert found.rows() == [
        ["table", "method", *scores],
        ["breast", "mean, plain", "1.100 (.100) [1.372]", *costs],
        ["breast", "MICE", "1.100 (.100)", *costs],
        ["yeast", "mean, plain", "5.100 (.100)", *costs],
        ["yeast", "MICE", "5.100 (.100)", *costs],
        ["yeast", "others", "[1.20]", "", "", "", ""],
    ]
    chosen = SideBySide.of(spec, "full", tmp_path / "two", ["rmse"], ["breast"], ["mean, plain"])
    assert chosen.rows() == [["method", "rmse"], ["mean, plain", "1.100 (.100) [1.372]"]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((["rmse"], ["moon"]), "no 'moon'; .*breast, yeast"),
        ((["rmse"], None, ["MIWAE"]), "no 'MIWAE'; .*mean, plain, MICE, others"),
        ((["rmse", "q"],), "score 'q' is not one of .*peak_memory_mb, rmse, seconds"),
    ],
)
def test_what_is_not_there_is_named(spec, tmp_path, asked, message):
    with pytest.raises(ValueError, match=message):
        SideBySide.of(spec, "full", tmp_path / "two", *asked)


def test_a_block_of_a_readme_can_choose(tmp_path, monkeypatch):
    monkeypatch.setattr(Spec, "named", lambda name: Spec.read(tmp_path / f"{name}.toml"))
    (tmp_path / "two.toml").write_text(SPEC)
    mark = "<!-- results two: rmse, seconds | breast, yeast | mean, plain; others -->"
    text = f"{mark}\n<!-- end of results -->\n"
    assert refreshed(text, tmp_path).splitlines() == [
        mark,
        "| table | method | rmse | seconds |",
        "| --- | --- | --- | --- |",
        "| breast | mean, plain | [1.372] |  |",
        "| yeast | others | [1.20] |  |",
        "",
        "0 of 8 cells.",
        "<!-- end of results -->",
    ]


def test_at_the_command_line(spec, tmp_path):
    def invoke(*arguments):
        options = ["--out", tmp_path / "two", "--score", "rmse", "--score", "seconds"]
        return CliRunner().invoke(
            app, ["results", str(tmp_path / "two.toml"), *map(str, options), *arguments]
        )

    assert "| yeast | MICE | 5.100 (.100) | 100 (0) |" in invoke("--format", "markdown").output
    assert "mean, plain" in invoke().output
    refused = invoke("--format", "csv")
    assert refused.exit_code == 2
    assert "single --score" in refused.stderr
