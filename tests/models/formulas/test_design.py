"""Design columns, against formulaic, patsy, scipy and numerical derivatives."""

import json

import numpy as np
import pandas as pd
import patsy
import pytest
import torch
from formulaic import model_matrix
from scipy.interpolate import BSpline

from absentia.models.formulas import Design, Source, parse
from absentia.models.formulas.splines import b_spline, natural_knots, natural_spline

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
        }
    )


SOURCES = {
    "age": Source("age"),
    "income": Source("income"),
    "sex": Source("sex", "levels", ("f", "m")),
    "job": Source("job", "levels", ("a", "b", "c", "d")),
    "stage": Source("stage", "number", ("I", "II", "III")),
    "body mass": Source("body mass"),
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


@pytest.mark.parametrize("text", ["age:job", "sex:job + sex", "age + age:job"])
def test_interactions_of_levels_span_what_patsy_s_span(table, text):
    ours = np.column_stack([np.ones(N), raw(Design.learn(parse(text), table, SOURCES), table)])
    theirs = np.asarray(patsy.dmatrix(text, labelled(table)))
    rank = np.linalg.matrix_rank
    assert rank(ours) == rank(theirs) == rank(np.column_stack([ours, theirs]))


def test_ordinal_columns_count_as_grades_and_c_makes_levels(table):
    grades = Design.learn(parse("stage"), table, SOURCES)
    np.testing.assert_allclose(raw(grades, table)[:, 0], table["stage"])
    levels = Design.learn(parse("C(stage)"), table, SOURCES)
    assert levels.names == ("C(stage)[II]", "C(stage)[III]")


@pytest.mark.parametrize(("df", "degree"), [(3, 3), (5, 3), (4, 2), (2, 1)])
def test_b_splines_are_scipy_s_and_go_on_in_straight_lines(df, degree):
    x = torch.linspace(-1, 2, 41, dtype=torch.float64)
    knots = np.linspace(-1, 2, df - degree + 2).tolist()
    basis = torch.stack(b_spline(x, knots, degree), -1).numpy()
    full = np.r_[[knots[0]] * degree, knots, [knots[-1]] * degree]
    theirs = BSpline.design_matrix(x.numpy(), full, degree).toarray()[:, 1:]
    np.testing.assert_allclose(basis, theirs, atol=1e-12)
    far = torch.tensor([2.0, 3.0, 4.0, -1.0, -2.0, -3.0], dtype=torch.float64)
    beyond = torch.stack(b_spline(far, knots, degree), -1)
    for a, b, c in ((0, 1, 2), (3, 4, 5)):
        torch.testing.assert_close(beyond[c] - beyond[b], beyond[b] - beyond[a])
    slope = (beyond[1] - beyond[0]).numpy()
    unit = np.eye(len(full) - degree - 1)
    rise = [BSpline(full, unit[i], degree)(2.0, 1) for i in range(1, df + 1)]
    np.testing.assert_allclose(slope, rise, atol=1e-9)


def test_natural_splines_span_patsy_s():
    x = np.linspace(0, 1, 50)
    knots = natural_knots(torch.from_numpy(x), 4)
    ours = torch.stack(natural_spline(torch.from_numpy(x), torch.tensor(knots).double()), -1)
    ours = np.column_stack([np.ones(50), ours.numpy()])
    inner = knots[1:-1]
    theirs = np.asarray(patsy.dmatrix("cr(x, knots=inner)", {"x": x, "inner": inner}))
    rank = np.linalg.matrix_rank
    assert rank(ours) == rank(theirs) == rank(np.column_stack([ours, theirs]), tol=1e-8) == 5


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


REFUSED = {
    "agee": "there is no column 'agee'; did you mean 'age'",
    "nothing_like_it": "there is no column 'nothing_like_it'; there are age",
    "log(sex)": "sex has levels, which have no arithmetic",
    "C(age)": "age is a number without levels",
    "sin(age)": "no function sin; there are I, log",
    "poly(age, 0)": "0 is not a whole number",
    "poly(age, degree=2.5)": "2.5 is not a whole number",
    "bs(age, df=2)": "has at least df=3, not 2",
    "bs(age, dg=2)": "takes one value, df, degree",
    "hinge(age)": "give knot",
    "I(3)": "reads no column",
    "I(latent)": "stands alone",
    "log(poly(age, 2))": "stands alone",
    "mask_latent": "mask_latent is read",
    "log(I(age - 60))": "is not finite",
    "I(age - age)": "has one value only",
    "+job": "stands for 3 coefficients, which one direction does not fit",
    "I(age[0])": "Subscript has no meaning",
    "I('a')": "'a' is no number",
    "is_missing(agee)": "there is no column 'agee'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(table, text):
    with pytest.raises(ValueError, match=REFUSED[text].replace("(", r"\(")) as error:
        Design.learn(parse(text), table, SOURCES)
    assert str(error.value).startswith("formula ")
