"""Long column names in figures: they fit, and those that differ look different."""

import itertools

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.checks import Calibration, MaskCheck
from absentia.inference.plots.axis import numbers
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
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                labels += [
                    one.label1 for one in axis.get_major_ticks() if low <= one.get_loc() <= high
                ]
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


@pytest.fixture(scope="module")
def hard():
    """Long names joined by underscores, a date, levels, and numbers far from 1."""
    rng = np.random.default_rng(0)
    names = [
        f"baseline_measurement_of_{what}_in_serum_at_visit_{visit}_in_millimol_per_litre_of_blood"
        for what in ("glucose", "creatinine")
        for visit in (1, 2)
    ]
    values = {
        names[0]: 1e6 + 2.5e5 * rng.normal(size=40),
        names[1]: 1e-6 * rng.normal(size=40),
        names[2]: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 40), "D"),
        names[3]: [f"a level with a name of 3{k} letters" for k in rng.integers(0, 6, 40)],
    }
    frame = pd.DataFrame(values)
    for name in names:
        frame.loc[rng.random(40) < 0.3, name] = None
    frame.loc[0] = None
    frame["age"] = rng.normal(size=40)
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1, sign="+")
    return model, data, ab.impute(model, data, particles=20, draws=10, unfitted=True)


def figure_of(kind, hard):
    model, data, imputation = hard
    names = list(data.columns[:4])
    if kind == "graph":
        return ab.plots.plot_graph(SelfMasking(5).describe(data))
    if kind == "missingness":
        return ab.plots.plot_missingness(data)
    if kind == "imputed":
        return ab.plots.plot_imputed(imputation)
    if kind == "row":
        return ab.plots.plot_row(imputation, 0)
    if kind == "mechanism":
        return ab.plots.plot_mechanism(model, data, parameters="fixed", imputation=imputation)
    if kind == "calibration":
        ranks = {name: np.arange(1000) % 100 for name in names}
        return ab.plots.plot_calibration(Calibration(ranks, 99, 10))
    if kind == "sensitivity":
        at = [-1.0, 0.0, 1.0]
        table = pd.DataFrame(
            {"at": at, "estimand": names[1], "estimate": [-1e6, 0.0, 1e6], "se": 1e5,
             "lower": [-1.1e6, -1e5, 9e5], "upper": [-9e5, 1e5, 1.1e6], "fmi": 0.1,
             "how": "fitted", "khat": 0.1}
        )  # fmt: skip
        what = "slope of the log-odds of being missing, per sd,"
        profile = pd.Series([-3.0, 0.0, -3.0], index=at)
        curve = ab.sensitivity.SensitivityCurve(table, what, names[0], 0.95, profile)
        return ab.plots.plot_sensitivity(curve, value=2e5)
    shares, tenths = rates()
    figure = ab.plots.plot_mask_check(MaskCheck(shares, pd.DataFrame(), tenths, pd.DataFrame()))
    assert len(figure.axes) == 2  # nothing to calibrate, no empty panel
    return figure


KINDS = [
    "graph",
    "missingness",
    "imputed",
    "row",
    "mechanism",
    "calibration",
    "sensitivity",
    "mask",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.thin(4)
def test_no_label_is_cut_or_written_over(kind, hard):
    figure = figure_of(kind, hard)
    boxes, whole = drawn(figure)
    assert len(boxes) > 6
    for box in boxes:
        assert box.x0 >= whole.x0 - 1
        assert box.x1 <= whole.x1 + 1
        assert box.y0 >= whole.y0 - 1
        assert box.y1 <= whole.y1 + 1
    for axes in (one for one in figure.axes if one.get_visible() and one.axison):
        assert not axes.xaxis.get_offset_text().get_text()  # a factor would be on the label
        low, high = axes.get_xlim()
        ticks = [t.label1 for t in axes.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
        extents = [t.get_window_extent() for t in ticks if t.get_text() and not t.get_rotation()]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
        below = axes.xaxis.label.get_window_extent()
        assert not (axes.xaxis.label.get_text() and any(below.overlaps(one) for one in extents))


@pytest.mark.parametrize("kind", ["imputed", "row", "mechanism", "calibration"])
def test_panels_say_which_column_they_are_of(kind, hard):
    figure = figure_of(kind, hard)
    named = [axes.get_title() or axes.get_xlabel() for axes in figure.axes if axes.get_visible()]
    named = [text.replace("\n", " ") for text in named if text]
    for what, visit in (("glucose", 1), ("glucose", 2), ("creatinine", 1), ("creatinine", 2)):
        assert sum(f"{what}…{visit}" in text for text in named) == 1


@pytest.mark.parametrize("kind", ["row", "mechanism"])
def test_days_and_levels_are_written_as_such(kind, hard):
    figure = figure_of(kind, hard)
    drawn(figure)
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    assert next(t.get_text()[:4] for t in panels[2].get_xticklabels()) in ("2023", "2024")
    levels = [t.get_text() for t in panels[3].get_xticklabels()]
    assert levels == [f"a level with… 3{k} letters" for k in range(6)]


def test_numbers_are_written_whole():
    assert numbers([100.001, 100.002]) == ["100.001", "100.002"]
    assert numbers([0.0, 2.5e-7, 5e-7]) == ["0", "2.5e−7", "5e−7"]
    assert numbers([-0.5, 0.0, 0.25]) == ["−0.50", "0", "0.25"]
    assert numbers([1.25e12, 1.5e12]) == ["1.25e12", "1.5e12"]
    assert numbers([]) == []


def test_names_of_no_words_are_numbered():
    alike = ["a" * 20 + "b" * 40 + "c" * (20 + k) for k in (0, 1)]
    assert len(set(shorts(alike, 12))) == 2
    assert max(map(len, shorts(alike, 12))) <= 12
