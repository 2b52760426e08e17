"""The command ``absentia sensitivity``: curves along slopes and shifts, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from absentia.cli import app
from absentia.cli.curves import values_in
from absentia.data.errors import InputError
from absentia.inference.sensitivity import SensitivityCurve


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    frame = pd.DataFrame({"y": 1 + x + rng.normal(size=60), "x": x}).round(3)
    frame["site"] = rng.choice(["north", "south"], 60)
    frame.loc[rng.random(60) < 0.4, "y"] = np.nan
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    return path


def test_shifts_move_the_answer_in_proportion(table, tmp_path):
    out = tmp_path / "curve.csv"
    done = invoke(
        "sensitivity", table, "y ~ site", "--column", "y", "--leave-out", "site",
        "--delta", "-1:1:1", "--multiple", 3, "--out", out, "--term", "Intercept",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    curve = pd.read_csv(out)
    own = curve[curve["estimand"] == "Intercept"].set_index("at")["estimate"]
    assert list(own.index) == [-1.0, 0.0, 1.0]
    assert own[1.0] - own[0.0] == pytest.approx(own[0.0] - own[-1.0])
    assert own[1.0] > own[0.0]
    assert "Intercept: the estimate" in done.stdout
    assert "shifts tried: -1 to 1" in done.stdout


@pytest.mark.slow
def test_slopes_give_a_picture_and_what_the_data_support(table, tmp_path):
    picture = tmp_path / "new" / "curve.png"
    done = invoke(
        "sensitivity", table, "y ~ 1", "--column", "y", "--leave-out", "site", "--slopes", "0,1",
        "--missing", "y ~ y + x", "--multiple", 2, "--picture", picture,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "The " in done.stdout
    assert "slope" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--column", "y"], "either --slopes or --delta"),
        (["--column", "y", "--slopes", "0,1", "--delta", "0,1"], "either --slopes or --delta"),
        (["--column", "y", "--slopes", "2:1:.5"], "FROM:TO:STEP"),
        (["--column", "y", "--slopes", "a"], "FROM:TO:STEP"),
        (["--column", "y", "--delta", "0,1", "--missing", "y ~ y"], "--slopes"),
        (["--column", "nobody", "--delta", "0,1"], "no modelled column"),
        (["--column", "x", "--delta", "0,1"], "no missing value"),
        (["--column", "y", "--slopes", "0,1", "--missing", "y ~ x"], "'y'"),
        (["--column", "y", "--slopes", "0,1", "--picture", "p.pdf"], ".png"),
        (["--column", "y", "--slopes", "0,1", "--weights", "nobody"], "'nobody'"),
    ],
)
def test_what_is_refused(table, options, message):
    done = invoke("sensitivity", table, "y ~ x", "--leave-out", "site", *options)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_numbers_are_read_as_a_range_or_a_list():
    assert values_in("-2:2:.5", "--slopes") == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]
    assert values_in("0:1:.3", "--slopes") == [0, 0.3, 0.6, 0.9]
    assert values_in("1,-1,0", "--slopes") == [-1, 0, 1]
    for text in ("0:1:0", "0:1:1e-9", "inf", "1:2:3:4", ""):
        with pytest.raises(InputError):
            values_in(text, "--slopes")


def test_tipping_points_are_told_in_words():
    at = np.array([-1.0, 0.0, 1.0])
    rows = pd.DataFrame({"at": at, "estimand": "x", "estimate": at + 0.5, "se": 0.5, "fmi": 0.0})
    rows = rows.assign(lower=rows["estimate"] - 1, upper=rows["estimate"] + 1, how="shifted")
    curve = SensitivityCurve(rows.assign(khat=np.nan), "shift in sd", "y", 0.95)
    assert "crosses 0 at -0.5" in curve.tips()
    assert "contain 0 at 0.5" in curve.tips()
    assert "stays below 9" in curve.tips(9.0)
    assert "never contains 9" in curve.tips(9.0)
