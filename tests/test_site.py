"""The built site in a browser: nothing is complained of, and nothing is wider than its window."""

from pathlib import Path

import pytest

from tests.browser import Browser, installed

SITE = Path(__file__).parents[1] / "docs" / "_build" / "html"
#: the same words on every page of the reference, so a few of them stand for all
REFERENCE = ("absentia.fit", "absentia.NotMIWAE", "absentia.MNARImputer")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(installed() is None, reason="no Chromium is installed"),
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="run `make docs` first"),
]


@pytest.fixture(scope="module")
def browser():
    with Browser(installed()) as one:
        yield one


def pages():
    generated = [SITE / "api" / "generated" / f"{name}.html" for name in REFERENCE]
    written = [p for p in sorted(SITE.rglob("*.html")) if not {"generated", "_static"} & {*p.parts}]
    return written + generated


@pytest.mark.parametrize("width", [1200, 420])
def test_pages_say_nothing_and_fit_their_window(browser, width):
    page = browser.page(width)
    assert len(pages()) > 50
    faults = {}
    for path in pages():
        page.open(path.as_uri())
        said, over = page.complaints(), page.sideways()
        if said or over > 0:
            faults[path.relative_to(SITE).as_posix()] = (said, over)
    page.close()
    assert not faults


@pytest.mark.parametrize("width", [1200, 970])
def test_the_header_is_one_line(browser, width):
    page = browser.page(width)
    page.open((SITE / "index.html").as_uri())
    middles = page.evaluate(
        "[...document.querySelectorAll('.bd-header a, .bd-header button')]"
        ".map(e => e.getBoundingClientRect()).filter(r => r.width && r.left < innerWidth)"
        ".map(r => (r.top + r.bottom) / 2)"
    )
    page.close()
    assert len(middles) > 8
    assert max(middles) - min(middles) < 10


@pytest.mark.parametrize(
    ("words", "found"),
    [("detection limit", "how-to/detection-limits"), ("tipping point", "how-to/regulator")],
)
def test_search_works_from_the_file_system(browser, words, found):
    page = browser.page(1200)
    page.open((SITE / "search.html").as_uri() + "?q=" + words.replace(" ", "+"))
    page.until("document.querySelectorAll('#search-results li a').length")
    links = page.evaluate(
        "[...document.querySelectorAll('#search-results li a')].slice(0, 10).map(a => a.href)"
    )
    assert page.complaints() == []
    page.close()
    assert any(found in link for link in links)
