"""``absentia fit``: a model from a file, in one process or in those that torchrun starts."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import absentia as ab
from absentia.cli import app
from tests.parts import people, written_in_parts

FILE = """
table = "data/*.parquet"
save = "model"
seed = 3

[read]
key = "id"

[model]
name = "not-miwae-ppca"
missingness = "self-masking"
sign = {income = "high"}
latent_dim = 1

[fit]
optimiser = "adam"
steps = 10
batch_size = 10
validation = 0.2
evaluations = 2
"""


def invoke(*arguments):
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    written_in_parts(people(80), tmp_path / "data", 2, row_group_size=10)
    (tmp_path / "fit.toml").write_text(FILE)
    return tmp_path


def test_the_model_of_the_file_is_that_of_the_same_arguments(folder):
    result = invoke(folder / "fit.toml", "--json")
    assert result.exit_code == 0, result.output
    fitted = ab.load(folder / "model")
    scan = ab.scan(folder / "data", key="id")
    own = ab.fit(
        lambda data: ab.NotMIWAEPPCA(
            data, "self-masking", sign={"income": "high"}, latent_dim=1, seed=3
        ),
        scan,
        optimiser="adam",
        steps=10,
        batch_size=10,
        validation=0.2,
        evaluations=2,
        seed=3,
        progress=False,
    )
    assert json.loads(result.stdout)["bound"] == pytest.approx(own.bound)
    for name, value in own.model.state_dict().items():
        assert np.array_equal(fitted.model.state_dict()[name].numpy(), value.numpy()), name


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("steps = 10", "stepz = 10", "'stepz' is not one of .* did you mean 'steps'"),
        ("steps = 10", "steps = 0", r"\[fit\]: steps"),
        ('key = "id"', 'index = "id"', r"\[read\]: 'index' is not one of"),
        ("latent_dim = 1", "factors = 1", r"\[model\]: 'factors' .* did you mean 'latent_dim'"),
        ("not-miwae-ppca", "missforest", "name is 'missforest'; give one of auto, not-miwae"),
        ('save = "model"', "", "has no 'save'"),
        ('save = "model"', "save = 3", "'save' is 3; give a path"),
        ('save = "model"', 'save = "data"', "holds other things than a model"),
        ("seed = 3", "seed = -1", "'seed' is -1; give a whole number of at least 0"),
        ("data/*.parquet", "nowhere/*.parquet", "no such file"),
        ("[fit]", "[fit", "is not a TOML file"),
        ('income = "high"', 'wage = "high"', "wage"),
    ],
)
def test_mistakes_are_named_before_any_work(folder, before, after, message):
    (folder / "fit.toml").write_text(FILE.replace(before, after, 1))
    result = invoke(folder / "fit.toml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert pd.Series([result.stderr]).str.contains(message, regex=True).all(), result.stderr
    assert not (folder / "model").exists()


def test_a_file_that_is_not_there(tmp_path):
    result = invoke(tmp_path / "none.toml")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


@pytest.mark.slow
def test_processes_of_torchrun_save_one_model(folder):
    (folder / "fit.toml").write_text(FILE.replace("seed = 3", "seed = 3\nrows_in_memory = 30"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, "-m", "absentia", "fit", str(folder / "fit.toml")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("saved in") == 1
    filled = ab.impute(
        ab.load(folder / "model"), ab.scan(folder / "data", key="id"), 50, out=folder / "filled"
    )
    assert filled.num_rows == 80
