"""Figures are drawn from the results alone."""

import json

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from absentia.cli import app
from absentia.experiments.runner import Spec, plan, run
from absentia.experiments.runner.figures import draw

RING = """
title = "A ring"
source = "nobody"

[[table]]
name = "ring"
make = "ring"
n = 150

[[scenario]]
name = "sector"
amputation = "angular_sector"
low = -0.8
high = 0.8

[budget.quick]
seeds = 2
fit = {steps = 10}
impute = {particles = 20}

[[method]]
name = "mean"
kind = "mean"

[[method]]
name = "ours"
kind = "not-miwae-ppca"
model = {latent_dim = 1, missingness = "linear"}
published = {ring = 1.9}
"""


@pytest.fixture
def ring(tmp_path):
    path = tmp_path / "ring.toml"
    path.write_text(RING)
    spec = Spec.read(path)
    assert not run(spec, "quick", tmp_path / "out")
    return spec, tmp_path / "out"


def test_points_and_mechanism_of_the_first_seed_are_in_the_result(ring):
    spec, folder = ring
    for cell in plan(spec, "quick"):
        result = cell.result(folder)
        if cell.configuration["seed"] == 1:
            assert "plane" not in result
            continue
        points = np.asarray(result["plane"]["points"])
        assert points.shape == (result["missing_cells"], 2)
        if cell.method == "mean":
            assert len(set(points[:, 0])) == 1
        else:
            missing = np.asarray(result["plane"]["mechanism"]["missing"])
            assert missing.shape == (61, 61)
            # a linear mechanism: along each axis it only rises or only falls
            for axis in (0, 1):
                steps = np.diff(missing, axis=axis)
                assert (steps >= 0).all() or (steps <= 0).all()


def test_a_plane_and_a_table_are_drawn(ring, tmp_path):
    spec, folder = ring
    draw(spec, "quick", folder, tmp_path / "plane.png")
    plane = imread(tmp_path / "plane.png")
    assert plane.std() > 0.05
    for path in folder.glob("*.json"):
        document = json.loads(path.read_text())
        document.pop("plane", None)
        path.write_text(json.dumps(document))
    draw(spec, "quick", folder, tmp_path / "scores.png")
    assert imread(tmp_path / "scores.png").shape != plane.shape


def test_without_results_there_is_nothing_to_draw(ring, tmp_path):
    spec, _ = ring
    (tmp_path / "none").mkdir()
    bare = Spec.read(tmp_path / "ring.toml")
    object.__setattr__(bare, "methods", spec.methods[:1])
    with pytest.raises(ValueError, match=r"result.*ring"):
        draw(bare, "quick", tmp_path / "none", tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("place", ["result", "spec", "link"])
def test_a_picture_is_not_drawn_over_a_result_or_the_experiment(ring, tmp_path, place):
    spec, folder = ring
    result = plan(spec, "quick")[0].path(folder)
    link = tmp_path / "picture.png"
    link.symlink_to(result)
    path = {"result": result, "spec": tmp_path / "ring.toml", "link": link}[place]
    before = path.read_bytes()
    options = ["--budget", "quick", "--out", str(folder), "--figure", str(path)]
    refused = CliRunner().invoke(app, ["results", str(tmp_path / "ring.toml"), *options])
    assert refused.exit_code == 2
    assert ".png" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert path.read_bytes() == before
