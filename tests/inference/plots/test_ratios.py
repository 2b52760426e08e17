"""The picture of ratios: every number can be read on the colour of its field."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from absentia.inference.plots.ratios import RatioCell, plot_ratios
from absentia.inference.plots.style import ink_on


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_numbers_are_legible_on_their_fields():
    methods = [f"m{k}" for k in range(25)]
    cells = [RatioCell(m, "s", 0.4 + 0.05 * k, 9.0) for k, m in enumerate(methods)]
    axes = plot_ratios(cells, methods, ["s"], "ratio").axes[0]
    (image,) = axes.images
    fields = image.to_rgba(image.get_array())[:, 0]
    assert image.get_alpha() is None  # the colour is the one that is seen
    written = [text for text in axes.texts if text.get_text() != "9.00"]
    for number, field in zip(written, fields, strict=True):
        assert contrast(number.get_color(), field) > 4.5
    assert {text.get_color() for text in axes.texts} == {"black", "white"}


@pytest.mark.parametrize("colour", ["#56B4E9", "#b5432f", "#6b7a83", (0.5, 0.5, 0.5)])
def test_ink_is_the_better_of_two(colour):
    best = max(("black", "white"), key=lambda ink: contrast(ink, colour))
    assert ink_on(colour) == best
    assert contrast(best, colour) > np.sqrt(21) - 0.01
