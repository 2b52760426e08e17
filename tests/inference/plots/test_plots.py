"""Figures show the numbers that they are of."""

import re

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.checks import Calibration
from absentia.inference.plots.mechanism import missing_probability
from absentia.inference.plots.style import panels


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    rows = rng.multivariate_normal([50.0, 0.0], [[100.0, 7.0], [7.0, 1.0]], size=200)
    frame = pd.DataFrame(rows, columns=["pay", "age"])
    frame.loc[rng.random(200) < 1 / (1 + np.exp(-0.2 * (frame["pay"] - 50))), "pay"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "pay ~ +pay", scale="column")
    result = ab.fit(model, data, progress=False)
    return result, data, ab.impute(result, data, 100)


def test_the_curve_is_the_equation_on_the_datas_scale(fitted):
    result, data, _ = fitted
    figure = ab.plots.plot_mechanism(result, data, parameters="fixed")
    x, y = figure.axes[0].lines[0].get_data()
    equation = result.model.missingness.describe(data)["pay"].equation
    intercept, slope = equation.split("= ")[1].replace(" pay", "").replace("+ ", "").split(" ")
    want = 1 / (1 + np.exp(-(float(intercept) + float(slope) * x)))
    assert np.allclose(y, want, atol=2e-3)  # the equation is printed to four digits
    assert x.min() < np.nanmin(data.values[:, 0])
    table = np.array([[55.0, 0.0]])
    found = missing_probability(result.model, data.scaler, table)[0, 0]
    assert found == pytest.approx(np.interp(55.0, x, y), abs=1e-3)


@pytest.mark.slow
def test_the_band_holds_the_curve_and_narrows_with_the_level(fitted):
    result, data, imputation = fitted

    def width(level):
        figure = ab.plots.plot_mechanism(
            result, data, imputation=imputation, parameters="laplace", draws=40, level=level
        )
        panel = figure.axes[0]
        (band,) = panel.collections
        path = band.get_paths()[0].vertices
        x, y = panel.lines[0].get_data()
        middle = len(x) // 2
        inside = path[np.isclose(path[:, 0], x[middle])][:, 1]
        assert inside.min() < y[middle] < inside.max()
        return np.ptp(inside)

    assert width(0.5) < width(0.9)


def test_bars_count_what_they_say(fitted):
    _, data, imputation = fitted
    figure = ab.plots.plot_imputed(imputation)
    (panel,) = figure.axes
    area = sum(bar.get_height() * bar.get_width() for bar in panel.patches[:39])
    assert area == pytest.approx(1.0, abs=0.02)
    assert "%" in panel.get_title()
    row = int(np.flatnonzero(np.isnan(data.values[:, 0]))[0])
    of_row = ab.plots.plot_row(imputation, row)
    assert of_row.axes[0].lines[0].get_xdata()[0] == imputation.mean[row, 0]
    reliability = ab.plots.plot_reliability(imputation)
    points = sum(len(c.get_offsets()) for c in reliability.axes[0].collections)
    assert points == np.isnan(data.values).any(1).sum()


def test_levels_are_bars():
    frame = pd.DataFrame({"stage": list("abcab") * 8, "x": np.arange(40.0)})
    frame.loc[::7, "stage"] = None
    data = ab.IncompleteData.from_frame(frame)
    imputation = ab.impute(ab.MIWAE(data, latent_dim=1), data, 50, unfitted=True)
    panel = ab.plots.plot_imputed(imputation, ["stage"]).axes[0]
    heights = [bar.get_height() for bar in panel.patches]
    assert sum(heights[:3]) == pytest.approx(1.0)
    assert sum(heights[3:]) == pytest.approx(1.0)
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["a", "b", "c"]


def test_dates_are_written_as_days():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 40), "D")
    frame = pd.DataFrame({"day": days, "x": rng.normal(size=40)})
    frame.loc[:5, "day"] = pd.NaT
    data = ab.IncompleteData.from_frame(frame)
    filled = ab.impute(ab.fit(ab.PPCA(data), data, steps=5, progress=False), data, 50)
    for figure in (ab.plots.plot_imputed(filled, ["day"]), ab.plots.plot_row(filled, 0, ["day"])):
        figure.canvas.draw()
        panel = figure.axes[0]
        written = [label.get_text() for label in panel.get_xticklabels()]
        assert all(re.fullmatch(r"202[345]-\d\d-\d\d", text) for text in written)
        assert len(panel.get_yticks()) == 0
    good = ab.plots.plot_reliability(filled).axes[0].get_title()
    assert good == f"weights good in {100 * filled.reliable.mean():.1f} % of rows"


def test_history_and_ranks(fitted):
    result, _, _ = fitted
    panel = ab.plots.plot_history(result).axes[0]
    assert np.array_equal(panel.lines[0].get_ydata(), result.history["train_bound"])
    ranks = np.arange(1000) % 100
    panel = ab.plots.plot_calibration(Calibration({"a": ranks}, 99, 10)).axes[0]
    assert [bar.get_height() for bar in panel.patches[:10]] == [100.0] * 10


def test_a_sensitivity_curve_is_marked_where_it_tips():
    at = [-1.0, 0.0, 1.0]
    table = pd.DataFrame(
        {"at": at, "estimand": "m", "estimate": at, "se": 0.1, "lower": np.array(at) - 0.2,
         "upper": np.array(at) + 0.2, "fmi": 0.1, "how": ["reweighted", "fitted", "refitted"],
         "khat": 0.1}
    )  # fmt: skip
    profile = pd.Series([-3.0, 0.0, -3.0], index=at)
    curve = ab.sensitivity.SensitivityCurve(table, "slope", "a", 0.95, profile)
    figure = ab.plots.plot_sensitivity(curve, value=0.5)
    assert len(figure.axes) == 2
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    assert [float(np.ravel(mark.get_xdata())[0]) for mark in marks] == [0.5]
    assert figure.axes[1].lines[0].get_ydata().max() == 0.0


def test_mistakes(fitted):
    result, data, imputation = fitted
    with pytest.raises(ValueError, match=r"'age'.*missing"):
        ab.plots.plot_mechanism(result, data, ["age"])
    with pytest.raises(ValueError, match=r"'age'.*missing"):
        ab.plots.plot_imputed(imputation, ["age"])
    with pytest.raises(ValueError, match="no row 'x'"):
        ab.plots.plot_row(imputation, "x")
    with pytest.raises(ValueError, match=r"row 0.*missing"):
        ab.plots.plot_row(ab.impute(result, data.with_values(np.ones_like(data.values)), 30), 0)
    with pytest.raises(ValueError, match="ignorable"):
        ab.plots.plot_mechanism(ab.PPCA(data), data)


def test_spare_panels_are_hidden():
    figure, axes = panels(4, across=3)
    assert len(axes) == 4
    assert [panel.get_visible() for panel in figure.axes] == [True] * 4 + [False] * 2


def test_a_notebook_shows_them_without_pyplot(fitted):
    """What IPython shows of a cell's value, with nothing of matplotlib's set up in it."""
    from IPython.core.formatters import DisplayFormatter

    _, data, *_ = fitted
    for figure in (panels(2)[0], ab.plots.plot_missingness(data)):
        shown, _ = DisplayFormatter().format(figure)
        assert shown["image/png"][:4] == b"\x89PNG"


@pytest.fixture(scope="module")
def wide():
    """A hundred columns, of which 60 have gaps: the later the more."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 100)), columns=[f"c{j:03}" for j in range(100)])
    for j in range(40, 100):
        frame.iloc[rng.permutation(80)[: 10 + (j - 40) // 2], j] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, latent_dim=1, sign="+")
    return data, ab.impute(model, data, particles=20, draws=20, unfitted=True), model


def height(figure):
    return figure.get_size_inches()[1]


def titles(figure):
    return [axes.get_title().split(" ")[0] for axes in figure.axes if axes.get_visible()]


def named_below(figure):
    """Return the columns of panels that have their names below."""
    return [axes.get_xlabel() for axes in figure.axes if axes.get_visible() and axes.get_xlabel()]


@pytest.mark.slow
def test_figures_of_wide_tables_are_of_the_most_missing_and_say_so(wide):
    data, imputation, model = wide
    last = [f"c{j:03}" for j in range(88, 100)]
    figure = ab.plots.plot_imputed(imputation)
    assert titles(figure) == last
    assert height(figure) < 14
    line = "the 12 most missing of 60 columns; columns= names others"
    assert figure.get_suptitle() == line
    figure = ab.plots.plot_mechanism(model, data, parameters="fixed")
    assert named_below(figure) == last
    assert figure.get_suptitle() == line
    row = int(data.index[int(np.isnan(data.values).sum(1).argmax())])
    figure = ab.plots.plot_row(imputation, row)
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 12
    assert "the first 12 of" in figure.get_suptitle()
    ranks = {name: np.arange(1000) % 100 for name in data.columns}
    figure = ab.plots.plot_calibration(Calibration(ranks, 99, 10))
    assert height(figure) < 14
    assert figure.get_suptitle() == "the first 12 of 100; columns= names others"
    figure = ab.plots.plot_missingness(data)
    assert max(figure.get_size_inches()) < 32
    assert "the 30 most missing of 60 columns with gaps" in figure.get_suptitle()


@pytest.mark.slow
def test_columns_chooses_what_is_drawn(wide):
    data, imputation, model = wide
    two = ["c050", "c041"]
    assert titles(ab.plots.plot_imputed(imputation, two)) == two
    mechanism = ab.plots.plot_mechanism(model, data, two, parameters="fixed")
    assert named_below(mechanism) == two
    ranks = Calibration({name: np.arange(1000) % 100 for name in data.columns}, 99, 10)
    assert titles(ab.plots.plot_calibration(ranks, two)) == ["c050,", "c041,"]
    pattern = ab.plots.plot_missingness(data, two)
    assert pattern.get_suptitle().startswith("80 rows, 2 columns")
    assert height(pattern) < 10
    row = int(np.flatnonzero(np.isnan(data.values[:, [50, 41]]).all(1))[0])
    of_row = ab.plots.plot_row(imputation, row, two)
    assert [axes.get_xlabel() for axes in of_row.axes] == two
    check = ab.check.check_mask(model, data, replications=20)
    rates = ab.plots.plot_mask_check(check)
    assert len(rates.axes[0].get_xticks()) == 30
    assert "the 30 most missing of" in rates.get_suptitle()
    rates = ab.plots.plot_mask_check(check, two)
    assert [t.get_text() for t in rates.axes[0].get_xticklabels()] == two
    gaps = [f"c{j:03}" for j in range(40, 100)]
    many = ab.plots.plot_imputed(imputation, gaps)
    assert many.get_suptitle() == "the first 48 of 60 columns asked for"
    for draw in (ab.plots.plot_missingness, lambda d, c: ab.plots.plot_calibration(ranks, c)):
        with pytest.raises(ValueError, match=r"columns=.*'nix'"):
            draw(data, ["nix"])
        with pytest.raises(ValueError, match="columns= is empty"):
            draw(data, [])


def test_the_check_of_cells_is_drawn_as_it_is():
    rng = np.random.default_rng(0)
    names = [f"a{k}" for k in range(8)]
    pit = pd.DataFrame(rng.dirichlet(np.ones(10), 8), index=names, columns=range(1, 11))
    levels = np.arange(1, 20) / 20
    held = pd.DataFrame(np.sort(rng.random((8, 19)), axis=1), index=names, columns=levels)
    columns = pd.DataFrame({"effective": 50.0, "p_value": 0.3}, index=names)
    found = ab.check.CellCheck(columns, pit, held)
    bars, curve = ab.plots.plot_cell_check(found, ["a3"]).axes
    shares = [bar.get_height() for bar in bars.containers[0]]
    np.testing.assert_allclose(shares, pit.loc["a3"])
    np.testing.assert_allclose(curve.lines[1].get_ydata(), held.loc["a3"])
    columns["p_value"] = [0.3, 1e-9, 0.2, 0.1, 0.5, 0.04, 0.6, 0.7]
    whole = ab.plots.plot_cell_check(found)
    assert len(whole.axes) == 12
    assert "the 6 worst fitting of 8" in whole.get_suptitle()
    titles = [axes.get_title() for axes in whole.axes[::2]]
    assert titles[:2] == ["a0, p = 0.3", "a1, p < .001"]
    assert "a6" not in " ".join(titles)
    band = next(p for p in bars.patches if p not in bars.containers[0])
    assert band.get_zorder() < bars.containers[0][0].get_zorder()  # behind the bars, not over them


def test_the_check_of_cells_tells_long_names_apart():
    begin, end = "baseline_concentration_in_the_serum_of_", "_at_the_second_visit_in_mmol_per_litre"
    names = [f"{begin}{what}{end}" for what in ("iron", "zinc")]
    pit = pd.DataFrame(np.full((2, 10), 0.1), index=names, columns=range(1, 11))
    held = pd.DataFrame([[0.1, 0.5]] * 2, index=names, columns=[0.1, 0.5])
    columns = pd.DataFrame({"effective": 50.0, "p_value": 0.3}, index=names)
    axes = ab.plots.plot_cell_check(ab.check.CellCheck(columns, pit, held)).axes
    assert [one.get_title() for one in axes[::2]] == ["…iron…, p = 0.3", "…zinc…, p = 0.3"]
