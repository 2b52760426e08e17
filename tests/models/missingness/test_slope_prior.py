"""The weakly informative prior on slopes of free sign, and how to do without."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from pyro.distributions import Normal

import absentia as ab
from absentia.experiments.tasks.methods import as_published, made
from absentia.models import FormulaMissingness, RatingsNotMIWAE, SelfMasking
from absentia.models.sites import SHRINKAGE


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    rows[rng.random(rows.shape) < [0.3, 0.3, 0.0]] = np.nan
    return ab.IncompleteData.from_numpy(rows, columns=["a", "b", "c"])


def prior_of(model, data):
    """The log-density that the model adds to the table's, 0 where there is none."""
    trace = pyro.poutine.trace(model.model).get_trace(data.x, data.s)
    trace.compute_log_prob()
    return trace.nodes[SHRINKAGE]["log_prob_sum"].item() if SHRINKAGE in trace.nodes else 0.0


@pytest.mark.parametrize("make", [ab.NotMIWAE, ab.NotMIWAEPPCA, ab.models.MaskedNotMIWAE])
@pytest.mark.parametrize("name", ["self-masking", "self-masking-probit"])
def test_free_slopes_have_a_prior_by_default(data, make, name):
    model = make(data, name, latent_dim=1)
    own = getattr(model.missingness, "own", model.missingness)
    slope = torch.tensor([0.3, -1.0, 2.0])
    with torch.no_grad():
        own.raw_slope.copy_(slope)
    expected = Normal(0.0, 0.5).log_prob(slope).sum().item()
    assert prior_of(model, data) == pytest.approx(expected, rel=1e-5)
    run = ab.inference.weights(model.model, model.guide, data.x[:6], data.s[:6], num_particles=2)
    assert run.log_global.item() == pytest.approx(expected, rel=1e-5)  # once, outside the rows
    assert prior_of(make(data, name, slope_prior="flat", latent_dim=1), data) == 0.0


def test_what_is_known_needs_none(data):
    assert prior_of(ab.NotMIWAEPPCA(data, sign="+"), data) == 0.0
    model = ab.NotMIWAEPPCA(data, sign=["+", None, "-"], slope_prior=2.0)
    expected = Normal(0.0, 2.0).log_prob(torch.tensor(0.0)).item()
    assert prior_of(model, data) == pytest.approx(expected, rel=1e-5)
    for what in ("ignorable", "two-sided", "linear", "limit", "a ~ a", SelfMasking(3)):
        options = {"sign": ["+", "-", "-"]} if what == "limit" else {}
        assert prior_of(ab.NotMIWAEPPCA(data, what, **options), data) == 0.0
        ab.NotMIWAEPPCA(data, what, slope_prior="flat", **options)


def test_tables_of_several_kinds_have_it_too():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=50), "b": rng.random(50) > 0.5, "c": "x"})
    frame = frame.astype({"b": "boolean"})
    frame["c"] = rng.choice(["x", "y", "z"], size=50)
    for name in frame:
        frame.loc[rng.random(50) < 0.2, name] = None
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAE(data, "self-masking", hidden=[4])
    assert isinstance(model.missingness, FormulaMissingness)
    at_zero = Normal(0.0, 0.5).log_prob(torch.tensor(0.0)).item()
    slopes = sum(len(part.names) for part in model.missingness.parts)
    assert prior_of(model, data) == pytest.approx(slopes * at_zero, rel=1e-5)
    assert model.missingness.known(0) == "shrunk"
    assert prior_of(ab.NotMIWAE(data, hidden=[4], slope_prior="flat"), data) == 0.0
    one = ab.NotMIWAE(data, ab.missing("a ~ a + b", shrinkage=1.0), hidden=[4])
    expected = Normal(0.0, 1.0).log_prob(torch.tensor(0.0)).item()  # of its own value alone
    assert prior_of(one, data) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_the_fit_is_the_mode_of_the_posterior(shared):
    """A large penalty beside a small one; against the mode by hand."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, generator=generator)
    s = torch.rand(400, 2, generator=generator) < torch.sigmoid(0.5 - 1.5 * x)
    found = []
    for scale in (None, 0.2):
        mechanism = SelfMasking(2, shared=shared, shrinkage=scale)
        optimiser = torch.optim.LBFGS(mechanism.parameters(), max_iter=200)

        def closure(mechanism=mechanism, optimiser=optimiser):
            optimiser.zero_grad()
            prior = mechanism.log_prior()
            loss = -mechanism(x).log_prob(s.float()).sum() - (0.0 if prior is None else prior)
            loss.backward()
            return loss

        optimiser.step(closure)
        found.append(mechanism.slope.detach())
    assert (found[1].abs() < found[0].abs()).all()
    mechanism.zero_grad()
    mechanism(x).log_prob(s.float()).sum().backward()
    torch.testing.assert_close(  # where the likelihood pulls as hard as the prior
        mechanism.raw_slope.grad, mechanism.raw_slope.detach() / 0.2**2, rtol=1e-3, atol=1e-2
    )


def test_it_survives_saving(data, tmp_path):
    fitted = ab.fit(
        ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1), data, steps=2, progress=False
    )
    fitted.save(tmp_path / "fit")
    loaded = ab.load(tmp_path / "fit").model
    assert loaded.missingness.shrinkage == 0.5
    assert prior_of(loaded, data) == pytest.approx(prior_of(fitted.model, data), rel=1e-6)


def test_experiments_keep_the_papers_flat_prior(data):
    """What a committed specification does not say means what it meant."""
    for kind in ("not-miwae", "not-miwae-ppca", "masked-not-miwae"):
        configuration = {"kind": kind, "scale": "observed"}
        assert prior_of(made(configuration, {"latent_dim": 1}, data, 0), data) == 0.0
        weak = made(configuration, {"latent_dim": 1, "slope_prior": "weak"}, data, 0)
        assert prior_of(weak, data) != 0.0
    ratings = ab.data.Ratings.from_triples([0, 0, 1, 2], [0, 1, 1, 0], [5.0, 4.0, 1.0, 3.0])
    assert RatingsNotMIWAE(ratings, "self-masking", latent_dim=2).missingness.log_prior() is None
    assert RatingsNotMIWAE(ratings, sign="-", latent_dim=2).missingness.log_prior() is None
    assert as_published("ratings-not-miwae", {}) == {"missingness": "self-masking"}
    assert as_published("image-not-miwae", {}) == {"missingness": "channel"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: ab.NotMIWAE(d, slope_prior="strong"), "'strong'; give 'weak', 'flat' or a pos"),
        (lambda d: ab.NotMIWAE(d, slope_prior=0.0), "0.0; give 'weak'"),
        (lambda d: ab.NotMIWAE(d, slope_prior=None), "None; give 'weak'"),
        (lambda d: ab.NotMIWAE(d, "a ~ a", slope_prior=1.0), "only used .*shrinkage=1.0"),
        (lambda d: ab.NotMIWAE(d, "two-sided", slope_prior=1.0), "only used .*'self-masking'"),
        (lambda d: SelfMasking(3, shrinkage=-1.0), "shrinkage is -1.0; give a positive"),
        (lambda d: SelfMasking(3, shrinkage=1.0, slope=2.0), "slopes that are learnt"),
        (lambda d: ab.missing("a ~ a", shrinkage=0), "shrinkage is 0; give a positive"),
    ],
)
def test_what_is_no_prior_is_named(data, call, message):
    with pytest.raises(ValueError, match=message):
        call(data)
