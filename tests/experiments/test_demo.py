"""The demonstration's figures do not depend on how many processes it takes."""

import json

import pytest

from absentia.experiments.demo import run_demo


@pytest.mark.slow
def test_a_second_process_changes_no_figure(tmp_path):
    found = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        run_demo(out, 3, 9, 9, False, lambda line: None, processes)
        figures = json.loads((out / "figures.json").read_text())
        for score in figures["scores"]:
            del score["seconds"]
        found.append((figures, (out / "imputed.csv").read_text()))
    assert found[0] == found[1]
    assert [score["method"] for score in found[0][0]["scores"]][:5] == [
        "column mean",
        "MICE",
        "MIWAE",
        "PPCA",
        "not-MIWAE-PPCA",
    ]
