"""Saved models: exact, readable without running code, and refused when damaged."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from pyro.distributions import Bernoulli

import absentia as ab
from absentia.inference import FormatError
from absentia.models import FunctionMissingness, SelfMasking


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)) * [1.0, 0.1, 1e6] + [0.0, 0.3, 1e6]
    x[rng.random(x.shape) < 0.3] = np.nan
    x[0] = [0.1 + 0.2, 1 / 3, 1e6]
    return ab.IncompleteData.from_numpy(x, columns=["a", "b b", "ä"])


def fit(model, data, **options):
    return ab.fit(
        model, data, **{"steps": 6, "particles": 5, "progress": False, "evaluations": 3} | options
    )


@pytest.fixture
def saved(data, tmp_path):
    folder = tmp_path / "model"
    ab.save(fit(ab.PPCA(data, latent_dim=2), data), folder)
    return folder


MODELS = {
    "gaussian": lambda d: ab.NotMIWAE(d, latent_dim=2, hidden=(8, 8), sign="+"),
    "student-t": lambda d: ab.NotMIWAE(d, decoder="student-t", hidden=[8], scale="column"),
    "zero-filled": lambda d: ab.NotMIWAE(d, "linear", encoder="zero-filled", hidden=[8]),
    "set": lambda d: ab.NotMIWAE(d, "nonlinear", encoder="set", hidden=[8]),
    "exact": lambda d: ab.NotMIWAEPPCA(d, "self-masking-probit", sign=["+", None, "-"]),
    "factor analysis": lambda d: ab.PPCA(d, scale="column", latent_dim=1),
    "priors": lambda d: ab.NotMIWAEPPCA(d, SelfMasking(3, prior_scale=1.0), latent_dim=2),
    "given": lambda d: ab.NotMIWAEPPCA(d, SelfMasking(3, slope=[-1.0, 0.0, 1.0], offset=0.5)),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_a_model_comes_back_to_the_last_bit(data, tmp_path, make, dtype):
    fitted = fit(make(data), data, dtype=dtype)
    fitted.save(tmp_path / "model")
    again = ab.load(tmp_path / "model")
    before, after = fitted.model.state_dict(), again.model.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype, name
        assert torch.equal(value, after[name]), name
    assert next(again.model.parameters()).dtype == dtype
    assert repr(again.model) == repr(fitted.model)
    first, second = (ab.impute(f, data, 50, num_draws=7) for f in (fitted, again))
    for name in ("mean", "sd", "mcse", "median", "ess", "khat", "log_evidence"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    assert first.draws(7).tobytes() == second.draws(7).tobytes()


@pytest.mark.parametrize("options", [{}, {"validation": 0.0}, {"patience": 2}], ids=str)
def test_everything_else_comes_back(data, tmp_path, options):
    fitted = fit(ab.PPCA(data), data, **options)
    ab.save(fitted, tmp_path / "a" / "b")  # folders are made
    again = ab.load(str(tmp_path / "a" / "b"))
    assert again.columns == ("a", "b b", "ä")
    assert again.scaler.center.tobytes() == fitted.scaler.center.tobytes()
    assert again.scaler.scale.tobytes() == fitted.scaler.scale.tobytes()
    assert again.settings == fitted.settings
    assert (again.bound, again.best_step) == (fitted.bound, fitted.best_step)
    np.testing.assert_array_equal(again.history.to_numpy(), fitted.history.to_numpy())
    assert list(again.history) == list(fitted.history)
    assert not again.model.training


def test_a_loaded_model_reads_new_rows(saved):
    again = ab.load(saved)
    new = ab.IncompleteData.from_numpy(np.array([[0.0, np.nan, 1e6]]), like=again)
    assert np.isfinite(ab.impute(again, new, 50).mean).all()


def test_saving_again_replaces(data, saved):
    other = fit(ab.NotMIWAE(data, hidden=[4]), data)
    ab.save(other, saved)
    assert repr(ab.load(saved).model) == repr(other.model)
    assert len(list(saved.iterdir())) == 2


def test_there_is_no_pickle(saved):
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    assert set(files) == {"model.json", "weights.safetensors"}
    document = json.loads(files["model.json"])
    assert document["format_version"] == 2
    header = files["weights.safetensors"]
    size = int.from_bytes(header[:8], "little")
    assert "decoder.mean.weight" in json.loads(header[8 : 8 + size])  # safetensors, not a zip


def hides_high(x):
    return Bernoulli(logits=-x)


def test_a_function_cannot_be_saved(data, tmp_path):
    fitted = fit(ab.NotMIWAE(data, FunctionMissingness(hides_high, True), hidden=[4]), data)
    with pytest.raises(
        FormatError, match=r"missingness\.function is a function.*subclass"
    ) as error:
        ab.save(fitted, tmp_path / "model")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_a_module_of_ones_own_cannot_be_saved_unless_configurable(data, tmp_path):
    class Own(torch.nn.Module):
        latent_dim, num_columns = 2, 3

        def __init__(self):
            super().__init__()
            self.inner = ab.NotMIWAE(data, latent_dim=2, hidden=[4]).decoder

        def forward(self, z):
            return self.inner(z)

    fitted = fit(ab.NotMIWAE(data, decoder=Own(), hidden=[4]), data)
    with pytest.raises(FormatError, match="decoder is a Own, which cannot be saved"):
        ab.save(fitted, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def edit(folder, **changes):
    path = folder / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(changes)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 3}, "format version 3, this absentia reads up to 2; update absentia"),
        ({"format_version": "1"}, "is not a saved model of absentia"),
        ({"format_version": None}, "is not a saved model of absentia"),
        ({"format": "another model"}, "is not a saved model of absentia"),
        ({"model": {"type": "os.system", "command": "true"}}, r"class 'os\.system'"),
        ({"model": {"type": "PathLike"}}, "class 'PathLike', which is not known here"),
        ({"model": {"type": "GaussianDecoder"}}, "cannot be read"),
        ({"model": {}}, "cannot be read"),
        ({"dtype": "system"}, "cannot be read"),
        ({"columns": None}, "cannot be read"),
        ({"scaler": {"center": [0.0] * 3, "scale": [0.0, 1.0, 1.0]}}, "cannot be read"),
        ({"settings": {"warp": 9}}, "cannot be read"),
    ],
    ids=str,
)
def test_a_changed_document_is_refused(saved, changes, message):
    edit(saved, **changes)
    with pytest.raises(FormatError, match=message):
        ab.load(saved)


@pytest.mark.parametrize("missing", ["format", "model", "dtype", "columns", "scaler", "settings"])
def test_a_document_with_a_part_missing_is_refused(saved, missing):
    path = saved / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document[missing]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FormatError):
        ab.load(saved)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"\xff\xfe\x00binary", "truncated"], ids=str
)
def test_a_damaged_document_is_refused(saved, content):
    path = saved / "model.json"
    path.write_bytes(path.read_bytes()[:-100] if content == "truncated" else content)
    with pytest.raises(FormatError, match="saved model"):
        ab.load(saved)


@pytest.mark.parametrize("how", ["truncated", "empty", "garbage", "absent", "others"])
def test_damaged_weights_are_refused(data, saved, tmp_path, how):
    path = saved / "weights.safetensors"
    if how == "absent":
        path.unlink()
    elif how == "others":
        ab.save(fit(ab.PPCA(data, latent_dim=1), data), tmp_path / "other")
        shutil.copy(tmp_path / "other" / "weights.safetensors", path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"truncated": whole[:-4], "empty": b"", "garbage": b"x" * 99}[how])
    with pytest.raises(FormatError, match="cannot be read"):
        ab.load(saved)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(FormatError, match="holds no saved model"):
        ab.load(tmp_path / "nothing")
    with pytest.raises(FormatError, match="holds no saved model"):
        ab.load(tmp_path)


def test_an_interrupted_save_is_no_model(data, saved, monkeypatch):
    """Weights first, the document last: a new folder without it is not read."""
    folder = saved.parent / "new"

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("absentia.inference.storage.write_text_atomic", fail)
    with pytest.raises(OSError, match="disk full"):
        ab.save(fit(ab.PPCA(data), data), folder)
    with pytest.raises(FormatError, match="holds no saved model"):
        ab.load(folder)


def test_version_1_is_still_read(saved):
    """Before there were schemas: center and scale beside each other."""
    path = saved / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    newest = ab.load(saved)
    document.update(document.pop("scaler"), format_version=1)
    del document["schema"], document["covariate_schema"]
    path.write_text(json.dumps(document), encoding="utf-8")
    again = ab.load(saved)
    assert again.schema is None
    assert again.columns == newest.columns
    np.testing.assert_array_equal(again.scaler.scale, newest.scaler.scale)
    table = pd.DataFrame(np.zeros((2, len(again.columns))), columns=list(again.columns))
    assert len(ab.IncompleteData.from_frame(table, like=again)) == 2


def test_a_schema_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "dose": rng.lognormal(size=40),
            "stage": pd.Categorical(rng.choice(["I", "II", "III"], 40), ordered=True),
            "site": rng.choice(["x", "y"], 40),
        }
    )
    frame.loc[::3, "dose"] = np.nan
    frame.loc[::4, "stage"] = None
    data = ab.IncompleteData.from_frame(frame, schema={"dose": "positive"}, covariates=["site"])
    model = ab.NotMIWAE(data, ["dose ~ +dose + site", "stage ~ stage"], hidden=[4], latent_dim=1)
    fitted = ab.fit(model, data, steps=3, progress=False)
    fitted.save(tmp_path)
    again = ab.load(tmp_path)
    assert (again.schema, again.covariate_schema) == (data.schema, data.covariate_schema)
    new = ab.IncompleteData.from_frame(frame.iloc[:9], like=again)
    first = ab.impute(fitted, new, 50, seed=3).to_frame()
    pd.testing.assert_frame_equal(ab.impute(again, new, 50, seed=3).to_frame(), first)
    assert first["stage"].dtype == frame["stage"].dtype
