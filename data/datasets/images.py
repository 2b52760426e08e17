"""Pictures as tables: MNIST, CIFAR-10, SVHN and scikit-learn's digits, checked on reading.

A picture of C channels, H rows and W columns is a row of p = C * H * W numbers in [0, 1], channel
by channel. The variable ``ABSENTIA_DATA_DIR`` may name a folder with the files; without it the
originals are fetched once through scikit-learn's cache. Only ``digits`` needs neither.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import FileError, InputError
from .uci import FOLDER_VARIABLE

Shape = tuple[int, int, int]


def checked_shape(shape: Sequence[int]) -> Shape:
    """Return (C, H, W) as three positive integers.

    Raises:
        ValueError: the shape is not three positive integers.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            f"shape is {list(shape)}; give three positive integers: channels, height and width."
        )
    return int(shape[0]), int(shape[1]), int(shape[2])


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures held as the rows of a table.

    Attributes:
        x: (n, p) float32 in [0, 1] with p = C * H * W, channel by channel.
        labels: (n,) integers; None if the original has no labels.
        shape: (C, H, W).
    """

    x: np.ndarray
    labels: np.ndarray | None
    shape: Shape

    def pictures(self) -> np.ndarray:
        """Return pictures (n, H, W, C), or (n, H, W) for one channel, as matplotlib expects "
        "them."""
        return as_pictures(self.x, self.shape)


def as_pictures(x: np.ndarray, shape: Shape) -> np.ndarray:
    """Reshape rows (n, p) into pictures (n, H, W, C), or (n, H, W) for one channel.

    >>> as_pictures(np.zeros((2, 12)), (3, 2, 2)).shape
    (2, 2, 2, 3)
    """
    whole = x.reshape(-1, *shape).transpose(0, 2, 3, 1)
    return whole[..., 0] if shape[0] == 1 else whole


def image_names() -> tuple[str, ...]:
    """List the names that :func:`load_images` can load.

    >>> image_names()
    ('cifar10', 'digits', 'mnist', 'svhn')
    """
    return tuple(sorted(_LOADERS))


def load_images(
    name: str,
    split: str = "train",
    *,
    first: int | None = None,
    grey: bool = False,
    folder: str | os.PathLike[str] | None = None,
) -> Images:
    """Load a set of real pictures by its name.

    >>> load_images("digits", first=10).x.shape
    (10, 64)

    Args:
        name: one of :func:`image_names`. digits: 1,797 of 1 x 8 x 8; mnist: 60,000 and 10,000 of
            1 x 28 x 28; cifar10: 50,000 and 10,000 of 3 x 32 x 32; svhn: 73,257 of 3 x 32 x 32.
        split: ``"train"`` or ``"test"`` (mnist, cifar10).
        first: the number of pictures, from the start; by default all.
        grey: average the channels into one.
        folder: the folder that holds the original files of mnist, ``cifar10-subset.npz`` (10,000
            and 2,000 of the pictures, chosen at random) or ``svhn-first1083.npz``; by default the
            one that the variable ABSENTIA_DATA_DIR names, and if it is not set the files are
            downloaded.

    Raises:
        ValueError: the name or the split is unknown, or a file is not the one that this package
            knows.
        OSError: the folder lacks the file, or the download failed.
    """
    if name not in _LOADERS:
        raise InputError(f"{name!r} is not a known set; choose from {', '.join(image_names())}.")
    splits, load = _LOADERS[name]
    if split not in splits:
        raise InputError(f"{name} has no split {split!r}; choose from {', '.join(splits)}.")
    place = folder if folder is not None else os.environ.get(FOLDER_VARIABLE)
    pixels, labels = load(split, Path(place) if place else None)  # (n, C, H, W), 0 to 255 or 16
    if first is not None and first < 1:
        raise InputError(f"first is {first}; give a whole number from 1.")
    if first is not None and first > len(pixels):
        raise InputError(
            f"first is {first}, but {name} has {len(pixels)} pictures here; give at most these."
        )
    pixels = pixels[:first]
    top = 16.0 if name == "digits" else 255.0
    values = pixels.astype(np.float32) / np.float32(top)
    if grey:
        values = values.mean(1, keepdims=True)
    channels, height, width = values.shape[1:]
    return Images(
        values.reshape(len(values), -1),
        None if labels is None else labels[:first].astype(np.int64),
        (channels, height, width),
    )


_Loaded = tuple[np.ndarray, np.ndarray | None]


def _digits(split: str, folder: Path | None) -> _Loaded:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images[:, None], bunch.target


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_MNIST_FILES = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}


def _mnist(split: str, folder: Path | None) -> _Loaded:
    part = "train" if split == "train" else "t10k"
    arrays = []
    for name in (f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"):
        path = _file(folder, name, f"{_MNIST}/{name}", {"sha256": _MNIST_FILES[name]})
        with gzip.open(path, "rb") as file:
            arrays.append(_idx(file.read()))
    return arrays[0][:, None], arrays[1]


def _idx(content: bytes) -> np.ndarray:
    """Parse LeCun's format: two zero bytes, a type, the number of dimensions, sizes, data."""
    dims = content[3]
    sizes = np.frombuffer(content, ">i4", dims, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dims).reshape(sizes)


_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


def _cifar10(split: str, folder: Path | None) -> _Loaded:
    if folder is not None:
        sha = "1f2fa8e590110a723ceaccdd6b0efa83dd0a14f0142c2117755a26bc5530e9fd"
        with np.load(_file(folder, "cifar10-subset.npz", None, {"sha256": sha})) as found:
            return found[f"{split}_x"].transpose(0, 3, 1, 2), found[f"{split}_y"]
    path = _file(
        None, "cifar-10-python.tar.gz", _CIFAR, {"md5": "c58f30108f718f92721af3b95e74349a"}
    )
    names = [f"data_batch_{k}" for k in range(1, 6)] if split == "train" else ["test_batch"]
    pixels, labels = [], []
    with tarfile.open(path) as archive:
        for name in names:
            member = archive.extractfile(f"cifar-10-batches-py/{name}")
            assert member is not None
            batch = _Arrays(member, encoding="latin1").load()
            pixels.append(batch["data"].reshape(-1, 3, 32, 32))
            labels.append(np.asarray(batch["labels"]))
    return np.concatenate(pixels), np.concatenate(labels)


class _Arrays(pickle.Unpickler):
    """An unpickler that loads arrays and nothing else, whatever a file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(
            f"the archive asks for {module}.{name}, which is not part of an array"
        )


_SVHN = "http://ufldl.stanford.edu/housenumbers/train_32x32.mat"


def _svhn(split: str, folder: Path | None) -> _Loaded:
    if folder is not None:
        sha = "2d3cc7aeddc7ae0c43e4573c13d2e22d7010711e400e34254fb0e60eb9aa55ed"
        with np.load(_file(folder, "svhn-first1083.npz", None, {"sha256": sha})) as found:
            return found["x"].transpose(0, 3, 1, 2), None
    from scipy.io import loadmat

    path = _file(None, "svhn_train_32x32.mat", _SVHN, {"md5": "e26dedcc434d2e4c54c9b2d4a06d8373"})
    found = loadmat(path)
    return found["X"].transpose(3, 2, 0, 1), found["y"].ravel() % 10


_LOADERS: Mapping[str, tuple[tuple[str, ...], Callable[[str, Path | None], _Loaded]]] = {
    "digits": (("train",), _digits),
    "mnist": (("train", "test"), _mnist),
    "cifar10": (("train", "test"), _cifar10),
    "svhn": (("train",), _svhn),
}


def _file(folder: Path | None, name: str, url: str | None, digest: Mapping[str, str]) -> Path:
    """Find a file in the folder or in the cache, and check that it has the known digest."""
    if folder is not None:
        path = folder / name
        if not path.is_file():
            raise FileError(
                f"{path} does not exist; put the file there, or unset {FOLDER_VARIABLE} to "
                "fetch the "
                "original."
            )
    else:
        path = fetched(name, str(url))
    (kind, expected), *_ = digest.items()
    with open(path, "rb") as file:
        found = _hash(file, kind)
    if found != expected:
        raise InputError(
            f"{path} is not the expected file: {kind} {found}, expected {expected}; remove it, or "
            "give another folder."
        )
    return path


def fetched(name: str, url: str) -> Path:
    """Fetch a file from the network, or from scikit-learn's cache after the first time.

    Raises:
        OSError: the file could not be fetched.
    """
    from sklearn.datasets import fetch_file, get_data_home

    home = Path(get_data_home()) / "absentia"
    path = home / name
    if path.is_file():
        return path
    try:
        return Path(fetch_file(url, folder=home, local_filename=name))
    except OSError as error:  # urllib raises it as well
        raise FileError(
            f"{name} could not be fetched from {url} ({error}); set {FOLDER_VARIABLE} to a folder "
            "that holds the data."
        ) from error


def _hash(file: BinaryIO, kind: str) -> str:
    found = hashlib.new(kind, usedforsecurity=False)
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()
