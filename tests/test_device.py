"""On an accelerator: the same densities, fits, imputations and files as on the processor.

Where torch sees no CUDA device, the test of the parts runs on the processor, as it must know every
part that there is. The others are skipped; ``ABSENTIA_TEST_DEVICE=cpu`` runs them anyway, to try
the tests themselves.
"""

import os

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import torch
from pyro.distributions import Normal

import absentia as ab
from absentia.models import Decoder
from tests.contracts import DECODERS, ENCODERS, MECHANISMS, N, P, cases, context_of, randomised

HAS_CUDA = torch.cuda.is_available()
DEVICE = os.environ.get("ABSENTIA_TEST_DEVICE", "cuda" if HAS_CUDA else "cpu")

on_a_device = pytest.mark.skipif(
    not HAS_CUDA and "ABSENTIA_TEST_DEVICE" not in os.environ, reason="torch sees no CUDA device"
)


@pytest.fixture(autouse=True)
def exact_products():
    """Switch TF32 off, whose products have three digits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def numbers(rows=80, seed=0):
    """A table of four related numbers, of which the high ones are missing more often."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 2))
    complete = z @ rng.normal(size=(2, P)) + 0.4 * rng.normal(size=(rows, P))
    frame = pd.DataFrame(complete, columns=list("abcd"))
    hidden = rng.random(frame.shape) < 1 / (1 + np.exp(-2 * (complete - 0.5)))
    frame = frame.mask(hidden).dropna(how="all").reset_index(drop=True)
    frame["w"] = rng.normal(size=len(frame))
    return frame


def mixed(rows=80):
    """A number, a category, an ordered grade and a count, all of them related."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "income": z + 0.3 * rng.normal(size=rows),
            "job": pd.Categorical(np.array(["a", "b", "c"])[rng.integers(0, 3, rows)]),
            "grade": pd.Categorical(
                np.digitize(z + rng.normal(size=rows), [-1, 0, 1]), ordered=True
            ),
            "visits": pd.array(rng.poisson(np.exp(0.4 * z)), dtype="Int64"),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.25)


MODELS = {
    "NotMIWAE": lambda data: ab.NotMIWAE(data, "self-masking", sign="+", hidden=[8]),
    "NotMIWAEPPCA": lambda data: ab.NotMIWAEPPCA(data, sign="+", latent_dim=2),
    "probit": lambda data: ab.NotMIWAEPPCA(data, "self-masking-probit", sign="+", latent_dim=2),
    "two-sided": lambda data: ab.NotMIWAEPPCA(data, "two-sided", latent_dim=2),
    "spline": lambda data: ab.NotMIWAEPPCA(data, "spline", latent_dim=2),
    "limit": lambda data: ab.NotMIWAEPPCA(data, "limit", sign="+", latent_dim=2),
    "linear": lambda data: ab.NotMIWAE(data, "linear", hidden=[8]),
    "nonlinear": lambda data: ab.NotMIWAE(data, "nonlinear", hidden=[8]),
    "mask-latent": lambda data: ab.NotMIWAE(data, "mask-latent", hidden=[8], mask_latent_dim=1),
    "latent": lambda data: ab.NotMIWAE(data, "latent", hidden=[8]),
    "formula": lambda data: ab.NotMIWAEPPCA(
        data, ab.missing({"a": "+a", "b": "b + a + w", "c": "latent"}), latent_dim=2
    ),
    "formula with a posterior": lambda data: ab.NotMIWAEPPCA(
        data, ab.missing("a + b ~ +a + b", prior=Normal(0.0, 1.0)), latent_dim=2
    ),
    "MIWAE": lambda data: ab.MIWAE(data, hidden=[8]),
    "PPCA": lambda data: ab.PPCA(data, latent_dim=2),
    "MaskedNotMIWAE": lambda data: ab.models.MaskedNotMIWAE(data, hidden=[8]),
    "GNR": lambda data: ab.models.GNR(data),
    "PatternMixture": lambda data: ab.models.PatternMixture(data, {"a": 0.5}, latent_dim=2),
}


def fitted_on(device, kind, data, **options):
    return ab.fit(MODELS[kind](data), data, steps=15, progress=False, device=device, **options)


def agree(left, right, *, most=1e-3):
    """The two arrays are equal but for rounding in single precision."""
    np.testing.assert_allclose(np.asarray(left), np.asarray(right), atol=most, rtol=most)


def same_to_monte_carlo_error(left, right, cells):
    """Differences between two imputations, in their standard errors, are about 1.

    Rows with heavy-tailed weights are left out: their standard errors are too small.
    """
    cells = cells & (left.reliable & right.reliable)[:, None]
    assert cells.any()
    error = np.hypot(left.mcse, right.mcse)[cells]
    away = np.abs(left.mean - right.mean)[cells] / error
    assert np.isfinite(away).all()
    # half of a Normal's are below .67; a few rows' weights underrate their error
    assert np.median(away) < 1.0
    assert np.quantile(away, 0.95) < 4.0


PARTS = cases(DECODERS) | cases(ENCODERS) | cases(MECHANISMS)


@pytest.mark.parametrize("make", PARTS.values(), ids=PARTS)
def test_every_part_has_the_same_distribution(make):
    """Means, variances and densities of every decoder, encoder and mechanism, and gradients."""
    module = randomised(make())
    generator = torch.Generator().manual_seed(2)
    if isinstance(module, Decoder):
        inputs, known = (torch.randn(N, module.latent_dim, generator=generator),), {}
    else:
        x = torch.randn(N, P, generator=generator)
        inputs, known = (x,), {}
        if make in cases(ENCODERS).values():
            s = torch.rand(N, P, generator=generator) < 0.7
            inputs = (x * s, s)
        else:
            known = context_of(module)
    here = module(*inputs, **known)
    value = here.sample()
    expected = here.log_prob(value)
    module = module.to(DEVICE)
    for attached in vars(module).values():  # the decoder and prior that an exact encoder reads
        if isinstance(attached, torch.nn.Module):
            attached.to(DEVICE)
    there = module(
        *(part.to(DEVICE) for part in inputs), **{k: v.to(DEVICE) for k, v in known.items()}
    )
    found = there.log_prob(value.to(DEVICE))
    assert found.device.type == torch.device(DEVICE).type
    torch.testing.assert_close(found.detach().cpu(), expected.detach(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        there.mean.detach().cpu(), here.mean.detach(), rtol=1e-4, atol=1e-4, equal_nan=True
    )
    assert there.sample().device.type == torch.device(DEVICE).type
    if found.requires_grad:
        found.sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


@on_a_device
@pytest.mark.parametrize("kind", MODELS)
def test_fit_impute_and_judge(kind, tmp_path):
    """The same fit imputes alike on both, from memory and from its file."""
    frame = numbers()
    data = ab.IncompleteData.from_frame(frame, covariates=["w"])
    fitted = fitted_on(DEVICE, kind, data)
    assert next(fitted.model.parameters()).device.type == torch.device(DEVICE).type
    assert np.isfinite(fitted.bound)
    there = ab.impute(fitted, data, particles=200, refine=False)
    seen = frame[list("abcd")].notna().to_numpy()
    np.testing.assert_array_equal(
        there.to_frame()[list("abcd")].to_numpy()[seen], frame[list("abcd")].to_numpy()[seen]
    )
    fitted.save(tmp_path / "fit")
    loaded = ab.load(tmp_path / "fit")
    assert next(loaded.model.parameters()).device.type == "cpu"
    here = ab.impute(loaded, data, particles=200, refine=False)
    same_to_monte_carlo_error(there, here, ~seen)
    assert str(fitted.model.missingness.describe(data))
    agree(there.summary()["median_ess_share"], here.summary()["median_ess_share"], most=0.2)


@on_a_device
@pytest.mark.parametrize("kind", ["PPCA", "NotMIWAEPPCA", "formula", "NotMIWAE"])
def test_the_bound_is_the_same(kind):
    data = ab.IncompleteData.from_frame(numbers(), covariates=["w"])
    fitted = fitted_on(DEVICE, kind, data)
    there = ab.check.held_out_bound(fitted, data, particles=1000).cpu()
    fitted.model.to("cpu")
    here = ab.check.held_out_bound(fitted, data, particles=1000)
    # of PPCA the bound is the likelihood; of the others the latent variables are sampled anew
    standard_error = (here.std() / len(here) ** 0.5).item()
    most = 1e-3 if kind == "PPCA" else 0.2 * standard_error
    assert abs((there - here).mean().item()) < most


@on_a_device
def test_refined_rows_agree():
    data = ab.IncompleteData.from_frame(numbers(), covariates=["w"])
    fitted = fitted_on(DEVICE, "NotMIWAE", data)
    there = ab.impute(fitted, data, particles=400, refine=True)
    fitted.model.to("cpu")
    here = ab.impute(fitted, data, particles=400, refine=True)
    same_to_monte_carlo_error(there, here, ~data.s.cpu().numpy())


@on_a_device
def test_seeds_repeat_and_leave_the_generators_alone():
    data = ab.IncompleteData.from_frame(numbers(), covariates=["w"])
    torch.manual_seed(3)
    expected = torch.rand(4, device=DEVICE)
    torch.manual_seed(3)
    first = fitted_on(DEVICE, "NotMIWAE", data, seed=5)
    second = fitted_on(DEVICE, "NotMIWAE", data, seed=5)
    assert torch.equal(torch.rand(4, device=DEVICE), expected)
    # sums on an accelerator have no fixed order: equal to rounding, which training carries on
    agree(first.history["train_bound"], second.history["train_bound"], most=1e-2)
    one, two = (ab.impute(first, data, particles=50, seed=2) for _ in range(2))
    agree(one.mean, two.mean)
    same = np.isclose(one.draws(3), two.draws(3), atol=1e-3)
    assert same.mean() > 0.98


@on_a_device
def test_hidden_layers_in_bfloat16():
    data = ab.IncompleteData.from_frame(numbers()[list("abcd")])
    quick = {"device": DEVICE, "steps": 30, "evaluations": 3, "progress": False, "check": False}
    exact, lower = (
        ab.fit(MODELS["NotMIWAE"](data), data, autocast=lower, **quick) for lower in (False, True)
    )
    assert lower.bound == pytest.approx(exact.bound, abs=0.05)


@on_a_device
def test_a_stopped_fit_goes_on(tmp_path):
    """From its checkpoint on the accelerator, as if it had never stopped."""
    data = ab.IncompleteData.from_frame(numbers(), covariates=["w"])
    whole = fitted_on(DEVICE, "NotMIWAE", data, evaluations=3)

    class Stop(Exception):
        pass

    def stop(row):
        if row["step"] > 6:
            raise Stop

    path = tmp_path / "state"
    with pytest.raises(Stop):
        fitted_on(DEVICE, "NotMIWAE", data, evaluations=3, checkpoint=path, callback=stop)
    resumed = fitted_on(DEVICE, "NotMIWAE", data, evaluations=3, checkpoint=path)
    agree(resumed.history["train_bound"], whole.history["train_bound"])
    agree(resumed.bound, whole.bound)


@on_a_device
def test_what_follows_a_fit():
    """Multiple imputation, checks and export take a fit from the device."""
    data = ab.IncompleteData.from_frame(numbers(300), covariates=["w"])
    options = {"steps": 600, "learning_rate": 1e-2, "progress": False, "device": DEVICE}
    at_random = ab.fit(ab.PPCA(data, latent_dim=1), data, **options)
    several = ab.multiple_imputation(at_random, data, m=3)
    pooled = ab.pool(several, lambda table: smf.ols("a ~ b", table).fit())
    assert np.isfinite(pooled.table["estimate"]).all()
    fitted = fitted_on(DEVICE, "NotMIWAEPPCA", data)
    found = ab.check.check_values(fitted, data, replications=20)
    assert found["p_value"].between(0, 1).all()
    assert np.isfinite(ab.check.check_mask(fitted, data, replications=20).worst)
    posterior = ab.to_arviz(fitted, data, draws=10)["posterior"]
    assert all(np.isfinite(posterior[name].to_numpy()).all() for name in posterior.data_vars)


@on_a_device
def test_mixed_columns():
    frame = mixed()
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAE(data, "self-masking", hidden=[8])
    fitted = ab.fit(model, data, steps=15, progress=False, device=DEVICE)
    filled = ab.impute(fitted, data, particles=60).to_frame()
    assert filled.notna().all().all()
    assert filled.dtypes.to_dict() == frame.dtypes.to_dict()


@on_a_device
def test_ratings():
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, size=(40, 12)).astype(float)
    user, item = np.nonzero(rng.random(values.shape) < 0.4)
    data = ab.data.Ratings.from_triples(user, item, values[user, item], num_users=40, num_items=12)
    model = ab.models.RatingsNotMIWAE(data, sign="-", latent_dim=2, hidden=[8], encoder_hidden=[8])
    fitted = ab.fit(model, data, steps=10, progress=False, device=DEVICE)
    there = ab.inference.predict_ratings(fitted, data, [0, 1, 2], [0, 1, 2])
    fitted.model.to("cpu")
    here = ab.inference.predict_ratings(fitted, data, [0, 1, 2], [0, 1, 2])
    # 1,000 particles each, of ratings whose sd is 1.4
    assert np.abs(there - here).max() < 5 * 1.4 * np.sqrt(2 / 1000)


@on_a_device
@pytest.mark.parametrize("missingness", ["channel", "conv", "conv2", "self-masking"])
def test_pictures(missingness):
    pixels = np.random.default_rng(0).random((40, 3 * 8 * 8)).astype("float32")
    hidden = pixels > 0.8
    data = ab.IncompleteData.from_numpy(np.where(hidden, np.nan, pixels), standardise=False)
    model = ab.models.ImageNotMIWAE(data, (3, 8, 8), missingness, latent_dim=4, channels=[4, 8])
    fitted = ab.fit(model, data, steps=5, progress=False, device=DEVICE)
    filled = ab.impute(fitted, data, particles=20, refine=False)
    assert np.isfinite(filled.mean).all()
    np.testing.assert_array_equal(filled.mean[~hidden], pixels[~hidden])


@on_a_device
def test_supervised():
    frame = numbers()
    data = ab.IncompleteData.from_frame(frame[list("abcd")]).with_target(frame["w"].to_numpy() > 0)
    model = ab.models.SupervisedNotMIWAE(data, sign="+", latent_dim=2, hidden=[8], predictor=[])
    fitted = ab.fit(model, data, steps=15, progress=False, device=DEVICE)
    there = ab.inference.predict(fitted, data, particles=2000)
    fitted.model.to("cpu")
    here = ab.inference.predict(fitted, data, particles=2000)
    # a sum over sampled rows: probabilities, whose standard error is below .5 / sqrt(ess)
    assert (np.abs(there.mean - here.mean) < 5 * 0.5 / np.sqrt(here.ess)).all()
