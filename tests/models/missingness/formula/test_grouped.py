"""Linear formulas are evaluated together, with the numbers that each gives alone."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from pyro.distributions import Normal

import absentia as ab
from absentia.models.missingness.formula.factors import Factor
from absentia.models.missingness.formula.lookup import RowValues
from absentia.models.missingness.formula.mechanism import FormulaMissingness

LATENT, K = 2, 4


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 5)) * [1, 20, 0.3, 2, 1] + [0, 50, 1, -3, 0]
    x[rng.random(x.shape) < 0.3] = np.nan
    x[:, 4] = rng.normal(size=30)
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d", "site"])
    return ab.IncompleteData.from_frame(frame, covariates=["site"])


FORMULAS = {
    "own values": (["a ~ +a", "b ~ b", "c ~ -c"], 3),
    "latents, covariates and others": (
        ["a ~ a + latent", "b ~ b + c + site", "c ~ mask_latent", "d ~ 1"],
        4,
    ),
    "some not linear": (["a ~ a + I(a**2)", "b ~ b + site", "c ~ log1p(exp(c))", "d ~ d:site"], 1),
    "nothing linear": (["a ~ a:c", "b ~ abs(b)"], 0),
    "others not linear": (
        ["a ~ a + I(site**2)", "b ~ +b + log(exp(site)) + bs(site, df=4)", "c ~ c + I(site**2)"],
        3,
    ),
    "products": (["a ~ a + b:site", "b ~ b + latent:site", "c ~ c + b:site"], 3),
    "without intercept": (["a ~ 0 + a + b", "b ~ b"], 2),
}


def mechanism(data, formulas):
    made = FormulaMissingness.declared(ab.missing(formulas), data, LATENT, 1)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter))
    return made


def context(made, data):
    torch.manual_seed(2)
    n = len(data)
    known = {
        "z": torch.randn(K, n, LATENT),
        "z_mask": torch.randn(K, n, 1),
        "covariates": data.covariates.double(),
        "s": data.s,
    }
    return made.context(**known)


def logits(made, x, given):
    """Of being observed, also where columns without a formula are masked out."""
    found = made(x, **given).base
    return getattr(found, "base_dist", found).logits


def one_by_one(made, x, given):
    scores = [-b for b in made.background]
    values = RowValues(made.names, x, given)
    for j, part in made.part_of.items():
        scores[j] = part.score(values, given)
    shape = torch.broadcast_shapes(x.shape[:-1], *(score.shape for score in scores))
    return torch.stack([score.expand(shape) for score in scores], -1)


@pytest.mark.parametrize("which", FORMULAS)
def test_scores_and_gradients_are_those_of_each_formula_alone(data, which):
    formulas, linear = FORMULAS[which]
    made = mechanism(data, formulas)
    assert len(made.grouped.columns) == linear
    given, x = context(made, data), data.x.double().clone().requires_grad_()
    together, alone = logits(made, x, given), -one_by_one(made, x, given)
    torch.testing.assert_close(together.expand_as(alone), alone)
    wanted = [x, *made.parameters()]
    weight = torch.randn(alone.shape)
    found, expected = (
        torch.autograd.grad((weight * logits).sum(), wanted, allow_unused=True)
        for logits in (together, alone)
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("which", FORMULAS)
def test_slopes_and_offsets_give_the_scores_back(data, which):
    made = mechanism(data, FORMULAS[which][0])
    given, x = context(made, data), data.x.double()
    affine = made.affine(x, **given)
    if affine is None:
        assert not made.affine_columns.any()
        return
    scores = affine.slope * x + affine.offset
    expected = -one_by_one(made, x, given)
    own = made.affine_columns
    torch.testing.assert_close(scores.expand_as(expected)[..., own], expected[..., own])


def test_levels_and_their_products_are_grouped():
    """A term with levels has several columns, and several products if they need two codings."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=60),
            "b": rng.normal(size=60),
            "kind": pd.Categorical(rng.choice(list("xyz"), size=60)),
            "age": rng.normal(size=60),
        }
    )
    frame.loc[:9, "a"] = np.nan
    frame.loc[5:20, "b"] = np.nan
    table = ab.IncompleteData.from_frame(frame)
    formulas = ["a ~ a + kind + age:kind", "b ~ b + kind:age + poly(age, 2)"]
    made = mechanism(table, formulas)
    assert made.grouped.columns == [0, 1]
    x = table.x.double()
    torch.testing.assert_close(logits(made, x, {}), -one_by_one(made, x, {}))


def test_absences_of_other_columns_are_grouped(data):
    made = mechanism(data, ["a ~ a + is_missing(d)", "b ~ b + is_missing(d):site"])
    assert made.grouped.columns == [0, 1]
    given, x = context(made, data), data.x.double()
    torch.testing.assert_close(made._scores(x, given), one_by_one(made, x, given))


def test_a_term_of_several_formulas_is_computed_once(data, monkeypatch):
    made = mechanism(data, ["a ~ a + I(site**2)", "b ~ b + I(site**2)", "c ~ I(site**2)"])
    given, x = context(made, data), data.x.double()
    seen = []
    call = Factor.columns
    monkeypatch.setattr(Factor, "columns", lambda *args: seen.append(args) or call(*args))
    made(x, **given)
    assert len(seen) == 1


@pytest.mark.parametrize("options", [{"prior": {"a": Normal(0.5, 2.0)}}, {"fixed": {"a": 0.7}}])
def test_what_is_given_or_has_a_prior_is_among_them(data, options):
    both = ab.missing("a ~ a + b", **options) & ab.missing("b ~ b", fixed={"Intercept": 1.0})
    made = FormulaMissingness.declared(both, data)
    assert made.grouped.columns == [0, 1]
    x = data.x.double()
    torch.testing.assert_close(logits(made, x, {}), -one_by_one(made, x, {}))


def test_copies_and_other_precisions_are_evaluated_alike(data):
    made = mechanism(data, FORMULAS["latents, covariates and others"][0])
    given, x = context(made, data), data.x.double()
    expected = logits(made, x, given)
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        torch.testing.assert_close(logits(copied, x, given), expected, rtol=0, atol=0)
    single = copy.deepcopy(made).float()
    low = {name: value.float() for name, value in given.items()}
    torch.testing.assert_close(
        logits(single, x.float(), low).double(), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_sums_over_columns_are_those_of_the_cells(data, link):
    """With present and absent cells among those that count, and a column without a formula."""
    made = FormulaMissingness.declared(
        ab.missing(["a ~ a + latent", "b ~ b + c", "c ~ site"], link=link), data, LATENT, 1
    )
    x = data.x.double().requires_grad_()
    given = context(made, data)
    counted = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    s = data.s.double()
    assert (counted & (s == 0)).any()
    assert (counted & (s == 1)).any()
    mask = made(x, **given)
    found = mask.summed_log_prob(s, counted)
    expected = mask.log_prob(s).masked_fill(~counted, 0.0).sum(-1)
    torch.testing.assert_close(found, expected)
    wanted = [x, *made.parameters()]
    weight = torch.randn(found.shape)
    for a, b in zip(
        torch.autograd.grad((weight * found).sum(), wanted, retain_graph=True),
        torch.autograd.grad((weight * expected).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_the_slopes_of_a_mask_are_those_of_its_mechanism(data):
    made = mechanism(data, FORMULAS["latents, covariates and others"][0])
    given, x = context(made, data), data.x.double()
    found, expected = made(x, **given).affine(), made.affine(x, **given)
    torch.testing.assert_close(found.slope, expected.slope)
    torch.testing.assert_close(found.offset, expected.offset)
    assert found.link == expected.link
    assert torch.equal(found.columns, expected.columns)


def test_what_was_saved_with_parameters_for_each_formula_is_read(data):
    """Each formula had parameters of its own once, and files of that time are still there."""
    declared = ab.missing(["a ~ +a + b", "c ~ 0 + c"]) & ab.missing(
        "b ~ b", fixed={"Intercept": 0.3}
    )
    made = FormulaMissingness.declared(declared, data)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter))
    old = {k: v for k, v in made.state_dict().items() if not k.startswith("learnt.")}
    for i, part in enumerate(made.parts):
        old[f"parts.{i}.raw"] = part.raw.detach().clone()
        if f"parts.{i}.given_intercept" in old:
            old[f"parts.{i}.intercept"] = old.pop(f"parts.{i}.given_intercept")
        elif part.intercept is not None:
            old[f"parts.{i}.intercept"] = part.intercept.detach().clone()
    fresh = FormulaMissingness.declared(declared, data)
    fresh.load_state_dict(old)
    torch.testing.assert_close(
        logits(fresh, data.x.double(), {}), logits(made, data.x.double(), {})
    )
