"""Loggers: what is written is the history, whoever reads it."""

import csv
import sys

import numpy as np
import pytest

import absentia as ab


def table():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    rows[rows > 1] = np.nan
    return ab.IncompleteData.from_numpy(rows)


def fitted(*loggers, **options):
    data = table()
    options = {"steps": 20, "evaluations": 4, "progress": False, **options}
    return ab.fit(ab.PPCA(data, latent_dim=1), data, loggers=loggers, **options)


def test_csv_is_the_history(tmp_path):
    path = tmp_path / "new" / "fit.csv"
    result = fitted(ab.inference.CSVLogger(path))
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [5, 10, 15, 20]
    np.testing.assert_allclose([float(row["bound"]) for row in rows], result.history["bound"])


def test_another_fit_replaces_the_file(tmp_path):
    fitted(ab.inference.CSVLogger(tmp_path / "fit.csv"))
    fitted(ab.inference.CSVLogger(tmp_path / "fit.csv"), steps=10)
    assert len((tmp_path / "fit.csv").read_text().splitlines()) == 1 + 5


def test_a_fit_that_goes_on_appends(tmp_path):
    path, checkpoint = tmp_path / "fit.csv", tmp_path / "fit.checkpoint"

    def stop(row):
        if row["step"] == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(ab.inference.CSVLogger(path), checkpoint=checkpoint, callback=stop)
    fitted(ab.inference.CSVLogger(path), checkpoint=checkpoint)
    steps = [int(line.split(",")[0]) for line in path.read_text().splitlines()[1:]]
    assert steps == [5, 10, 15, 20]


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = fitted(ab.inference.TensorBoardLogger(tmp_path))
    events = EventAccumulator(str(tmp_path)).Reload()
    points = events.Scalars("bound")
    assert [point.step for point in points] == [5, 10, 15, 20]
    np.testing.assert_allclose([p.value for p in points], result.history["bound"], rtol=1e-5)
    fitted(
        ab.inference.TensorBoardLogger(tmp_path / "all"), validation=0.0
    )  # a bound of nan is no point
    everything = EventAccumulator(str(tmp_path / "all")).Reload().Tags()["scalars"]
    assert "validation_bound" not in everything


@pytest.mark.slow
def test_weights_and_biases_offline(tmp_path):
    pytest.importorskip("wandb")
    fitted(ab.inference.WandbLogger(folder=tmp_path))
    runs = list((tmp_path / "wandb").glob("offline-run-*"))
    assert len(runs) == 1
    assert list(runs[0].glob("*.wandb"))


@pytest.mark.parametrize(
    ("logger", "package", "module"),
    [
        (
            lambda path: ab.inference.TensorBoardLogger(path),
            "tensorboard",
            "torch.utils.tensorboard",
        ),
        (lambda path: ab.inference.WandbLogger(folder=path), "wandb", "wandb"),
    ],
)
def test_a_package_that_is_not_there_is_named(logger, package, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        fitted(logger(tmp_path))


def test_a_logger_that_cannot_finish_does_not_cost_the_fit():
    class Own:
        def start(self, settings, resumed=False):
            pass

        def log(self, row):
            pass

        def finish(self):
            raise RuntimeError("no room")

    data = table()
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1)
    before = model.decoder.mean.bias.clone()
    with pytest.raises(RuntimeError, match="no room"):
        ab.fit(model, data, steps=4, progress=False, loggers=[Own()])
    assert not model.training or not bool((model.decoder.mean.bias == before).all())


def test_every_logger_is_told_the_end_of_a_fit_that_fails(tmp_path):
    said = []

    class Own:
        def start(self, settings, resumed=False):
            said.append(settings["steps"])

        def log(self, row):
            raise RuntimeError("the disc is full")

        def finish(self):
            said.append("end")

    with pytest.raises(RuntimeError, match="the disc is full"):
        fitted(Own())
    assert said == [20, "end"]
