"""The report: one page that fetches nothing, opens without an error, and says what was assumed."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

import absentia as ab
from absentia.cli.documents import schema_of
from absentia.inference import MultipleImputation
from absentia.inference.report import About
from absentia.inference.report.answers import completed_tables, pooled_means
from absentia.inference.report.assumptions import values_in_words
from absentia.inference.report.cautions import cautions
from absentia.inference.report.section import Section, html
from absentia.inference.report.sections import without_names
from absentia.inference.report.twin import twin
from tests.browser import Browser, installed


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rng = np.random.default_rng(0)
    age = rng.normal(45, 12, 200)
    income = 20 + 0.6 * age + rng.normal(0, 9, 200)
    frame = pd.DataFrame({"income <k>": income, "age": age})
    frame.loc[rng.random(200) < 1 / (1 + np.exp(-0.12 * (income - 50))), "income <k>"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "`income <k>` ~ +`income <k>`", scale="column")
    options = {"steps": 300, "learning_rate": 1e-2, "progress": False}
    fitted = ab.fit(model, data, **options)
    tables = ab.multiple_imputation(fitted, data, 4, parameters="fixed")
    curve = ab.sensitivity.delta_sensitivity(
        tables, "income <k>", lambda t: t["income <k>"].mean(), [-1, 0, 1]
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    pooled = {"`income <k>` ~ age": tables.pool("`income <k>` ~ age")}
    table = path.with_name("people.csv")
    table.write_text("a table")
    about = About(table, "absentia report people.csv", {"ward": "<3>"},
                  lambda text: text.replace("calibrate='odds'", "--calibrate odds"))  # fmt: skip
    more = {"curves": [curve], "pooled": pooled, "about": about, "title": "Pay & age"}
    cases = pd.DataFrame({"estimate": [1.25, 2.0], "se": [0.5, 0.1]}, ["Intercept", "age"])
    more["beside"] = {"`income <k>` ~ age": {"complete cases (9 rows)": cases}}
    more["multiple"] = more["at_random"] = tables
    assert ab.report(fitted, data, path, replications=20, **more) == path
    return path, model, data


def test_it_says_what_was_assumed_and_found(page):
    path, model, data = page
    text = path.read_text()
    equation = model.missingness.describe(data)["income <k>"].equation
    assert equation.replace("<", "&lt;").replace(">", "&gt;") in text
    assert "income <k>" not in text  # names are text and no markup
    assert "How to cite" in text
    assert f"{int((~data.s).sum())} missing values" in text


def test_its_head_says_what_was_analysed_and_how(page):
    text = page[0].read_text()
    assert "<h1>Pay &amp; age</h1>" in text
    for part in ("people.csv", hashlib.sha256(b"a table").hexdigest(), "&lt;3&gt;", "UTC",
                 "absentia report people.csv", "learning_rate=0.01"):  # fmt: skip
        assert part in text
    # what speaks for or against the answer comes first
    assert text.index('<p class="fine"') < text.index("people.csv")
    assert text.index("The answer") < text.index("The table")


def test_it_can_be_filed(page):
    path, model, data = page
    text, twin_of = path.read_text(), json.loads(path.with_suffix(".json").read_text())
    rest = text[text.index("What the answers rest on") : text.index("<h2>The table")]
    assert values_in_words(model) in rest
    assert "logit link" in rest
    assert "intervals are too narrow" in rest  # the parameters were those of the fit
    found = {row["setting"]: row["value"] for row in twin_of["tables"]["settings"]}
    assert found["seed of the fit"] == "0"
    assert found["steps of the fit"] == "300"
    assert found["completed tables"] == "4"
    assert found["replicated tables of the checks"] == "20"
    assert {"Python", "absentia", "torch", "scipy"} <= set(found)
    cited = re.search("<blockquote>(.*?)</blockquote>", text, re.DOTALL).group(1)
    assert f"Of 400 values (200 rows, 2 columns) {int((~data.s).sum())}" in cited
    assert "in 1 column." in cited
    assert "absentia 0." in cited
    assert "4 tables were completed" in cited
    assert hashlib.sha256(b"a table").hexdigest()[:16] in cited
    # the margin of the printed page is text of a style, which markup would end
    assert re.search(r'@bottom-left { content: "Pay   age, [\w .,:+-]+"', text)


def test_columns_stand_in_one_table_before_and_after(page):
    path, _, data = page
    rows = json.loads(path.with_suffix(".json").read_text())["tables"]["columns"]
    own = next(row for row in rows if row["column"] == "income <k>")
    seen = data.values[~np.isnan(data.values[:, 0]), 0]
    assert own["mean, observed"] == pytest.approx(seen.mean())
    assert own["sd, observed"] == pytest.approx(seen.std(ddof=1))
    assert own["missing"].startswith(str(int((~data.s).sum())))
    assert own["mean, imputed"]
    assert own["at random"]
    other = next(row for row in rows if row["column"] == "age")
    assert (other["mean, imputed"], other["at random"]) == ("", "")


def test_answers_stand_beside_others_and_means_over_the_completed_tables(page):
    path, _, data = page
    text = path.read_text()
    assert "complete cases (9 rows)" in text
    assert "For analyses take" not in text  # these are there
    assert "1.25 (0.50)" in text
    tables = json.loads(path.with_suffix(".json").read_text())["tables"]
    assert [row["complete_cases_se"] for row in tables["pooled"]] == [0.5, 0.1]
    (mean,) = tables["multiple"]  # of the one incomplete column
    assert mean["observed"] == pytest.approx(np.nanmean(data.values[:, 0]))
    assert mean["at_random"] == mean["mean"] != mean["observed"]
    assert mean["lower"] < mean["mean"] < mean["upper"]


def test_pooled_means_are_those_of_rubins_rules():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=30), "g": list("abc") * 10, "b": ["n", "y"] * 15})
    frame.loc[:4, ["x", "g", "b"]] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    values = np.repeat(data.values[None], 3, axis=0)
    values[np.isnan(values)] = rng.integers(0, 2, int(np.isnan(values).sum()))
    several = MultipleImputation(data, values, "fixed", np.nan, np.ones((3, 30)))
    found = pooled_means(several)
    assert list(found.index) == ["x", "b"]  # three levels have no mean
    means = values[:, :, 0].mean(1)
    within = values[:, :, 0].var(1, ddof=1).mean() / 30
    assert found.loc["x", "mean"] == pytest.approx(means.mean())
    assert found.loc["x", "se"] ** 2 == pytest.approx(within + 4 / 3 * means.var(ddof=1))
    section = completed_tables(several)
    assert len(section.points) == int(100 * found["fmi"].max() > 3)


def test_its_twin_has_the_same_numbers_for_a_program(page):
    document = json.loads(page[0].with_suffix(".json").read_text())
    jsonschema.Draft202012Validator(schema_of("page")).validate(document)
    assert document["rows"] == 200
    assert {"mechanism", "coefficients", "pooled"} <= set(document["tables"])
    assert [one["at"] for one in document["tables"]["sensitivity"]] == [-1.0, 0.0, 1.0]


def test_numbers_that_are_not_finite_are_null_and_many_rows_are_folded():
    section = Section("A section")
    rows = pd.DataFrame({"x": [np.inf, np.nan, *range(40)]})
    section.table("Many", rows, "many")
    assert section.tables[0][2] == 42
    found = json.loads(twin("t", {}, {}, [], [section]))
    assert found["tables"]["many"][:3] == [{"x": None}, {"x": None}, {"x": 0.0}]


def test_its_pictures_are_inside_and_have_something_on_them(page):
    text = page[0].read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 9
    for picture in pictures:
        pixels = imread(io.BytesIO(base64.b64decode(picture)))
        assert pixels[..., :3].std() > 0.03
    assert not re.search(r'(src|href)="(?!data:)', text)  # nothing is fetched


@pytest.mark.skipif(installed() is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1200, 420])
def test_a_browser_shows_and_prints_it_without_complaint(page, width):
    with Browser(installed()) as browser:
        window = browser.page(width)
        window.open(page[0].as_uri())
        assert window.complaints() == []
        assert window.sideways() == 0
        assert window.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 50)")
        pixels = imread(io.BytesIO(window.picture()))
        # text and pictures all the way down: no blank screen
        assert (pixels[..., :3].std(axis=(1, 2)) > 0.01).mean() > 0.4
        printed = window.printed()
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 15


@pytest.mark.slow
def test_missing_at_random_and_warnings(tmp_path):
    rows = np.random.default_rng(0).normal(size=(80, 2))
    rows[rows[:, 0] > 0.5, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows, columns=["a", "b"])
    mar = ab.fit(ab.PPCA(data), data, steps=50, progress=False)
    text = ab.report(mar, data, tmp_path / "mar.html", replications=5).read_text()
    assert "taken to be missing at random" in text
    own = ab.fit(ab.NotMIWAEPPCA(data, "a ~ a"), data, steps=100, progress=False)
    text = ab.report(own, data, tmp_path / "own.html", replications=5).read_text()
    assert "Nothing but the shape of the decoder identifies" in text
    assert "against using what was imputed as" in text
    assert "Identified: NO, by nothing but the shape" in text  # the description agrees


@pytest.mark.slow
def test_skewed_values_hidden_at_random(tmp_path):
    """As a newcomer meets it: the page speaks against what it shows, in the words of the data."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"cost": rng.gamma(1.0, 5.0, 200), "age": rng.normal(45, 12, 200)})
    frame.loc[rng.random(200) < 0.3, "cost"] = np.nan
    for schema, times in ((None, 200), ({"cost": "positive"}, 20)):
        data = ab.IncompleteData.from_frame(frame, schema=schema)
        fitted = ab.fit(
            ab.NotMIWAEPPCA(data, "self-masking"),
            data,
            steps=80,
            learning_rate=1e-2,
            check=False,
            progress=False,
        )
        text = ab.report(fitted, data, tmp_path / "cost.html", replications=times).read_text()
        assert "tensor(" not in text
        assert "No curves" not in text
        assert "cost ~ Intercept" in text  # of being missing, in the data's units
        assert "offset[" not in text
        assert "identified</th>" not in text
        assert "at random" in text
        assert "weights good in" in text
        assert "eliable" not in text.replace("unreliable", "")
        if schema is None:
            assert re.search(r"\d+ of 12 statistics of observed values lie outside", text)


def test_its_texts_are_in_the_words_of_who_asked(page):
    text = page[0].read_text()
    assert "own: --calibrate odds shows" in text
    assert "calibrate=" not in text


def test_what_failed_is_counted():
    """More at the floor than chance has it, a training bound far above, uneven weights."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 2))
    rows[:20, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(ab.PPCA(data), data, steps=20, progress=False)
    filled = ab.impute(fitted, data, 100)
    assert cautions(fitted, filled, None, {}, 100) == []
    floor = 2 / 101
    for at_floor, said in ((0, 0), (1, 0), (12, 1)):
        values = np.r_[np.full(at_floor, floor), rng.uniform(0.1, 1.0, 13 - at_floor)]
        found = cautions(fitted, filled, None, {"shares missing": values}, 100)
        assert len(found) == said
    assert "12 of 13 shares missing lie outside" in found[0]
    history = fitted.history.copy()
    history["train_bound"] = history["validation_bound"] + 5
    (told,) = cautions(replace(fitted, history=history), filled, None, {}, 100)
    assert "on those that were held out" in told
    filled.khat[3] = 2.0
    (told,) = cautions(fitted, filled, None, {}, 100)
    assert "1 of 60 rows are too uneven" in told


@pytest.mark.slow
def test_tables_of_several_kinds_and_complete_ones(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"stage": rng.choice(list("abc"), 60), "n": rng.poisson(2, 60), "x": rng.normal(size=60)}
    ).astype({"n": "Int64"})
    complete = ab.IncompleteData.from_frame(frame)
    fitted = ab.fit(ab.PPCA(complete), complete, steps=5, progress=False)
    text = ab.report(fitted, complete, tmp_path / "whole.html", replications=3).read_text()
    assert "Nothing is missing in this table" in text
    frame.loc[::3, "stage"], frame.loc[1::3, "n"], frame.loc[2::5, "x"] = None, None, np.nan
    data = ab.IncompleteData.from_frame(frame)
    why = {"stage": "x", "n": "n", "x": "x + stage"}
    fitted = ab.fit(ab.NotMIWAEPPCA(data, why), data, steps=5, progress=False)
    text = ab.report(fitted, data, tmp_path / "mixed.html", replications=3).read_text()
    assert "logit P(stage missing)" in text
    bare = ab.impute(fitted, data, 30, draws=0)
    with pytest.raises(ValueError, match="no draws to show"):
        ab.report(fitted, data, tmp_path / "none.html", imputation=bare)


def test_nothing_is_left_behind_where_it_cannot_be_written(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 2))
    rows[0, 0] = np.nan
    data = ab.IncompleteData.from_numpy(rows)
    fitted = ab.fit(ab.PPCA(data), data, steps=5, progress=False)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ab.report(fitted, data, tmp_path / "no" / "r.html", replications=2)
    assert list(tmp_path.iterdir()) == []


def test_words_and_their_headings_stand_at_the_left():
    frame = pd.DataFrame(
        {"kind <a>": ["continuous", ""], "n": [1, 2], "share": ["3 (1 %)", "<.001"]}
    )
    text = html(frame)
    assert '<th class="text">kind &lt;a&gt;</th>' in text
    assert '<td class="text">continuous</td>' in text
    assert "<th>n</th>" in text
    assert "<th>share</th>" in text
    assert "<td>3 (1 %)</td>" in text
    assert "<td>&lt;.001</td>" in text


def test_sentences_that_differ_in_named_columns_stand_once():
    rows = np.random.default_rng(0).normal(size=(20, 6))
    data = ab.IncompleteData.from_numpy(rows)
    described = ab.NotMIWAEPPCA(data, sign="+").missingness.describe(data)
    found = {"known": "direction", "identified": True, "by": [f"x{(k + 1) % 6}" for k in range(6)]}
    own = pd.DataFrame(found, index=list(data.columns))
    once = without_names(described.checked(own), own).sentences()
    assert len([line for line in once if line.startswith("identified")]) == 1
    assert len([line for line in described.checked(own).sentences() if "shadow" in line]) == 6
