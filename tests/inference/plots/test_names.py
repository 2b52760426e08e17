"""Long column names in figures: they fit, and those that differ look different."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.checks import MaskCheck
from absentia.inference.plots.names import lines, short, shorts
from absentia.models import SelfMasking

LONG = [
    f"baseline measurement of {what} in serum, visit {visit} (mmol per litre)"
    for what in ("glucose", "creatinine")
    for visit in (1, 2)
]


def test_short_names_stay_different_and_fit():
    assert len(set(shorts(LONG))) == 4
    assert max(map(len, shorts(LONG))) <= 24
    assert shorts(["a", "price in $"]) == ["a", r"price in \$"]
    assert shorts([LONG[0], LONG[0]]) == [short(LONG[0])] * 2
    assert [name[-1] for name in shorts(["x" * 40 + "1", "x" * 40 + "2"])] == ["1", "2"]
    assert shorts([]) == []


def test_lines_keep_both_ends():
    broken = lines(" ".join(LONG))
    assert broken.count("\n") == 1
    assert max(map(len, broken.split("\n"))) <= 42
    assert broken.startswith("baseline")
    assert broken.endswith("litre)")
    assert lines(lines("cost in $")) == r"cost in \$"


def drawn(figure):
    """The extents of all text that is inside the axes' room, and that of the figure, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = []
    for axes in figure.axes:
        labels = [axes.title, *axes.texts]
        if axes.axison:
            labels += [axes.xaxis.label, axes.yaxis.label]
            labels += [*axes.get_xticklabels(), *axes.get_yticklabels()]
        found += [t.get_window_extent() for t in labels if t.get_visible() and t.get_text()]
    return found, figure.bbox


def rates():
    frame = pd.DataFrame(
        {"observed": 0.3, "mean": 0.3, "lower": 0.2, "upper": 0.4, "p_value": 0.5}, index=LONG
    )
    keys = [(LONG[0], LONG[1], k) for k in range(1, 11)]
    tenths = pd.DataFrame(dict.fromkeys(frame.columns, 0.3), index=pd.MultiIndex.from_tuples(
        keys, names=["missing", "by", "decile"]))  # fmt: skip
    return frame, tenths


@pytest.mark.parametrize("kind", ["graph", "missingness", "mask check"])
def test_no_label_is_cut(kind):
    rng = np.random.default_rng(0)
    values = np.where(rng.random((40, 4)) < 0.3, np.nan, rng.normal(size=(40, 4)))
    frame = pd.DataFrame(values, columns=LONG)
    if kind == "graph":
        figure = ab.plots.plot_graph(SelfMasking(4).describe(ab.IncompleteData.from_frame(frame)))
    elif kind == "missingness":
        figure = ab.plots.plot_missingness(frame)
    else:
        shares, tenths = rates()
        figure = ab.plots.plot_mask_check(MaskCheck(shares, pd.DataFrame(), tenths, pd.DataFrame()))
        assert len(figure.axes) == 2  # nothing to calibrate, no empty panel
    boxes, whole = drawn(figure)
    assert len(boxes) > 6
    for box in boxes:
        assert box.x0 >= whole.x0 - 1
        assert box.x1 <= whole.x1 + 1
        assert box.y0 >= whole.y0 - 1
