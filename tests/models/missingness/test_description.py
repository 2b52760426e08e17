"""Mechanisms in words: of few columns a paragraph each, of many a line each."""

import pytest

from absentia.models.missingness.description import ColumnDescription, Description


def described(count, *more):
    columns = [
        ColumnDescription(
            f"x{j}",
            f"logit P(x{j} missing) = {j} + x{j}",
            values=(f"x{j}",),
            integration="integrated out",
            identified=False,
            reason=f"nothing but the form identifies how x{j} itself enters",
        )
        for j in range(count)
    ]
    quiet = [ColumnDescription(f"q{j}", "never missing") for j in range(40)]
    return Description("Mechanism", (*columns, *more, *quiet))


OTHER = ColumnDescription(
    "y",
    "logit P(y missing) = x1",
    values=("x1",),
    masks=("x1",),
    integration="drawn",
    identified=False,
    reason="a colluder",
)


def test_few_columns_have_a_paragraph_each():
    text = str(described(2))
    assert text.count("identified: NO") == 2
    assert "  x1 (self-censoring)\n    logit P(x1 missing) = 1 + x1\n" in text
    assert "graph: x0 -> R[x0] (self-censoring), x1 -> R[x1] (self-censoring)" in text


@pytest.mark.parametrize("count", [5, 30, 300])
def test_many_columns_have_a_line_each_and_say_what_is_the_same_once(count):
    one = described(count, OTHER)
    assert one.wide
    lines = str(one).splitlines()
    assert len(lines) == 1 + (count + 1) + 2 + 2 + 1 + 1
    assert sum("logit P(" in line for line in lines) == count + 1
    (same,) = [line for line in lines if "nothing but the form" in line]
    assert "identifies how x0 itself enters (of x0; the same of x1, x2, x3, x4" in same
    assert ("and" in same) == (count > 21)
    assert "  identified: NO, a colluder (of y)" in lines
    assert lines[-1].startswith("graph: x0, x1, x2")
    assert "x1 -> R[y] (colluder)" in lines[-1]
    assert max(map(len, lines)) < 300
    assert one.equations().count("\n") == count


def test_sentences_that_differ_by_more_than_the_name_stay_apart():
    columns = [
        ColumnDescription(f"x{j}", "e", integration="i", identified=None, reason=f"by z{j // 3}")
        for j in range(6)
    ]
    summary = Description("t", tuple(columns)).summary()
    assert summary.count("identified: on a condition") == 2
