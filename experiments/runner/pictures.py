"""Pictures of an experiment: complete, incomplete, and completed by each method."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.datasets.images import as_pictures
from ...inference.plots.pictures import GREY, PictureLine
from ..tasks.tables import Hidden, hidden_table

#: number of maps of the learnt P(missing | picture) beside the completed pictures
MAPS = 3


def lines_of(found: list[tuple[str, dict[str, Any]]]) -> list[PictureLine]:
    """Collect the complete and incomplete pictures, and each method's completed pictures and maps.

    Args:
        found: the name and the result of each method, all for one table.
    """
    hidden = hidden_table(found[0][1]["configuration"]).scored
    chosen = found[0][1]["pictures"]["rows"]
    truth, missing = np.clip(hidden.truth[chosen], 0, 1), hidden.missing[chosen]

    def line(name: str, pixels: np.ndarray, maps: np.ndarray | None = None) -> PictureLine:
        return PictureLine(name, as_pictures(pixels, _shape(hidden)), maps)

    lines = [line("complete", truth), line("shown", np.where(missing, GREY, truth))]
    for name, result in found:
        pixels = np.asarray(result["pictures"]["imputed"]) / 255
        maps = result["pictures"].get("missing")
        if maps is not None:
            maps = _of_channel(np.asarray(maps)[:MAPS] / 100, hidden)
        lines.append(line(name, np.where(missing, pixels, truth), maps))
    return lines


def _shape(hidden: Hidden) -> tuple[int, int, int]:
    assert hidden.shape is not None
    return hidden.shape


def _of_channel(maps: np.ndarray, hidden: Hidden) -> np.ndarray:
    """Return the maps (n, H, W) of the channel that loses most pixels."""
    channels, height, width = _shape(hidden)
    rates = hidden.missing.reshape(-1, channels, height * width).mean((0, 2))
    found: np.ndarray = maps.reshape(-1, channels, height, width)[:, int(rates.argmax())]
    return found
