"""Formulas that are too much of something: refused at once, in a line."""

import time

import numpy as np
import pandas as pd
import pytest
import torch

from absentia.models.missingness.formula import Design, Source, parse

NAMES = [f"x{j}" for j in range(3000)]
HOSTILE = {
    "power": ("y ~ (a + b)**1000000", "the power 1000000; give a whole number from 1 to 8"),
    "tower": ("y ~ a**10**12", "the power 12; give a whole number"),
    "power of many": (f"y ~ ({' + '.join(NAMES[:300])})**3", "more than 2000 terms"),
    "products": (f"y ~ ({' + '.join(NAMES[:300])}):({' + '.join(NAMES[300:600])})", "2000 terms"),
    "sum": (f"y ~ {' + '.join(NAMES)}", "more than 2000 terms"),
    "crossed": (f"y ~ {'*'.join(NAMES[:40])}", "a product of 9 factors"),
    "order": (f"y ~ {':'.join(NAMES[:1000])}", "a product of 9 factors"),
    "length": ("y ~ " + "a" * 60_000, "60004 characters"),
    "brackets": ("y ~ " + "(" * 3000 + "a" + ")" * 3000, "more than 40 brackets"),
    "calls": ("y ~ " + "log(" * 50 + "a" + ")" * 50, "more than 40 brackets"),
    "braces": ("y ~ " + "{" * 50 + "a" + "}" * 50, "more than 40 brackets"),
    "signs in a call": ("y ~ I(" + "-" * 20_000 + "a)", "nested too deeply"),
    "sum in a call": ("y ~ I(" + "+".join(["a"] * 5000) + ")", "nested too deeply"),
    "signs": ("y ~ " + "-+" * 2000 + "a", "more than two signs in a row"),
    "digits": ("y ~ I(a + " + "1" * 5000 + ")", "a number of more than 40 digits"),
    "null": ("y ~ a\x00b", r"the character '\\x00'"),
    "escape": ("y ~ a + \x1b[31mb", r"the character '\\x1b'"),
    "surrogate": ("y ~ a\ud800", r"the character '\\ud800'"),
    "invisible": ("y ~ a\u200bb", r"the character '\\u200b'"),
    "open": ("y ~ log(a", r"a '\)' is missing"),
    "closed": ("y ~ a)", r"'\)' closes no bracket"),
    "crossed brackets": ("y ~ I(a[)]", r"'\)' closes no bracket"),
    "placeholder": ("y ~ _direction_up_0_(a)", "'_direction'"),
    "parts": ("y ~ " + "a|" * 300 + "b", "several parts"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_too_much_is_refused_at_once(what):
    text, message = HOSTILE[what]
    start = time.process_time()
    with pytest.raises(ValueError, match=message) as error:
        parse(text)
    assert time.process_time() - start < 5
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def learnt(right, **levels):
    """A design of a table with numbers a and b and columns of these many levels."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"])
    sources = {name: Source(name) for name in table}
    for name, count in levels.items():
        table[name] = rng.integers(count, size=50).astype(float)
        sources[name] = Source(name, "levels", tuple(map(str, range(count))))
    return Design.learn(parse(right), table, sources)


@pytest.mark.parametrize(
    ("right", "message"),
    [
        ("bs(a, df=100000000)", "df is 100000000.*1 to 100"),
        ("bs(a, degree=100000)", "degree is 100000.*1 to 20"),
        ("ns(a, df=1e9)", "df is 1000000000.0.*1 to 100"),
        ("poly(a, 100000)", "degree is 100000.*1 to 20"),
        ("bs(a, df=10**8)", "df must be a number"),
        ("I(a + " + "9" * 40 + "**" + "9" * 40 + ")", "constant without"),
        ("I(a + 1e999)", "number.*too large"),
        ("I(a^2)", r"\^ .* power.*\*\*"),
        ("g:h", "has 1000000 coefficients|has 999999 coefficients"),
        ("g + bs(a, df=60):h", "'bs\\(a, df=60\\):h' alone has 60000"),
        (":".join("klmnopq"), "7 columns with levels"),
    ],
)
def test_designs_have_bounds_before_any_column_is_made(right, message):
    start = time.process_time()
    with pytest.raises(ValueError, match=message):
        learnt(right, g=1000, h=1000, **dict.fromkeys("klmnopq", 3))
    assert time.process_time() - start < 5


def test_what_is_large_and_makes_sense_is_read():
    assert len(learnt("g + a:b", g=40).names) == 40
    assert len(learnt("k*l*m", k=2, l=2, m=2).names) == 7
    formula = parse("y ~ " + " + ".join(NAMES[:500]))
    assert len(formula.terms) == 500
    assert parse("log" + "(a + I" * 15 + "(a" + ")" * 16).terms


def test_a_column_may_have_the_name_of_a_placeholder():
    table = pd.DataFrame({"quoted_0_": [1.0, 2.0, 4.0], "a b": [3.0, 1.0, 1.0]})
    sources = {name: Source(name) for name in table}
    design = Design.learn(parse("0 + I(quoted_0_ - `a b`)"), table, sources)
    found = design(lambda name: torch.tensor(table[name].to_numpy()))[:, 0] * design.scale[0]
    assert found.tolist() == pytest.approx([-2.0, 1.0, 3.0])
