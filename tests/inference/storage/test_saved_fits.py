"""Saved models: exact, readable without running code, and refused when damaged."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch
from pyro.distributions import Bernoulli

import absentia as ab
from absentia.inference import FormatError
from absentia.inference.storage import folder as saved_folder
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
    "student-t": lambda d: ab.NotMIWAE(
        d, "self-masking", decoder="student-t", hidden=[8], scale="column"
    ),
    "zero-filled": lambda d: ab.NotMIWAE(d, "linear", encoder="zero-filled", hidden=[8]),
    "set": lambda d: ab.NotMIWAE(d, "nonlinear", encoder="set", hidden=[8]),
    "exact": lambda d: ab.NotMIWAEPPCA(d, "self-masking-probit", sign=["+", None, "-"]),
    "factor analysis": lambda d: ab.PPCA(d, scale="column", latent_dim=1),
    "priors": lambda d: ab.NotMIWAEPPCA(d, SelfMasking(3, prior_scale=1.0), latent_dim=2),
    "given": lambda d: ab.NotMIWAEPPCA(d, SelfMasking(3, slope=[-1.0, 0.0, 1.0], offset=0.5)),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.thin(8)
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
    first, second = (ab.impute(f, data, 50, draws=7) for f in (fitted, again))
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
    other = fit(ab.NotMIWAE(data, "self-masking", hidden=[4]), data)
    ab.save(other, saved)
    assert repr(ab.load(saved).model) == repr(other.model)
    assert len(list(saved.iterdir())) == 2


def weights_of(folder):
    (found,) = folder.glob("weights*.safetensors")
    return found


def test_there_is_no_pickle(saved):
    document = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    assert document["format_version"] == 3
    assert {path.name for path in saved.iterdir()} == {"model.json", document["weights"]["file"]}
    header = weights_of(saved).read_bytes()
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
            self.inner = ab.NotMIWAE(data, "self-masking", latent_dim=2, hidden=[4]).decoder

        def forward(self, z):
            return self.inner(z)

    fitted = fit(ab.NotMIWAE(data, "self-masking", decoder=Own(), hidden=[4]), data)
    with pytest.raises(FormatError, match=r"decoder.*cannot"):
        ab.save(fitted, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def edit(folder, *left_out, **changes):
    """Change a document and sign it anew, as if it had been written so."""
    path = folder / "model.json"
    document = json.loads(path.read_text(encoding="utf-8")) | changes
    document = {k: v for k, v in document.items() if k not in (*left_out, "sha256")}
    path.write_text(saved_folder.signed(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 4}, "format version 4, this absentia reads up to 3; update absentia"),
        ({"format_version": "1"}, "is not a saved model of absentia"),
        ({"format_version": None}, "is not a saved model of absentia"),
        ({"format": "another model"}, "is not a saved model of absentia"),
        ({"model": {"type": "os.system", "command": "true"}}, r"class 'os\.system'"),
        ({"model": {"type": "PathLike"}}, "class 'PathLike'"),
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


@pytest.mark.parametrize(
    "missing", ["format", "model", "dtype", "columns", "scaler", "settings", "weights"]
)
def test_a_document_with_a_part_missing_is_refused(saved, missing):
    edit(saved, missing)
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
    path = weights_of(saved)
    if how == "absent":
        path.unlink()
    elif how == "others":
        ab.save(fit(ab.PPCA(data, latent_dim=1), data), tmp_path / "other")
        shutil.copy(weights_of(tmp_path / "other"), path)
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


def test_a_changed_byte_is_found_wherever_it_stands(saved):
    rng = np.random.default_rng(0)
    for path in saved.iterdir():
        whole = path.read_bytes()
        version = whole.find(b'"format_version": 3') + 18
        for place in (0, max(version, 1), len(whole) - 2, *rng.integers(0, len(whole), 60)):
            content = bytearray(whole)
            content[place] ^= 1 << (place % 8)
            path.write_bytes(content)
            with pytest.raises(FormatError) as error:
                ab.load(saved)
            assert str(saved) in str(error.value)
            assert "\n" not in str(error.value)
        path.write_bytes(whole)
    ab.load(saved)


def test_a_save_that_fails_leaves_what_was_there(data, saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(saved_folder, "write_text_atomic", fail)
    new = saved.parent / "new"
    for folder in (saved, new):
        with pytest.raises(OSError, match="disk full"):
            ab.save(fit(ab.PPCA(data), data), folder)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert list(new.iterdir()) == []
    with pytest.raises(FormatError, match="holds no saved model"):
        ab.load(new)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_save_leaves_one_model_or_the_other(data, tmp_path):
    """The runs are killed at moments spread over the time that a save takes, and a little more."""
    fits = [fit(ab.PPCA(data, latent_dim=d, seed=d), data, steps=3) for d in (1, 2)]
    digests = [digest(fitted) for fitted in fits]
    folder = tmp_path / "model"
    ab.save(fits[0], folder)
    start = time.perf_counter()
    ab.save(fits[1], folder)
    takes = time.perf_counter() - start
    for k in range(12):
        ab.save(fits[0], folder)
        child = os.fork()
        if child == 0:
            try:
                while True:
                    ab.save(fits[1], folder)
                    ab.save(fits[0], folder)
            finally:
                os._exit(1)
        time.sleep(takes * (0.5 + k / 4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert digest(ab.load(folder)) in digests  # whole, whichever it is
    ab.save(fits[0], folder)
    assert digest(ab.load(folder)) == digests[0]


def test_weights_that_a_killed_save_left_are_removed(data, saved):
    machine = weights_of(saved).name.split("-")[1]
    whose = (f"{'0' * 8}-1", f"{'0' * 8}-1", f"{machine}-{os.getpid()}", f"{machine}-{2**22 + 1}")
    old, new, own, ended = (
        saved / f"weights-{who}-{str(k) * 12}.safetensors" for k, who in enumerate(whose)
    )
    for path in (old, new, own, ended):
        path.write_bytes(b"")
    hour_ago = time.time() - 3700
    os.utime(old, (hour_ago, hour_ago))
    ab.save(fit(ab.PPCA(data), data), saved)
    assert not old.exists()
    assert not ended.exists()  # Linux numbers processes up to 2**22
    assert new.exists()  # another run may be about to name it
    assert own.exists()
    ab.load(saved)


def digest(fitted):
    tensors = sorted(fitted.model.state_dict().items())
    return repr(fitted.model), fitted.bound, [(k, v.tolist()) for k, v in tensors]


def test_other_files_in_the_folder_are_left_alone(data, saved):
    others = {"notes.txt": b"mine", "weights.safetensors": b"mine", "imputer.json": b"{}"}
    for name, content in others.items():
        (saved / name).write_bytes(content)
    (saved / "data").mkdir()
    ab.save(fit(ab.NotMIWAE(data, "self-masking", hidden=[4]), data), saved)
    for name, content in others.items():
        assert (saved / name).read_bytes() == content
    assert (saved / "data").is_dir()
    ab.load(saved)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": "onnx"}', b"[1]", b"\xff"], ids=str)
def test_another_model_json_is_not_overwritten(data, tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"model\.json' would be overwritten, and is no saved"):
        ab.save(fit(ab.PPCA(data), data), tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_file_is_no_folder(data, tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(FormatError, match="model' is a file; give the name of a folder"):
        ab.save(fit(ab.PPCA(data), data), tmp_path / "model")


def test_a_name_outside_the_folder_is_not_read(saved):
    document = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    shutil.copy(weights_of(saved), saved.parent / document["weights"]["file"])
    edit(saved, weights={**document["weights"], "file": f"../{document['weights']['file']}"})
    with pytest.raises(FormatError, match=r"changed.*written"):
        ab.load(saved)


def as_version_2(folder):
    """The folder as it was written before there were digests."""
    weights_of(folder).rename(folder / "weights.safetensors")
    path = folder / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["weights"], document["sha256"]
    document["model"]["columns"] = document["model"]["columns"]["value"]
    path.write_text(json.dumps(document | {"format_version": 2}), encoding="utf-8")


def test_version_2_is_still_read_and_replaced(data, saved):
    newest = ab.load(saved)
    as_version_2(saved)
    assert digest(ab.load(saved)) == digest(newest)
    other = fit(ab.NotMIWAE(data, "self-masking", hidden=[4]), data)
    ab.save(other, saved)
    assert digest(ab.load(saved)) == digest(other)
    assert len(list(saved.iterdir())) == 2


def test_version_1_is_still_read(saved):
    """Before there were schemas: center and scale beside each other."""
    newest = ab.load(saved)
    as_version_2(saved)
    path = saved / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(document.pop("scaler"), format_version=1)
    del document["schema"], document["covariate_schema"]
    path.write_text(json.dumps(document), encoding="utf-8")
    again = ab.load(saved)
    assert again.schema is None
    assert again.columns == newest.columns
    np.testing.assert_array_equal(again.scaler.scale, newest.scaler.scale)
    table = pd.DataFrame(np.zeros((2, len(again.columns))), columns=list(again.columns))
    assert len(ab.IncompleteData.from_frame(table, like=again)) == 2


@pytest.mark.parametrize("what", ["x0 ~ x0 + I(x0**2)", "spline", "self-masking-probit", "limit"])
def test_a_model_does_not_depend_on_the_default_dtype_of_loading(tmp_path, what):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)) * 1.1 + 0.3
    x[x[:, 0] > 0.9, 0] = np.nan
    data = ab.IncompleteData.from_numpy(x)
    sign = "+" if what == "limit" else None
    fitted = fit(ab.NotMIWAEPPCA(data, what, sign=sign, latent_dim=1), data, dtype=torch.float64)
    fitted.save(tmp_path)
    expected = ab.impute(fitted, data, 50, seed=1).mean
    torch.set_default_dtype(torch.float64)
    try:
        again = ab.load(tmp_path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert ab.impute(again, data, 50, seed=1).mean.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda d: ab.PPCA(d, latent_dim=np.int64(2), floor=np.float32(0.01)),
        lambda d: ab.NotMIWAE(d, "self-masking", latent_dim=np.int8(1), hidden=np.array([4, 3])),
        lambda d: ab.NotMIWAE(d, SelfMasking(np.int64(3), slope=np.array([-1.0, 0, 1]))),
    ],
    ids=["scalars", "array", "slopes"],
)
def test_arguments_of_numpy_are_kept(data, tmp_path, make):
    fitted = fit(make(data), data, steps=np.int64(4), seed=np.uint8(3))
    fitted.save(tmp_path)
    assert digest(ab.load(tmp_path)) == digest(fitted)


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
