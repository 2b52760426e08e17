"""What each mechanism promises beyond the contract: limits, closed forms, refusals, recovery."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from scipy.stats import norm

import absentia as ab
from absentia.models import (
    Clipping,
    FormulaMissingness,
    GroupMissingness,
    NoSelfCensoring,
    ObservedMissingness,
    RandomIntercepts,
    SelfMasking,
    SplineMissingness,
    Threshold,
    TwoSided,
)
from absentia.models.missingness.formula.splines import natural_spline
from tests.oracles import assert_within_se


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


X = torch.linspace(-3, 3, 61, dtype=torch.float64).unsqueeze(-1)


def test_a_threshold_is_self_masking_in_other_words():
    limit = Threshold(1, hides="below", sharpness=4.0, threshold=-0.5).double()
    other = SelfMasking(1, slope=4.0, offset=2.0).double()
    torch.testing.assert_close(limit(X).probs, other(X).probs, atol=1e-6, rtol=0)
    assert limit.affine(X).slope > 0


def test_a_sharp_threshold_is_a_detection_limit():
    """Hidden values of a standard Normal above t: the truncated Normal's mean."""
    data = ab.IncompleteData.from_numpy(
        np.array([[np.nan, 0.0], [0.2, 1.0], [-0.3, 0.5]]), standardise=False, dtype=torch.float64
    )
    model = ab.NotMIWAEPPCA(data, Threshold(2, sharpness=400.0, threshold=[0.7, 9.0]), latent_dim=1)
    model.double()
    with torch.no_grad():
        model.decoder.mean.weight.fill_(1e-6)
        model.decoder.mean.bias.zero_()
        sd = float(model.decoder(torch.zeros(1, 1)).stddev[0, 0])
    found = ab.impute(model, data, 200, refine=False, seed=0).mean[0, 0]
    assert found == pytest.approx(sd * norm.pdf(0.7 / sd) / norm.sf(0.7 / sd), rel=0.01)


def test_clipping_hides_both_sides_of_its_range():
    given = Clipping(1, lower=-1.0, upper=2.0, sharpness=200.0).double()(X).probs.flatten()
    inside = ((X > -0.95) & (X < 1.95)).flatten()
    outside = ((X < -1.05) | (X > 2.05)).flatten()
    assert (given[inside] > 0.99).all()
    assert (given[outside] < 0.01).all()
    assert given.min() > 0  # no observed value is impossible


def test_limits_in_the_data_s_units():
    rows = np.random.default_rng(0).normal(100, 15, size=(50, 1))
    data = ab.IncompleteData.from_numpy(rows)
    clipped = Clipping.in_units_of(data, lower=[None], upper=[120.0])
    sharp = Threshold.in_units_of(data, threshold=[120.0], sharpness=50.0)
    own = torch.tensor([[119.0], [121.0]], dtype=torch.float64)
    x = data.scaler.apply(own).float()
    for mechanism in (clipped.float(), sharp.float()):
        assert (mechanism(x).probs.flatten() > 0.5).tolist() == [True, False]
    rows[0] = np.nan
    named = ab.IncompleteData.from_numpy(rows, columns=["a"]).rescaled(data.scaler)
    assert clipped.describe(named)["a"].equation == "a missing where a > 120"


def test_two_sided_without_a_curve_is_self_masking():
    own = TwoSided(1).double()
    with torch.no_grad():
        own.slope.fill_(1.5)
        own.offset.fill_(0.2)
    other = SelfMasking(1, slope=1.5, offset=0.2).double()
    torch.testing.assert_close(own(X).logits, other(X).logits, atol=1e-7, rtol=0)


def test_a_spline_of_one_weight_is_self_masking_and_all_are_linear_outside():
    own = SplineMissingness(1).double()
    with torch.no_grad():
        own.weight[0, 0] = -1.2
    slope = torch.diff(own(X).logits.flatten()) / 0.1
    torch.testing.assert_close(slope, torch.full_like(slope, -1.2))
    with torch.no_grad():
        own.weight.copy_(torch.tensor([[0.3, -0.7, 1.1, 0.4]]))
    far = torch.tensor([[2.0], [3.0], [4.0]])
    steps = torch.diff(own(far).logits.flatten())
    torch.testing.assert_close(steps[0], steps[1])
    basis = torch.stack(natural_spline(X.flatten(), own.knots), -1)
    torch.testing.assert_close(own(X).logits.flatten(), basis @ own.weight[0])


def test_columns_of_a_group_go_missing_together():
    own = GroupMissingness(4, groups=[[0, 2], [1, 3]]).double()
    with torch.no_grad():
        own.slope.copy_(torch.tensor([1.0, -0.5, 2.0, 0.3]))
        own.offset.copy_(torch.tensor([0.2, -0.1]))
    x = torch.randn(5, 4)
    given = own(x)
    s = given.sample((2000,))
    assert torch.equal(s[..., 0], s[..., 2])
    logits = torch.stack([0.2 + x[:, 0] + 2 * x[:, 2], -0.1 - 0.5 * x[:, 1] + 0.3 * x[:, 3]], -1)
    chance = logits.sigmoid()
    se = (chance * (1 - chance) / 2000).sqrt()
    assert_within_se(s[..., :2].mean(0), chance, se)
    whole = torch.distributions.Bernoulli(logits=logits).log_prob(s[0, :, :2])
    torch.testing.assert_close(given.log_prob(s[0]).sum(-1), whole.sum(-1))
    torn = s[0].clone()
    torn[0, 0] = 1 - torn[0, 0]
    assert given.log_prob(torn)[0].sum() == -torch.inf


def test_what_the_data_contradict_is_refused():
    rows = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, 1.0], [0.5, 1.0, 3.0]])
    data = ab.IncompleteData.from_numpy(rows, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"a, b .* together, but row 0"):
        ab.NotMIWAEPPCA(data, GroupMissingness(3, [[0, 1]]))
    with pytest.raises(ValueError, match="'a' is declared"):
        ab.NotMIWAEPPCA(data, ObservedMissingness(3, [0]))
    with pytest.raises(ValueError, match=r"covariate.*data"):
        RandomIntercepts.by(data, "clinic")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TwoSided(2, hides="top"), "not one of"),
        (lambda: Threshold(2, hides=["above"]), "each of 2 columns"),
        (lambda: Threshold(2, sharpness=-1.0), "sharpness is -1"),
        (lambda: Clipping(2, lower=1.0, upper=0.0), "lower limit"),
        (lambda: Clipping(2, lower=[1.0]), "1 limits"),
        (lambda: SplineMissingness(2, knots=[0.0, 0.0, 1.0]), "3 increasing"),
        (lambda: ObservedMissingness(2, [2]), "positions from 0 to 1"),
        (lambda: NoSelfCensoring(2, 1, latent="x"), "not one of z, mask"),
        (lambda: GroupMissingness(2, [[0], [0]]), "at most once"),
        (lambda: RandomIntercepts(2, 0), "num_groups is 0"),
    ],
    ids=[f"case{i}" for i in range(10)],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def clinics(rows=900, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=rows)
    frame = pd.DataFrame({"a": 0.8 * w + 0.6 * rng.normal(size=rows), "w": w})
    frame["clinic"] = rng.choice(["A", "B", "C"], rows)
    level = frame["clinic"].map({"A": -1.5, "B": 0.0, "C": 1.5})
    gone = rng.logistic(size=rows) < -0.3 + frame["a"] + level
    frame["a"] = frame["a"].mask(gone)
    return ab.IncompleteData.from_frame(frame, covariates=["clinic"])


@pytest.mark.slow
def test_random_intercepts_find_the_clinics():
    torch.set_default_dtype(torch.float32)
    data = clinics()
    model = ab.NotMIWAEPPCA(data, RandomIntercepts.by(data, "clinic"), latent_dim=1)
    trace = pyro.poutine.trace(model.model).get_trace(data.x, data.s, **data.extras())
    assert trace.nodes["group_offset"]["value"].shape == (3, 2)
    fitted = ab.fit(model, data, steps=300, learning_rate=2e-2, progress=False)
    found = ab.inference.coefficient_posterior(fitted, data, particles=10)
    deviations = found.loc[[f"a ~ group {g}" for g in range(3)]]  # of the log-odds of missing
    differences = np.diff(deviations["estimate"])
    assert_within_se(differences, [1.5, 1.5], np.full(2, 0.25), sigmas=3.0)
    assert len(ab.impute(fitted, data, 50).ess) == len(data)


@pytest.mark.slow
def test_a_latent_of_the_mask_s_own_makes_absences_depend_on_each_other():
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4))
    u = rng.normal(size=(500, 1))
    x[rng.logistic(size=x.shape) < -1 + 2.5 * u] = np.nan
    data = ab.IncompleteData.from_numpy(x)
    bounds = {}
    for what in ("ignorable", "mask-latent"):
        model = ab.NotMIWAE(data, what, latent_dim=1, hidden=[16], mask_latent_dim=1)
        fitted = ab.fit(model, data, steps=300, learning_rate=1e-2, progress=False)
        bounds[what] = fitted.bound
        if what == "mask-latent":
            weight = model.missingness.linear.weight.flatten()
            assert (weight.abs() > 0.5).all()
            assert weight.sign().abs().sum() == weight.sign().sum().abs()
    rate = data.s.double().mean(0)
    alone = float((rate * rate.log() + (1 - rate) * (1 - rate).log()).sum())
    assert bounds["mask-latent"] > bounds["ignorable"] + alone + 0.1


def test_formulas_with_a_latent_are_the_class():
    data = clinics()
    model = ab.NotMIWAEPPCA(data, ["a ~ mask_latent"], mask_latent_dim=2)
    assert type(model.missingness) is FormulaMissingness
    assert model.missingness.mask_latent_dim == 2
    assert model.mask_encoder is not None
