"""Design columns, against formulaic, patsy, scipy and numerical derivatives."""

import copy
import json
import pickle
import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import torch
from formulaic import model_matrix

from absentia.models.missingness.formula import Design, Source, parse
from absentia.models.missingness.formula.expressions import Expression

N = 60


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, N),
            "income": rng.lognormal(1, 0.5, N),
            "sex": rng.integers(0, 2, N).astype(float),
            "job": rng.integers(0, 4, N).astype(float),
            "stage": rng.integers(0, 3, N).astype(float),
            "body mass": rng.normal(25, 3, N),
            "one": np.zeros(N),
        }
    )


SOURCES = {
    "age": Source("age"),
    "income": Source("income"),
    "sex": Source("sex", "levels", ("f", "m")),
    "job": Source("job", "levels", ("a", "b", "c", "d")),
    "stage": Source("stage", "number", ("I", "II", "III")),
    "body mass": Source("body mass"),
    "one": Source("one", "levels", ("all",)),
    "latent": Source("latent"),
}


def lookup_in(table, dtype=torch.float64):
    return lambda name: torch.tensor(table[name].to_numpy(), dtype=dtype)


def raw(design, table):
    """The columns before they were standardised."""
    return design(lookup_in(table)).numpy() * design.scale + design.center


def labelled(table):
    """As other libraries read it."""
    return table.assign(
        sex=table["sex"].map({0: "f", 1: "m"}),
        job=table["job"].map(dict(enumerate("abcd"))),
        grade=table["stage"].map({0: "I", 1: "II", 2: "III"}),
    )


SAME_AS_FORMULAIC = [
    "age + income",
    "age * income",
    "(age + income)**2",
    "I(age**2) + I(income / age)",
    "log(income) + exp(-income) + `body mass`",
    "job",
    "0 + job",
    "age + job",
    "age * sex",
    "age:sex + age",
    "0 + sex + job",
    "center(age)",
    "poly(age, 2)",
    "bs(age, df=5)",
    "0 + bs(age, df=4, degree=2) + income",
    "bs(age, df=4):income + job",
]


@pytest.mark.parametrize("text", SAME_AS_FORMULAIC)
def test_the_columns_are_formulaic_s(table, text):
    design = Design.learn(parse(text), table, SOURCES)
    for name in ("log", "exp"):  # formulaic finds numpy's functions by name
        assert name not in table
    theirs = model_matrix(
        text.replace("center(age)", "I(age - age.mean())"),
        labelled(table),
        context={"log": np.log, "exp": np.exp},
    )
    theirs = theirs.drop(columns=[c for c in theirs.columns if c == "Intercept"]).to_numpy()
    ours = raw(design, table)
    assert ours.shape == theirs.shape
    if text.startswith("poly"):  # the same polynomials, up to their sign
        theirs = theirs * np.sign((theirs * ours).sum(0))
    np.testing.assert_allclose(np.sort(ours, 1), np.sort(theirs, 1), rtol=1e-9, atol=1e-9)


def test_ordinal_columns_count_as_grades_and_c_makes_levels(table):
    grades = Design.learn(parse("stage"), table, SOURCES)
    np.testing.assert_allclose(raw(grades, table)[:, 0], table["stage"])
    levels = Design.learn(parse("C(stage)"), table, SOURCES)
    assert levels.names == ("C(stage)[II]", "C(stage)[III]")


AFFINE = {
    "income": (True, False),
    "log(income)": (False, True),
    "age": (True, True),
    "income:age": (True, False),
    "I(2 * income + 1)": (True, False),
    "I(income / 3 - age)": (True, False),
    "I(3 / income)": (False, False),
    "I(income**2)": (False, False),
    "I(income * income)": (False, False),
    "income:income2": (False, False),
    "bs(income, df=4)": (False, False),
    "log(income):age": (False, True),
    "income + log(income)": (False, False),
    "center(income) + scale(income)": (True, False),
    "exp(age) + income": (True, False),
    "hinge(income, 2)": (False, False),
    "latent": (True, True),
    "poly(income, 1)": (True, False),
}


@pytest.mark.parametrize("text", AFFINE)
def test_affine_is_said_of_what_is_affine(table, text):
    text_read = text.replace("income2", "I(income)")
    design = Design.learn(parse(text_read), table, SOURCES, latent_dim=2)
    for k, (through, inverse) in enumerate(
        [("identity", lambda t: t), ("log", lambda t: torch.exp(t))]
    ):
        said = design.affine_in("income", through)
        assert said == AFFINE[text][k]
        t = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
        known = {"income": inverse(t), "age": torch.tensor(2.0).double()}
        known["latent"] = torch.ones(2, dtype=torch.float64)
        found = design(lambda name, known=known: known[name])
        found = found.expand(3, -1)
        straight = torch.allclose(found[2] - found[1], found[1] - found[0], rtol=1e-9)
        assert straight or not said


@pytest.mark.parametrize(
    "text", ["age + I(age**2)", "bs(age, df=5)", "ns(age, df=4)", "poly(age, 3)", "tanh(age / 50)"]
)
def test_gradients(table, text):
    design = Design.learn(parse(text), table, SOURCES)
    x = torch.tensor([33.0, 48.7, 51.2, 80.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: design(lambda name: value), (x,))


def test_plain_data_and_back(table):
    text = "bs(age, df=5):sex + C(stage) + scale(income) + latent + is_missing(age)"
    design = Design.learn(parse(text), table, SOURCES, latent_dim=2)
    again = Design.from_dict(json.loads(json.dumps(design.to_dict())))
    known = {
        "latent": torch.randn(N, 2, dtype=torch.float64),
        "is_missing(age)": torch.ones(N, dtype=torch.float64),
    }
    lookup = lookup_in(table)
    both = [d(lambda n: known[n] if n in known else lookup(n)) for d in (design, again)]
    assert torch.equal(*both)
    assert again.names == design.names
    assert again.reads == {"age", "sex", "stage", "income"}
    assert again.reads_missing == {"age"}
    assert again.reads_latent


def test_columns_are_standardised_by_what_was_observed(table):
    table = table.copy()
    table.loc[:20, "age"] = np.nan
    design = Design.learn(parse("age + sex + age:income"), table, SOURCES)
    seen = table.dropna()
    found = design(lookup_in(seen))
    np.testing.assert_allclose(found[:, 0].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(found[:, 0].std(), 1, rtol=1e-12)
    assert set(found[:, 1].tolist()) == {0.0, 1.0}  # indicators stay
    without = Design.learn(parse("0 + age"), table, SOURCES)
    np.testing.assert_allclose(raw(without, seen)[:, 0], seen["age"])
    assert without.center[0] == 0


def test_particles_and_quadrature_nodes_broadcast(table):
    design = Design.learn(parse("age + age:income + latent"), table, SOURCES, latent_dim=3)
    known = {
        "age": torch.randn(7, 5, 11),
        "income": torch.randn(11),
        "latent": torch.randn(5, 11, 3),
    }
    assert design(lambda name: known[name]).shape == (7, 5, 11, 5)


FREE = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["income", "age", "2", "0.5", "log(income)", "is_missing(age)"]),
        st.tuples(FREE, st.sampled_from("+-*/"), FREE).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        FREE.map(lambda inner: f"I(-{inner})"),
        FREE.map(lambda inner: f"center({inner})"),
        FREE.map(lambda inner: f"exp({inner} / 9)"),
        FREE.map(lambda inner: f"hinge({inner}, 1)"),
        st.tuples(FREE, st.sampled_from([0, 1, 2])).map(lambda t: f"({t[0]} ** {t[1]})"),
    )
)


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(FREE)
def test_affine_is_never_said_of_what_is_not(text):
    expression_text = f"I({text})"
    hypothesis.assume("income" in text)
    factor = Expression(expression_text)
    learn_from = {
        "income": torch.linspace(1, 4, 20, dtype=torch.float64),
        "age": torch.linspace(2, 3, 20, dtype=torch.float64).flip(0),
        "is_missing(age)": torch.zeros(20, dtype=torch.float64),
    }
    try:
        factor.learn(learn_from.__getitem__)
    except ValueError:  # a constant without value
        hypothesis.reject()
    t = torch.linspace(0.2, 1.4, 7, dtype=torch.float64)
    for through, inverse in (("identity", lambda t: t), ("log", torch.exp)):
        if not factor.affine_in("income", through):
            continue
        at = {**{k: v[:7] * 0 + 1.7 for k, v in learn_from.items()}, "income": inverse(t)}
        (value,) = factor(at.__getitem__)
        value = value.expand(7)
        if value.isfinite().all():
            bend = value[2:] - 2 * value[1:-1] + value[:-2]
            assert bend.abs().max() <= 1e-9 * value.abs().max().clamp_min(1)


REFUSED = {
    "one": "one has only one level",
    "`latent`": "column 'latent' cannot be read",
    "2:age": "the number 2 as a term or factor",
    "I(1 < 2)": "reads no column",
    "I(1 / 0 * age)": "constant without a",
    "I(age * 10**10**10)": "constant without a",
    "I(age * (-8)**0.5)": "constant without a",
    "hinge(age, 'a')": "knot must be a number, not 'a'",
    "hinge(age, 1, knot=2)": "one value and knot",
    "bs(age, df=True)": "df must be a number, not True",
    "poly(age, degree=1e400)": "degree is inf",
    "is_missing(age, income)": "is_missing() takes",
    "I(age * is_missing(income))": "has only one value",
    "income.mean()": "no function income.mean",
    "agee": "did you mean 'age'",
    "nothing_like_it": "no column 'nothing_like_it'",
    "log(sex)": "sex has levels, which have no arithmetic",
    "C(age)": "age is a number without levels",
    "sin(age)": "no function sin; there are I, log",
    "poly(age, 0)": "degree is 0",
    "poly(age, degree=2.5)": "degree is 2.5",
    "bs(age, df=2)": "at least df=3",
    "bs(age, dg=2)": "one value and df and degree",
    "hinge(age)": "option knot",
    "I(3)": "reads no column",
    "I(latent)": "latent may only",
    "log(poly(age, 2))": "poly() may only",
    "mask_latent": "mask_latent is read",
    "log(I(age - 60))": "is not finite",
    "I(age - age)": "has only one value",
    "+job": "has 3 coefficients",
    "I(age[0])": "'age[0]' has no meaning",
    "I('a')": "'a' is not a number",
    "is_missing(agee)": "there is no column 'agee'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(table, text):
    with pytest.raises(ValueError, match=re.escape(REFUSED[text])) as error:
        Design.learn(parse(text), table, SOURCES)
    assert str(error.value).startswith("formula ")


def test_products_with_a_latent_are_scaled_as_under_its_prior(table):
    design = Design.learn(parse("latent:age"), table, SOURCES, latent_dim=1)
    assert design.names == ("latent[1]:age",)
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(4000, N, 1, generator=generator, dtype=torch.float64)
    known = {"latent": z, "age": lookup_in(table)("age")}
    found = design(known.__getitem__)
    # 240,000 independent cells of kurtosis below 4: standard errors .002 of the mean and the sd
    assert abs(float(found.mean())) < 0.01
    assert abs(float(found.std()) - 1) < 0.01


def test_arithmetic_with_an_absence_is_standardised(table):
    table = table.copy()
    table.loc[:20, "income"] = np.nan
    design = Design.learn(parse("I(age * is_missing(income))"), table, SOURCES)
    term = table["age"] * table["income"].isna()
    np.testing.assert_allclose([design.center[0], design.scale[0]], [term.mean(), term.std()])


def test_an_intercept_alone_has_no_columns(table):
    design = Design.learn(parse("1"), table, SOURCES)
    assert design.names == ()
    assert design(lookup_in(table)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_results_have_the_dtype_looked_up(table, dtype):
    text = "I(log(2) * age) + bs(age, df=4) + ns(age) + poly(age, 2):sex + I(age > 50) + scale(age)"
    design = Design.learn(parse(text), table, SOURCES)
    found = design(lookup_in(table, dtype))
    assert found.dtype == dtype
    exact = design(lookup_in(table))
    torch.testing.assert_close(
        found.double(), exact, atol=1e-4 if dtype == torch.float32 else 0, rtol=0
    )


def test_constants_are_exact(table):
    design = Design.learn(parse("0 + I(age + log(2))"), table, SOURCES)
    np.testing.assert_allclose(raw(design, table)[:, 0], table["age"] + np.log(2), rtol=1e-14)


def test_a_name_is_looked_up_once(table):
    design = Design.learn(parse("age * income + I(age**2) + bs(age, df=4):sex"), table, SOURCES)
    asked = []

    def lookup(name):
        asked.append(name)
        return lookup_in(table)(name)

    design(lookup)
    assert sorted(asked) == ["age", "income", "sex"]


def test_copies_and_pickles_evaluate_the_same(table):
    design = Design.learn(parse("scale(log(income)) + center(age):job"), table, SOURCES)
    expected = design(lookup_in(table))
    for again in (copy.deepcopy(design), pickle.loads(pickle.dumps(design))):
        assert torch.equal(again(lookup_in(table)), expected)


def test_a_first_call_in_inference_mode_leaves_gradients_to_later_ones(table):
    design = Design.learn(parse("age + bs(age, df=7)"), table, SOURCES)
    single = lookup_in(table, torch.float32)  # learning, in double, has made nothing of this type
    with torch.inference_mode():
        design(single)
    x = single("age").requires_grad_()
    design(lambda name: x).sum().backward()
    assert bool(x.grad.isfinite().all())
