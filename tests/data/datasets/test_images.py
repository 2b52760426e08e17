"""Pictures: the known files, their order of pixels, and what is refused."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from absentia.data.datasets import images
from absentia.data.datasets.images import as_pictures, load_images


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    found = load_images("digits")
    np.testing.assert_allclose(found.x * 16, load_digits().data)
    assert (found.shape, found.labels.tolist()[:5]) == ((1, 8, 8), [0, 1, 2, 3, 4])
    assert found.pictures().shape == (1797, 8, 8)


@pytest.mark.parametrize(
    ("name", "rows", "shape"),
    [("mnist", 60_000, (1, 28, 28)), ("cifar10", 10_000, (3, 32, 32)), ("svhn", 1083, (3, 32, 32))],
)
def test_real_files(name, rows, shape, data_dir):
    found = load_images(name, folder=data_dir)
    assert found.x.shape == (rows, np.prod(shape))
    assert found.shape == shape
    assert (found.x.min(), found.x.max()) == (0.0, 1.0)
    if name == "mnist":
        assert found.labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert load_images(name, "test", folder=data_dir).labels[:3].tolist() == [7, 2, 1]


def test_channels_come_first(data_dir):
    with np.load(data_dir / "cifar10-subset.npz") as file:
        raw = file["train_x"][:4]
    found = load_images("cifar10", first=4, folder=data_dir)
    np.testing.assert_allclose(found.x.reshape(4, 3, 32, 32)[:, 2], raw[..., 2] / 255, rtol=1e-6)
    np.testing.assert_allclose(found.pictures(), raw / 255, rtol=1e-6)
    grey = load_images("cifar10", first=4, grey=True, folder=data_dir)
    np.testing.assert_allclose(grey.pictures(), raw.mean(-1) / 255, rtol=1e-5)
    assert as_pictures(grey.x, grey.shape).shape == (4, 32, 32)


def test_mnist_as_it_is_downloaded(tmp_path, monkeypatch):
    """Two files in LeCun's format, in the cache's place."""
    pixels = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    header = b"\0\0\x08\x03" + np.array([2, 28, 28], ">i4").tobytes()
    content = {
        "train-images-idx3-ubyte.gz": header + pixels.tobytes(),
        "train-labels-idx1-ubyte.gz": b"\0\0\x08\x01" + np.array([2], ">i4").tobytes() + b"\3\7",
    }

    def fetched(name, url):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content[name]))
        assert url.endswith(name)
        return path

    monkeypatch.delenv("ABSENTIA_DATA_DIR", raising=False)
    monkeypatch.setattr(images, "fetched", fetched)
    monkeypatch.setattr(images, "_hash", lambda file, kind: next(expected))
    expected = iter(images._MNIST_FILES[name] for name in content)
    found = load_images("mnist")
    np.testing.assert_array_equal(found.x.reshape(2, 28, 28) * 255, pixels)
    assert found.labels.tolist() == [3, 7]
    expected = iter(["0" * 64])
    with pytest.raises(ValueError, match=r"expected.*sha256 000"):
        load_images("mnist")


def test_an_archive_cannot_run_code(tmp_path):
    class Bad:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "ran", "yes"))

    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({"data": Bad()}))
    with open(path, "rb") as file, pytest.raises(pickle.UnpicklingError, match="asks for"):
        images._Arrays(file, encoding="latin1").load()
    assert not (tmp_path / "ran").exists()
    path.write_bytes(pickle.dumps({"data": np.arange(3)}))
    with open(path, "rb") as file:
        assert images._Arrays(file, encoding="latin1").load()["data"].tolist() == [0, 1, 2]


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'imagenet'.*cifar10"):
        load_images("imagenet")
    with pytest.raises(ValueError, match=r"digits.*'test'"):
        load_images("digits", "test")
    with pytest.raises(ValueError, match=r"5000.*1797 pictures"):
        load_images("digits", first=5000)
    with pytest.raises(OSError, match=r"does not exist.*unset ABSENTIA_DATA_DIR"):
        load_images("svhn", folder=tmp_path)
    (tmp_path / "svhn-first1083.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"expected.*sha256"):
        load_images("svhn", folder=tmp_path)
