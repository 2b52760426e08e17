"""The tasks of the runner beyond completing a table: pictures, ratings, targets, transfer."""

import numpy as np
import pytest

from absentia.experiments.matrix_factorisation import factorise, inverse_propensities
from absentia.experiments.runner import Spec, plan, run, spec_names
from absentia.experiments.runner.figures import draw
from absentia.experiments.tasks import TASKS
from absentia.experiments.tasks.methods import mechanism_of
from absentia.experiments.tasks.tables import hidden_table

PICTURES = """
title = "Digits"
source = "scikit-learn"
score = "rmse"
{task}
[[table]]
name = "digits"
make = "images"
of = "{of}"
first = {first}
test = {test}
[[scenario]]
name = "hidden"
amputation = "{amputation}"
{arguments}
[budget.quick]
seeds = 1
fit = {{steps = 8, particles = 2, batch_size = 16}}
impute = {{particles = 10, draws = 4, refine = false}}
"""


def picture_spec(tmp_path, methods, **options):
    options = {
        "task": "", "of": "digits", "first": 50, "test": 20,
        "amputation": "clipped", "arguments": "threshold = 0.6", **options,
    }  # fmt: skip
    path = tmp_path / "toy.toml"
    path.write_text(PICTURES.format(**options) + methods)
    return Spec.named(str(path))


@pytest.mark.slow
def test_pictures_are_completed_and_drawn(tmp_path):
    spec = picture_spec(
        tmp_path,
        """
[[method]]
name = "ours"
kind = "image-not-miwae"
model = {latent_dim = 2, channels = [4]}
[[method]]
name = "known"
kind = "image-not-miwae"
model = {latent_dim = 2, channels = [4], missingness = {type = "SelfMasking", slope = -9.0}}
[[method]]
name = "one"
kind = "constant"
model = {value = 1.0}
[[method]]
name = "row"
kind = "row-mean"
""",
    )
    folder = tmp_path / "out"
    assert run(spec, "quick", folder) == []
    cells = {cell.method: cell for cell in plan(spec, "quick")}
    hidden = hidden_table(cells["one"].configuration)
    scored = hidden.scored
    assert (len(hidden.fitted.truth), len(scored.truth)) == (30, 20)
    error = np.sqrt(np.mean((1 - scored.truth[scored.missing]) ** 2))
    result = cells["one"].result(folder)
    assert result["metrics"]["rmse"] == pytest.approx(error)  # in the pixels' own units
    assert result["metrics"]["rmse_sd"] == pytest.approx(error / hidden.truth.std())
    assert result["missing_cells"] == scored.missing.sum()
    ours = cells["ours"].result(folder)
    assert ours["parameters"]["mechanism"] == 2
    assert cells["known"].result(folder)["parameters"]["mechanism"] == 64  # offsets alone
    assert len(ours["pictures"]["imputed"]) == len(ours["pictures"]["rows"]) == 6
    assert ours["peak_memory_mb"] > 50
    draw(spec, "quick", folder, tmp_path / "pictures.png")
    assert (tmp_path / "pictures.png").stat().st_size > 10_000
    draw(spec, "quick", folder, tmp_path / "scores.png", score="rmse")


def test_pictures_lose_channels_and_discs(tmp_path, data_dir):
    methods = '[[method]]\nname = "row"\nkind = "row-mean"\n'
    for amputation, arguments in (
        ("brightest_channel", "channel = 2"),
        ("circular_mask", "radius = 4.0"),
    ):
        spec = picture_spec(
            tmp_path, methods, of="cifar10", amputation=amputation, arguments=arguments
        )
        hidden = hidden_table(plan(spec, "quick")[0].configuration)
        lost = hidden.missing.reshape(50, 3, 1024).any((0, 2))
        assert lost.tolist() == ([False, False, True] if "bright" in amputation else [True] * 3)


def test_the_brightest_channel_left_is_a_guess(tmp_path, data_dir):
    methods = '[[method]]\nname = "max"\nkind = "pixel-max"\nmodel = {channels = 3}\n'
    spec = picture_spec(
        tmp_path, methods, of="cifar10", amputation="brightest_channel", arguments="channel = 2"
    )
    configuration = plan(spec, "quick")[0].configuration
    hidden = hidden_table(configuration).scored
    pixels = hidden.truth.reshape(len(hidden.truth), 3, 1024)
    error = (pixels[:, :2].max(1) - pixels[:, 2])[hidden.missing.reshape(pixels.shape)[:, 2]]
    assert TASKS["complete"](configuration)["metrics"]["rmse"] == pytest.approx(
        np.sqrt(np.mean(error**2))
    )


@pytest.mark.slow
def test_transfer_between_channels(tmp_path, data_dir):
    spec = picture_spec(
        tmp_path,
        """
[[method]]
name = "outshines"
kind = "image-not-miwae"
model = {latent_dim = 2, channels = [4], missingness = "outshines", channel = 2}
[[method]]
name = "channel"
kind = "image-not-miwae"
model = {latent_dim = 2, channels = [4], missingness = "channel"}
[[method]]
name = "given"
kind = "image-not-miwae"
[method.model]
latent_dim = 2
channels = [4]
correlated = true
missingness = {type = "OutshinesOthers", channel = 2, gain = 50.0, offset = 0.0}
""",
        task='task = "transfer"', of="cifar10", amputation="brightest_channel",
        arguments="channel = 2",
    )  # fmt: skip
    configurations = [c.configuration for c in plan(spec, "quick")]
    with pytest.raises(ValueError, match=r"OutshinesOthers.*'images'"):
        mechanism_of({"type": "OutshinesOthers", "channel": 2}, 6, None)
    outshines, channel, given = (TASKS["transfer"](c)["metrics"] for c in configurations)
    assert outshines["rmse_as_fitted"] is None
    assert channel["rmse_told"] is None
    for found in (outshines, channel, given):
        assert 0.05 < found["rmse_exchanged"] < 0.6
    assert channel["rmse_as_fitted"] != channel["rmse_exchanged"]
    assert outshines["rmse_picture_mean"] == channel["rmse_picture_mean"]


def test_ratings(data_dir):
    cells = {c.method: c for c in plan(Spec.named("coat"), "quick")}
    configuration = {**cells["mean rating"].configuration, "rows": 60}
    found = TASKS["ratings"](configuration)
    assert found["ratings"]["given"] > 1000
    model = {
        **cells["not-MIWAE, Gaussian"].configuration,
        "rows": 60, "choose": {"latent_dim": [1, 2]}, "fit": {"steps": 5},
        "impute": {"particles": 5},
    }  # fmt: skip
    result = TASKS["ratings"](model)
    assert set(result["bounds"]) == {"latent_dim=1", "latent_dim=2"}
    assert result["chosen"]["latent_dim"] in (1, 2)
    assert result["metrics"]["mse"] > 0.5
    with pytest.raises(ValueError, match=r"method.*'svd'"):
        TASKS["ratings"]({**configuration, "kind": "svd"})


def test_factorisation_finds_factors_and_propensities_undo_selection():
    import pandas as pd

    rng = np.random.default_rng(0)
    n, p = 80, 60
    truth = 3 + rng.normal(size=(n, 1)) * rng.normal(size=(1, p))
    seen = rng.random((n, p)) < np.where(truth > 3, 0.6, 0.1)
    user, item = seen.nonzero()
    table = pd.DataFrame({"user": user, "item": item, "rating": truth[user, item]})
    model = factorise(table, n, p, rank=2, penalty=1e-3)
    found = model(*np.indices((n, p)).reshape(2, -1)).reshape(n, p)
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.35 * truth.std()
    grades = table.assign(rating=np.clip(table["rating"].round(), 1, 5))
    random = pd.DataFrame({"rating": np.clip(truth.ravel().round(), 1, 5)})
    weights = inverse_propensities(grades, random, n, p)
    naive = abs(grades["rating"].mean() - random["rating"].mean())
    weighted = abs(np.average(grades["rating"], weights=weights) - random["rating"].mean())
    assert weighted < 0.05 * naive


@pytest.mark.parametrize("kind", ["joint", "two-stage", "mean-imputed", "complete"])
def test_a_target_is_predicted(kind):
    spec = Spec.named("supervised")
    cell = next(c for c in plan(spec, "quick") if c.column == "breast")
    configuration = {
        **cell.configuration, "kind": kind, "rows": 200,
        "model": {"predictor": [4]} | ({"sign": "+"} if kind in ("joint", "two-stage") else {}),
        "fit": {"steps": 5, "particles": 3}, "impute": {"particles": 20},
    }  # fmt: skip
    found = TASKS["supervised"](configuration)
    assert found["rows"] == {"fitted": 140, "scored": 60}
    assert 0 < found["metrics"]["log_loss"] < 3
    assert 0.2 < found["metrics"]["accuracy"] <= 1
    if kind == "complete":
        assert found["metrics"]["accuracy"] > 0.85


def test_a_target_that_is_a_number(data_dir):
    spec = Spec.named("supervised")
    cell = next(
        c for c in plan(spec, "quick") if c.column == "concrete" and c.method.startswith("complete")
    )
    found = TASKS["supervised"]({**cell.configuration, "rows": 300})["metrics"]
    assert 0.1 < found["rmse"] < 1.0
    assert "accuracy" not in found


def test_every_spec_has_a_task():
    for name in spec_names():
        assert Spec.named(name).task in TASKS
