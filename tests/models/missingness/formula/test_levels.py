"""Coding of levels, against patsy's algorithm."""

import json

import numpy as np
import pandas as pd
import patsy
import pytest
import torch

from absentia.models.missingness.formula import Design, Source, parse

N = 240
LEVELS = {"sex": "fm", "job": "abcd", "site": "xyz"}
TEXTS = [
    "age:job",
    "age + age:job",
    "sex:job",
    "sex:job + sex",
    "sex:job + age",
    "sex:job:site",
    "sex:job:site + job",
    "sex*job*site",
    "age:sex:job",
    "age:sex:job + age",
    "age:sex:job + age:sex",
    "age*sex*job",
    "sex:job + sex:age",
    "sex:job + job:site",
    "0 + sex:job",
    "0 + sex*job",
    "0 + sex:job + sex",
    "0 + age + sex",
    "0 + age:sex + age",
    "0 + age:sex + sex:job",
    "0 + job + site",
]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    codes = {name: rng.integers(0, len(of), N).astype(float) for name, of in LEVELS.items()}
    return pd.DataFrame({"age": rng.normal(50, 10, N), **codes})


SOURCES = {
    "age": Source("age"),
    **{name: Source(name, "levels", tuple(of)) for name, of in LEVELS.items()},
}


def columns(design, table):
    found = design(lambda name: torch.tensor(table[name].to_numpy())).numpy()
    return found * design.scale + design.center


@pytest.mark.parametrize("text", TEXTS)
def test_columns_span_what_patsy_s_span_and_none_is_too_many(table, text):
    formula = parse(text)
    design = Design.learn(formula, table, SOURCES)
    ours = columns(design, table)
    if formula.intercept:
        ours = np.column_stack([np.ones(N), ours])
    labelled = table.assign(**{k: table[k].map(dict(enumerate(v))) for k, v in LEVELS.items()})
    theirs = np.asarray(patsy.dmatrix(text, labelled))
    rank = np.linalg.matrix_rank
    assert ours.shape[1] == theirs.shape[1] == rank(theirs) == rank(ours)
    assert rank(np.column_stack([ours, theirs])) == rank(ours)
    assert len(set(design.names)) == len(design.names)


def test_terms_of_several_parts_say_what_they_read_and_are_plain_data(table):
    design = Design.learn(parse("age + sex:job"), table, SOURCES)
    names = ("age", "job[b]", "job[c]", "job[d]")
    assert design.names == (*names, *(f"sex[m]:job[{level}]" for level in "abcd"))
    assert design.term_of == (0, *[1] * 7)
    assert design.reads_of(1) == {"sex", "job"}
    again = Design.from_dict(json.loads(json.dumps(design.to_dict())))
    assert again.reads_of(1) == {"sex", "job"}
    np.testing.assert_array_equal(columns(again, table), columns(design, table))


def test_one_part_a_term_where_plain_data_say_nothing_of_parts(table):
    design = Design.learn(parse("age*sex"), table, SOURCES)
    state = design.to_dict()
    del state["part_of"]
    np.testing.assert_array_equal(columns(Design.from_dict(state), table), columns(design, table))


def test_a_direction_is_refused_where_the_term_has_several_coefficients(table):
    with pytest.raises(ValueError, match="'sex:job' has 7 coefficients"):
        Design.learn(parse("+sex:job"), table, SOURCES)
    assert Design.learn(parse("-sex"), table, SOURCES).signs == ("-",)
