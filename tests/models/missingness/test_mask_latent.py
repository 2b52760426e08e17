"""The mask's own latent: without a shift it is not-MIWAE, with one it is integrated exactly."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch

import absentia as ab
from absentia.models import (
    GroupMissingness,
    Ignorable,
    MaskLatentShift,
    NoSelfCensoring,
    RandomIntercepts,
)


def table(n=12, p=3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, p, generator=generator, dtype=torch.float64)
    x[torch.rand(n, p, generator=generator) < 0.4] = torch.nan
    x[0] = 1.0
    return ab.IncompleteData.from_torch(x, dtype=torch.float64)


def masked(data, **options):
    return ab.models.MaskedNotMIWAE(
        data, sign="+", mask_latent_dim=2, latent_dim=2, hidden=[8], **options
    ).double()


def bound(model, data, **options):
    pyro.set_rng_seed(3)
    elbo = ab.ImportanceWeightedELBO(9, **options)
    return elbo.bound(model.model, model.guide, data.x, data.s)


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
def test_without_a_shift_it_is_not_miwae(unobserved):
    data = table()
    model = masked(data)
    with torch.no_grad():
        model.missingness.shift.weight.zero_()
        heads = model.mask_encoder.heads  # q(z_s) is its prior
        heads.mean.weight.zero_()
        heads.mean.bias.zero_()
        heads.scale.weight.zero_()
        heads.scale.bias.fill_(torch.expm1(torch.tensor(1 - 1e-4, dtype=torch.float64)).log())
    twin = ab.NotMIWAE(data, sign="+", latent_dim=2, hidden=[8]).double()
    twin.decoder, twin.encoder = model.decoder, model.encoder
    twin.missingness.load_state_dict(model.missingness.own.state_dict())
    if unobserved == "integrate":
        expected = bound(twin, data, unobserved=unobserved)
        found = bound(model, data, unobserved=unobserved)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        return
    run = ab.inference.weights(model.model, model.guide, data.x, data.s, num_particles=9)
    x = run.sites["x_unobserved"].value.where(~data.s, data.x)
    by_hand = twin.missingness(x).log_prob(data.s.double()).sum(-1)
    by_hand = by_hand + (model.decoder(run.sites["z"].value).log_prob(data.x) * data.s).sum(-1)
    z, q = run.sites["z"].value, model.encoder(data.x, data.s)
    by_hand = by_hand + (torch.distributions.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
    torch.testing.assert_close(run.log_weight, by_hand, rtol=0, atol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_collapsed_is_the_average_over_what_is_missing(link):
    data = table(n=6)
    name = "self-masking" if link == "logit" else "self-masking-probit"
    model = masked(data, missingness=name)
    run, tilted = ab.inference.integrator.Marginal("integrate").run(
        model.model, model.guide, data.x, data.s, num_particles=3
    )
    rows, columns = (~data.s).nonzero(as_tuple=True)
    z, z_mask = run.sites["z"].value, run.sites["z_mask"].value
    nodes = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    decoder = model.decoder(z)
    own = model.missingness.own
    offset = own.offset + model.missingness.shift(z_mask)
    for c, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        for k in range(3):
            x = decoder.loc[k, i, j] + decoder.scale[k, i, j] * nodes
            score = -(own.slope[j] * x + offset[k, i, j])
            gone = torch.sigmoid(score) if link == "logit" else torch.special.ndtr(score)
            density = torch.distributions.Normal(0.0, 1.0).log_prob(nodes).exp()
            expected = torch.trapezoid(density * gone, nodes).log()
            torch.testing.assert_close(tilted.log_missing[k, c], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_common_cause_is_left_to_the_mask():
    """Rows that lose everything at random: a page was skipped. Plain self-masking blames values."""
    generator = torch.Generator().manual_seed(1)
    n = 400
    common = torch.randn(n, 1, generator=generator)
    x = common + 0.6 * torch.randn(n, 4, generator=generator)
    skipped = torch.rand(n, generator=generator) < 0.35
    x[skipped, :3] = torch.nan
    data = ab.IncompleteData.from_torch(x)
    options = {"steps": 150, "learning_rate": 2e-2, "progress": False, "seed": 0}
    bounds = []
    for mask in (0, 1):
        if mask:
            model = ab.models.MaskedNotMIWAE(data, decoder="linear", latent_dim=2)
        else:
            model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
        bounds.append(ab.fit(model, data, **options).bound)
    assert bounds[1] > bounds[0] + 0.3  # nats a row


def test_it_says_what_it_is():
    model = masked(table())
    text = str(model.missingness.describe())
    assert "+ m(mask_latent)" in text
    assert model.missingness.known(0) == "direction"
    with pytest.raises(ValueError, match="is ignorable"):
        MaskLatentShift(Ignorable(2), 2)
    with pytest.raises(ValueError, match="already has a mask latent"):
        MaskLatentShift(NoSelfCensoring(2, 1, latent="mask"), 2)
    with pytest.raises(ValueError, match="give at least 1"):
        MaskLatentShift(ab.models.SelfMasking(2), 2, 0)
    with pytest.raises(ValueError, match="log-odds per column"):
        MaskLatentShift(GroupMissingness(3, [[0, 1]]), 3)
    with pytest.raises(ValueError, match="log-odds per column"):
        MaskLatentShift(NoSelfCensoring(2, 1, alpha=2.0), 2)
    with pytest.raises(ValueError, match="already has a latent"):
        ab.models.MaskedNotMIWAE(table(), "mask-latent")
    assert MaskLatentShift(RandomIntercepts(3, 2), 3).hyperparameters == ("own.log_tau",)


@pytest.mark.parametrize("why", ["self-masking", "latent", {"a": "a + b"}])
def test_tables_with_levels_and_complete_columns(why):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=list("abc"))
    frame["d"] = rng.choice(["x", "y"], 40)
    frame.loc[rng.random(40) < 0.4, "a"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    model = ab.models.MaskedNotMIWAE(data, why, hidden=[4])
    fitted = ab.fit(model, data, steps=5, progress=False)
    assert np.isfinite(fitted.bound)
    s = pyro.poutine.trace(model.model).get_trace(data.x, data.s).nodes["s"]["fn"]
    log_prob = s.log_prob(data.s.float())
    assert not bool(log_prob[:, 1:].any()) or why == "latent"  # complete columns do not count
