"""The complete tables of an experiment, and the masks of their hidden values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data import amputation
from ...data.amputation import images as image_amputation
from ...data.datasets import synthetic
from ...data.datasets import uci as real
from ...data.datasets.images import Shape, load_images
from ...data.datasets.ratings import load_coat, load_yahoo_r3
from ...data.errors import InputError

#: what an experiment's amputation may be, by name
AMPUTATIONS: Mapping[str, Callable[..., amputation.Amputation]] = {
    "above_mean": amputation.above_mean,
    "extremes": amputation.extremes,
    "centre": amputation.centre,
    "angular_sector": amputation.angular_sector,
    "clipped": image_amputation.clipped,
    "circular_mask": image_amputation.circular_mask,
    "brightest_channel": image_amputation.brightest_channel,
}
_OF_PICTURES = ("circular_mask", "brightest_channel")
_RANDOM = ("clipped", "circular_mask")


@dataclass(frozen=True, eq=False)
class Hidden:
    """A complete table, and the mask of its hidden values.

    Attributes:
        truth: (n, p) complete values.
        missing: (n, p) missing mask.
        shape: (C, H, W) of pictures, else None.
        test: number of rows at the end that are scored and not fitted; 0 if all rows are both.
        target: (n,) values to predict, or None.
    """

    truth: np.ndarray
    missing: np.ndarray
    shape: Shape | None = None
    test: int = 0
    target: np.ndarray | None = None

    @property
    def unit(self) -> np.ndarray:
        """The unit of errors (p,): standard deviations of the complete columns, or 1 for pixels."""
        sd: np.ndarray = self.truth.std(0)
        return sd if self.shape is None else np.ones_like(sd)

    @property
    def scored(self) -> Hidden:
        """The rows that are scored."""
        return self._part(slice(-self.test, None)) if self.test else self

    @property
    def fitted(self) -> Hidden:
        """The rows that are fitted."""
        return self._part(slice(None, -self.test)) if self.test else self

    def _part(self, rows: slice) -> Hidden:
        target = None if self.target is None else self.target[rows]
        return Hidden(self.truth[rows], self.missing[rows], self.shape, 0, target)


def check_available(table: Mapping[str, Any]) -> None:
    """Load the table of a cell once, so that cells do not fail one by one.

    Raises:
        OSError: if it cannot be fetched, or is not in its folder.
        ValueError: if its content is not that of the known table.
    """
    given = {key: value for key, value in table.items() if key in ("folder", "grey")}
    if table["make"] == "real":
        given.pop("grey", None)
        real.load(table.get("of", table["name"]), **given)
    elif table["make"] == "images":
        load_images(table["of"], first=1, **given)
    elif table["make"] == "coat":
        load_coat()
    elif table["make"] == "yahoo-r3":
        load_yahoo_r3(table["folder"])


def hidden_table(configuration: Mapping[str, Any]) -> Hidden:
    """Return the complete table of a cell, and the mask of its hidden values.

    A real table may be taken ``without`` some columns, or ``with_target`` as its last column.

    Raises:
        InputError: for a table, a column or an amputation that is not known.
    """
    table = dict(configuration["table"])
    name, make = table.pop("name"), table.pop("make")
    test = int(table.pop("test", 0))
    seed = int(configuration["seed"])
    shape: Shape | None = None
    target = None
    if make == "real":
        of = table.pop("of", name)
        without: list[str] = table.pop("without", [])
        with_target = bool(table.pop("with_target", False))
        frame = real.load(of, **table)
        unknown = [name for name in without if name not in frame]
        if unknown:
            raise InputError(f"table '{of}' has no column '{unknown[0]}' to leave out")
        truth = frame[[name for name in frame if name not in without]].to_numpy(np.float64)
        if with_target:
            truth = np.column_stack([truth, real.target(of, **table).to_numpy(np.float64)])
        if configuration.get("task") == "supervised":  # only then, since it reads the file again
            target = real.target(of, **table).to_numpy()
    elif make == "images":
        pictures = load_images(table.pop("of"), **table)
        truth, shape = pictures.x.astype(np.float64), pictures.shape
    elif make == "gaussian_2d":
        truth = synthetic.gaussian_2d(seed=seed, **table)
    elif make == "ring":
        truth = synthetic.ring(seed=seed, **table)
    else:
        raise InputError(
            f"table '{name}': make '{make}' is not one of real, images, gaussian_2d, ring"
        )
    rows = configuration["rows"]
    if rows is not None and rows < len(truth):
        chosen = np.sort(np.random.default_rng(0).permutation(len(truth))[:rows])
        truth = truth[chosen]
        target = None if target is None else target[chosen]
        test = min(test, rows // 5)
    missing = ~_amputated(configuration, truth, shape, seed).mask
    return Hidden(truth, missing, shape, test, target)


def _amputated(
    configuration: Mapping[str, Any], truth: np.ndarray, shape: Shape | None, seed: int
) -> amputation.Amputation:
    arguments = dict(configuration["amputation"])
    name = arguments.pop("name")
    if name not in AMPUTATIONS:
        raise InputError(f"amputation '{name}' is not one of {', '.join(AMPUTATIONS)}")
    if name in _RANDOM:
        arguments["seed"] = seed
    if name not in _OF_PICTURES:
        return AMPUTATIONS[name](truth, **arguments)
    if shape is None:
        raise InputError(
            f"amputation '{name}' hides pixels of pictures, and this is a table; give one of make "
            f"'images', or another amputation"
        )
    return AMPUTATIONS[name](truth, shape, **arguments)
