"""One mechanism in three tongues: a formula, a class, a function; and its limits."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from torch import nn

import absentia as ab
from absentia.models import (
    FormulaMissingness,
    LinearMissingness,
    NoSelfCensoring,
    ObservedMissingness,
    SelfMasking,
    Threshold,
    TwoSided,
    missing,
)
from absentia.models.missingness import missingness

COLUMNS = ["a", "b", "w"]
SLOPE = torch.tensor([1.5, -0.7, 0.0], dtype=torch.float64)
CURVE = torch.tensor([0.8, 0.3, 0.0], dtype=torch.float64)
OFFSET = torch.tensor([0.4, -0.2, 3.0], dtype=torch.float64)
MATRIX = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.9, -0.4], [0.0, 0.6, -1.0]]).double()


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


def data():
    rng = np.random.default_rng(5)
    x = rng.normal(1.0, 2.0, size=(25, 3))
    x[:, :2][rng.random((25, 2)) < 0.4] = np.nan
    frame = pd.DataFrame(x, columns=COLUMNS)
    return ab.IncompleteData.from_frame(frame, standardise=False, dtype=torch.float64)


def formula(**of_columns):
    """Formulas with all coefficients given, in the data's own units."""
    texts = {name: text for name, (text, _) in of_columns.items()}
    fixed = {name: values for name, (_, values) in of_columns.items()}
    return missing(texts, fixed=fixed, units="data")


def with_values(module, **values):
    with torch.no_grad():
        for name, value in values.items():
            module.get_parameter(name).copy_(value)
    return module


def affine_formula(slope, offset):
    return formula(
        **{
            name: (name, {name: -float(slope[j]), "Intercept": -float(offset[j])})
            for j, name in enumerate(COLUMNS)
        }
    )


def self_masking():
    @missingness(elementwise=True)
    def function(x):
        return Bernoulli(logits=SLOPE * x + OFFSET)

    declared = affine_formula(SLOPE, OFFSET)
    return declared, with_values(SelfMasking(3), raw_slope=SLOPE, offset=OFFSET), function


def two_sided():
    @missingness(elementwise=True)
    def function(x):
        return Bernoulli(logits=OFFSET + SLOPE * x - CURVE * x**2)

    declared = formula(
        **{
            name: (
                f"{name} + I({name}**2)",
                {
                    "Intercept": -float(OFFSET[j]),
                    name: -float(SLOPE[j]),
                    f"I({name} ** 2)": float(CURVE[j]),
                },
            )
            for j, name in enumerate(COLUMNS)
        }
    )
    own = with_values(TwoSided(3), offset=OFFSET, slope=SLOPE, raw_curve=CURVE)
    return declared, own, function


def threshold():
    limits = torch.tensor([0.5, 1.0, 6.0])

    @missingness(elementwise=True)
    def function(x):
        return Bernoulli(logits=-2.0 * (x - limits))

    own = Threshold(3, hides="above", sharpness=2.0, threshold=limits.tolist()).double()
    own.raw_sharpness.copy_(torch.log(torch.expm1(torch.tensor(2.0))))
    return affine_formula(torch.full((3,), -2.0), 2.0 * limits), own, function


def at_random():
    @missingness(elementwise=True)
    def function(x):
        return Bernoulli(logits=SLOPE * x[..., 2:] + OFFSET)

    declared = formula(
        **{
            name: ("w", {"w": -float(SLOPE[j]), "Intercept": -float(OFFSET[j])})
            for j, name in enumerate(COLUMNS)
        }
    )
    own = ObservedMissingness(3, observed=[2])
    with_values(own.linear, weight=SLOPE.unsqueeze(1), bias=OFFSET)
    return declared, own, function


def linear():
    @missingness()
    def function(x):
        return Bernoulli(logits=x @ MATRIX.T + OFFSET)

    declared = formula(
        **{
            name: (
                "a + b + w",
                {
                    "Intercept": -float(OFFSET[j]),
                    **{c: -float(MATRIX[j, k]) for k, c in enumerate(COLUMNS)},
                },
            )
            for j, name in enumerate(COLUMNS)
        }
    )
    own = LinearMissingness(3)
    with_values(own.linear, weight=MATRIX, bias=OFFSET)
    return declared, own, function


def latent():
    weight = MATRIX[:, :2]

    @missingness(elementwise=True, asks=["z"])
    def function(x, z):
        return Bernoulli(logits=z @ weight.T + OFFSET)

    declared = formula(
        **{
            name: (
                "latent",
                {
                    "Intercept": -float(OFFSET[j]),
                    **{f"latent[{d + 1}]": -float(weight[j, d]) for d in range(2)},
                },
            )
            for j, name in enumerate(COLUMNS)
        }
    )
    own = NoSelfCensoring(3, 2)
    with_values(own.linear, weight=weight, bias=OFFSET)
    return declared, own, function


SIX = {
    "self-masking": self_masking,
    "two-sided": two_sided,
    "threshold": threshold,
    "at random": at_random,
    "linear": linear,
    "latent": latent,
}


def log_weights(mechanism, table, unobserved="auto", particles=9):
    model = ab.NotMIWAE(table, mechanism, latent_dim=2, hidden=[6], seed=1).double()
    pyro.set_rng_seed(3)
    elbo = ab.ImportanceWeightedELBO(particles, unobserved=unobserved)
    with torch.no_grad():
        run = elbo.weighted(model.model, model.guide, table.x, table.s, **table.extras())
    return run.log_weight


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize("unobserved", ["auto", "sample"])
def test_three_tongues_one_mechanism(name, unobserved):
    table = data()
    by_formula, by_class, by_function = SIX[name]()
    expected = log_weights(by_class, table, unobserved)
    for other in (by_formula, by_function):
        found = log_weights(other, table, unobserved)
        assert found.shape == (9, 25)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0.0)


def test_slope_zero_is_miwae():
    """log w differs by log P(s), which does not depend on what was drawn."""
    table = data()
    flat = affine_formula(torch.zeros(3), OFFSET)
    rest = Bernoulli(logits=OFFSET).log_prob(table.s.double()).sum(-1)
    expected = log_weights("ignorable", table) + rest
    torch.testing.assert_close(log_weights(flat, table), expected)


def test_fixed_slopes_are_given_slopes():
    table = data()
    given = SelfMasking(3, slope=SLOPE.tolist(), offset=OFFSET.tolist()).double()
    torch.testing.assert_close(
        log_weights(affine_formula(SLOPE, OFFSET), table), log_weights(given, table)
    )


def test_a_coefficient_with_a_prior_is_used_as_a_fixed_one():
    table = data()
    elbo = ab.ImportanceWeightedELBO(5)
    model = ab.NotMIWAE(table, missing("a ~ a", prior=Normal(0, 1)), latent_dim=1, hidden=[4])
    given = {"a ~ a": torch.tensor(0.9)}
    model.double()
    program = pyro.poutine.condition(model.model, data=given)
    model.coefficient_guide = None  # nor does the guide draw it
    other = ab.NotMIWAE(table, missing("a ~ a", fixed={"a": 0.9}), latent_dim=1, hidden=[4])
    other.double()
    with torch.no_grad():
        pyro.set_rng_seed(0)
        run = elbo.weighted(program, model.guide, table.x, table.s)
        pyro.set_rng_seed(0)
        expected = elbo.weighted(other.model, other.guide, table.x, table.s)
    torch.testing.assert_close(run.log_weight, expected.log_weight, atol=1e-6, rtol=0.0)


class Eight(ab.Missingness):
    elementwise = True

    def __init__(self, num_columns):
        super().__init__()
        self.b = nn.Parameter(torch.ones(num_columns))

    def forward(self, x):
        return Bernoulli(logits=self.b - x.abs())


def test_a_user_s_own_class_needs_eight_lines():
    table = data()
    model = ab.NotMIWAEPPCA(table, Eight(3).double()).double()
    fitted = ab.fit(model, table, steps=5, progress=False)
    assert np.isfinite(fitted.bound)
    assert "Eight" in str(model.missingness.describe(table))


# what is derived of a formula


def mechanism(what, table=None):
    return ab.NotMIWAEPPCA(data() if table is None else table, what).missingness


def test_what_is_drawn_and_what_is_integrated():
    coupled = mechanism({"a": "a + b", "b": "w"})
    assert coupled.dependence(3).sampled.tolist() == [False, True, True]  # w, if it were missing
    assert coupled.dependence(3).ignorable.tolist() == [False, False, True]
    described = coupled.describe()
    assert described["b"].integration.startswith("sampled, since the absence of a depends")
    assert described["a"].integration.startswith("integrated out (in closed form")
    alone = mechanism({"a": "a + w + a:w", "b": "b + I(b**3)"})
    assert alone.dependence(3).sampled.tolist() == [False, False, True]
    assert alone.affine_columns.tolist() == [True, False, False]
    assert "quadrature" in alone.describe()["b"].integration


def test_directions_hold():
    own = mechanism(["a ~ +a + -w"])
    with torch.no_grad():
        own.part_of[0].raw.copy_(torch.tensor([-5.0, 3.0]))
    values = own.coefficient_table()["per_sd"]
    assert values["a", "a"] > 0 > values["a", "w"]


def test_equations_in_the_data_s_units():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(100, 15, 40), "w": rng.normal(0, 0.1, 40)})
    frame.loc[:9, "a"] = np.nan
    table = ab.IncompleteData.from_frame(frame, dtype=torch.float64)
    fixed = {"Intercept": -13.0, "a": 0.12, "w": 2.5}
    given = mechanism(missing("a ~ a + w", fixed=fixed, units="data"), table)
    assert given.describe()["a"].equation == "logit P(a missing) = -13 + 0.12 a + 2.5 w"
    score = given(table.x).mean[10:, 0]
    seen = frame.iloc[10:]
    logit = -13.0 + 0.12 * seen["a"] + 2.5 * seen["w"]
    np.testing.assert_allclose(1 - score, 1 / (1 + np.exp(-logit)), rtol=1e-5)


IDENTIFIED = {
    "self": ("a ~ a + w", False, "nothing but the parametric form"),
    "shadow": ("a ~ a", None, "a shadow variable"),
    "at random": ("a ~ w", True, "missing at random"),
    "no self-censoring": ("a ~ b", True, "no self-censoring"),
    "latent": ("a ~ latent", None, "latent"),
    "colluder": ("a ~ b + is_missing(b)", False, "colluder"),
}


@pytest.mark.parametrize("name", IDENTIFIED)
def test_what_identifies_a_column(name):
    text, expected, reason = IDENTIFIED[name]
    described = mechanism([text]).describe()
    assert described["a"].identified is expected
    assert reason in described["a"].reason
    assert (described.unidentified == ("a",)) == (expected is False)
    assert "a" in str(described)


def test_fixing_and_priors_identify():
    fixed = mechanism(missing("a ~ a + w", fixed={"a": 1.0})).describe()
    assert fixed["a"].identified is True
    prior = mechanism(missing("a ~ a + w", prior=Normal(0, 1))).describe()
    assert prior["a"].identified is None
    assert "Normal(0, 1)" in prior["a"].equation


def test_what_reads_an_unidentified_column_rests_on_it():
    """b's own mechanism is a matter of form only; a's absence depends on b, c's on a's."""
    described = mechanism({"a": "b + w", "b": "b + w"}).describe()
    assert described["b"].identified is False
    assert described["a"].identified is None
    assert "if the distribution of b is identified" in described["a"].reason
    assert described.unidentified == ("b",)
    known = mechanism(
        missing({"a": "b + w", "b": "b + w"}, fixed={"b": {"b": 1.0}, "a": {}})
    ).describe()
    assert known["a"].identified is True


def test_equations_say_what_the_intercept_belongs_to():
    """Beside terms with priors: their averages, where it is learnt; zero, where it is given so."""
    table = data()
    average = table.values[:, 2].mean()
    own = mechanism(missing("a ~ a + w", prior={"w": Normal(0, 1)}), table)
    with torch.no_grad():
        own.parts[0].intercept.fill_(-0.7)
        own.parts[0].raw.fill_(0.3)
    described = own.describe()["a"].equation
    assert f"[Normal(0, 1) per sd] (w - {average:.4g})" in described
    slope = 0.3 / np.nanstd(table.values[:, 0], ddof=1)
    intercept = -0.7 - slope * np.nanmean(table.values[:, 0])
    assert described.startswith(f"logit P(a missing) = {intercept:.4g} + {slope:.4g} a")
    assert np.isnan(own.coefficient_table().loc[("a", "Intercept"), "per_unit"])
    options = {"prior": {"w": Normal(0, 1)}, "fixed": {"Intercept": -0.7}, "units": "data"}
    described = mechanism(missing("a ~ w", **options), table).describe()["a"].equation
    assert described == "logit P(a missing) = -0.7 + [Normal(0, 1)] w"
    both = {"w": Normal(0, 1), "Intercept": Normal(-1, 2)}
    described = mechanism(missing("a ~ w", prior=both, units="data"), table).describe()
    assert "= [Normal(-1, 2)] + [Normal(0, 1)] w" in described["a"].equation


def test_the_graph():
    described = mechanism({"a": "a + b + is_missing(b)", "b": "w + latent"}).describe()
    assert set(described.edges) == {
        ("a", "R[a]", "self-censoring"),
        ("b", "R[a]", "colluder"),
        ("R[b]", "R[a]", "colluder"),
        ("w", "R[b]", "value"),
        ("latent", "R[b]", "context"),
    }
    assert described["a"].colluders == ("b",)


def test_absences_that_depend_on_each_other_are_drawn_in_order():
    table = data()
    own = mechanism(
        missing(
            {"a": "0 + is_missing(b)", "b": "1"},
            fixed={"a": {"is_missing(b)": 30.0}, "b": {"Intercept": 0.0}},
        ),
        table,
    )
    s = own(table.x, s=table.s.double()).sample((400,))
    assert own.reads.order.index(1) < own.reads.order.index(0)
    assert bool((s[..., 0][s[..., 1] == 0] == 0).all())  # a goes where b goes
    both = s[..., 0][s[..., 1] == 1].mean()  # and is as good as tossed where b is seen
    assert abs(float(both) - 0.5) < 4 * 0.5 / np.sqrt(400 * 25 / 2)
    with pytest.raises(ValueError, match=r"circle.*a, b"):
        mechanism({"a": "is_missing(b)", "b": "is_missing(a)"})


MISTAKES = {
    "no such column": (["z ~ a"], "column 'z', which the table"),
    "no such term": (["a ~ q"], "there is no column 'q'"),
    "twice": (["a ~ a", "a ~ w"], "column 'a' has 2 formulas"),
    "no left side": (["a + w", "b ~ w"], "does not name the column whose absence"),
    "left side in a dictionary": ({"a": "a ~ w"}, "has a left side"),
    "nothing": ([], "missingness is a list"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_formulas(name):
    what, message = MISTAKES[name]
    with pytest.raises((ValueError, TypeError), match=message):
        mechanism(what)


OPTIONS = {
    "fixed": ({"fixed": {"q": 1.0}}, "fixed= names 'q'"),
    "sign without own": ({"sign": "+"}, "own term"),
    "sign": ({"sign": {"b": "+"}}, "sign= names the column 'b'"),
    "prior": ({"prior": {"q": Normal(0, 1)}}, "prior= names 'q'"),
    "prior family": ({"prior": pyro.distributions.Gamma(1.0, 1.0)}, "Gamma is not one of"),
    "both": ({"prior": {"w": Normal(0, 1)}, "fixed": {"w": 1.0}}, "a prior and a fixed value"),
    "no number": ({"fixed": {"w": float("nan")}}, "'w' the value nan; give a finite number"),
    "text": ({"fixed": {"w": "big"}}, "give a finite number"),
    "no mapping": ({"fixed": 1.0}, "give values by coefficient"),
    "units": ({"units": "feet"}, "not one of sd, data"),
    "link": ({"link": "cloglog"}, "not one of logit, probit"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_mistakes_in_options(name):
    options, message = OPTIONS[name]
    with pytest.raises(ValueError, match=message):
        mechanism(missing("a ~ w", **options))


@pytest.mark.parametrize(
    "options",
    [{"fixed": {"w": -1.0}}, {"prior": {"w": Normal(-2.0, 1.0)}}],
    ids=["fixed", "prior"],
)
def test_a_direction_and_its_opposite(options):
    with pytest.raises(ValueError, match=r"'w'.*'a'"):
        mechanism(missing("a ~ +w", **options))
    assert mechanism(missing("a ~ -w", **options))


def test_counts_may_be_zero_unseen():
    visits = pd.Series([1, 2, 5, None, 3, 1, 2, 4], dtype="Int64")
    frame = pd.DataFrame({"visits": visits, "w": np.arange(8.0)})
    table = ab.IncompleteData.from_frame(frame, schema={"visits": "count"})
    with pytest.raises(ValueError, match=r"'log\(visits\)'.*log1p\(visits\)"):
        ab.NotMIWAEPPCA(table, "visits ~ log(visits)")
    assert ab.NotMIWAEPPCA(table, "visits ~ log1p(visits)")


def test_names_that_are_no_python_names():
    """Words of the language, functions of the grammar, blanks: all are columns."""
    rng = np.random.default_rng(0)
    names = ["class", "C", "log", "two words", "x-1"]
    frame = pd.DataFrame(rng.normal(size=(30, 5)), columns=names)
    frame["n"] = rng.poisson(2.0, 30)
    for name in frame:
        frame.loc[rng.random(30) < 0.2, name] = np.nan
    table = ab.IncompleteData.from_frame(frame, schema={"n": "count"})
    for what in ("self-masking", "linear", "two-sided"):
        own = ab.NotMIWAEPPCA(table, what).missingness
        assert own.modelled.all()


def test_curves_need_several_values():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"few": rng.integers(0, 3, 40) / 2, "many": rng.normal(size=40)})
    frame["n"] = rng.poisson(2.0, 40)
    for name in frame:
        frame.loc[rng.random(40) < 0.2, name] = np.nan
    table = ab.IncompleteData.from_frame(frame, schema={"n": "count", "few": "continuous"})
    for what, term in (("spline", "ns(`many`, df=4)"), ("two-sided", "`many` + I(`many`**2)")):
        own = ab.NotMIWAEPPCA(table, what).missingness
        assert {part.column: part.text for part in own.parts}["few"] == "`few`"
        assert {part.column: part.text for part in own.parts}["many"] == term


def test_a_table_that_the_mechanism_cannot_take_is_refused_at_imputation():
    from absentia.models import RandomIntercepts

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"])
    frame.loc[:5, "a"] = np.nan
    frame["site"] = pd.Categorical(rng.choice(list("uvw"), 30))
    table = ab.IncompleteData.from_frame(frame, covariates=["site"])
    own = RandomIntercepts.by(table, "site")
    result = ab.fit(ab.NotMIWAEPPCA(table, own), table, steps=2, progress=False)
    without = ab.IncompleteData.from_frame(frame[["a", "b"]])
    with pytest.raises(ValueError, match=r"groups.*covariate"):
        ab.NotMIWAEPPCA(without, own)
    with pytest.raises(ValueError, match="covariate"):
        ab.impute(result, without, 10)
    with pytest.raises(ValueError, match="made for 2 columns"):
        ab.NotMIWAEPPCA(ab.IncompleteData.from_frame(frame[["a"]]), ab.models.SelfMasking(2))


def test_logarithms_want_positive_columns():
    frame = pd.DataFrame({"a": [1.0, 2.0, 9.0, None, 4.0], "w": [1.0, 2.0, 3.0, 4.0, 5.0]})
    table = ab.IncompleteData.from_frame(frame)
    with pytest.raises(ValueError, match=r"'log\(a\)' is not finite .* schema={'a': 'positive'}"):
        ab.NotMIWAEPPCA(table, "a ~ log(a)")
    assert ab.NotMIWAEPPCA(table, "a ~ log(w) + a")  # w is never missing
    positive = ab.IncompleteData.from_frame(frame, schema={"a": "positive"})
    own = ab.NotMIWAEPPCA(positive, "a ~ log(a)").missingness
    assert own.affine_columns.tolist() == [True, False]  # log(a) is what the model sees of a


def test_sign_has_no_place_beside_a_formula():
    with pytest.raises(ValueError, match=r"direction.*formula"):
        ab.NotMIWAE(data(), "a ~ a", sign="+")


def test_priors_are_sites_with_a_posterior():
    table = data()
    model = ab.NotMIWAEPPCA(table, missing("a ~ +a + w", prior=Normal(0, 2))).double()
    trace = pyro.poutine.trace(model.model).get_trace(table.x, table.s)
    assert {"a ~ a", "a ~ w"} <= set(trace.nodes)
    assert trace.nodes["a ~ a"]["value"] > 0  # the direction folds the prior
    fitted = ab.fit(model, table, steps=20, progress=False)
    posterior = model.coefficient_guide.quantiles([0.05, 0.95])
    assert set(posterior) == {"a ~ a", "a ~ w"}
    assert np.isfinite(fitted.bound)
    assert len(ab.impute(fitted, table, 50).ess) == 25


def test_units_of_priors_and_fixed_values():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(100, 15, 40), "w": rng.normal(0, 0.1, 40)})
    frame.loc[:9, "a"] = np.nan
    table = ab.IncompleteData.from_frame(frame)
    own = mechanism(missing("a ~ a", fixed={"a": 0.1}, units="data"), table)
    row = own.coefficient_table().loc[("a", "a")]
    assert row["per_unit"] == pytest.approx(0.1)
    assert row["per_sd"] == pytest.approx(0.1 * frame["a"].std())
    own = mechanism(missing("a ~ a", fixed={"a": 0.1}), table)
    assert own.coefficient_table().loc[("a", "a"), "per_sd"] == pytest.approx(0.1)
    assert type(own) is FormulaMissingness
