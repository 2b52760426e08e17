"""The start of linear decoders of several kinds of columns, from the covariance of their codes."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.models.networks.families import families_of
from absentia.models.networks.mixed_decoder import MixedDecoder
from absentia.models.networks.mixed_start import start_mixed

N = 300


def table(seed=0):
    """One factor moves a number, a level, a grade and a count up, and a second number down."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=N)
    noisy = [1.5 * z + rng.logistic(size=N) for _ in range(3)]
    frame = pd.DataFrame(
        {
            "up": 10 + 3 * z + rng.normal(size=N),
            "down": -z + 0.5 * rng.normal(size=N),
            "level": pd.Categorical(np.where(noisy[0] > 0.5, "yes", "no")),
            "one of three": pd.Categorical(np.array(list("abc"))[rng.integers(3, size=N)]),
            "grade": pd.Categorical(np.digitize(noisy[1], [-2, 0, 2]), ordered=True),
            "count": rng.poisson(np.exp(0.5 * z + 0.5)),
        }
    )
    schema = {"count": {"kind": "count", "top": 40}}
    return ab.IncompleteData.from_frame(frame.mask(rng.random(frame.shape) < 0.2), schema=schema)


def decoder_for(data, latent_dim=2, **options):
    torch.manual_seed(0)
    return MixedDecoder(latent_dim, families_of(data), hidden=[], **{"scale": "shared", **options})


def bound(data, decoder):
    model = ab.PPCA(data, latent_dim=2, scale=decoder.scale.kind)
    model.decoder.load_state_dict(decoder.state_dict())
    elbo = ab.ImportanceWeightedELBO(num_particles=50)
    torch.manual_seed(0)
    return float(elbo.bound(model.model, model.guide, data.x, data.s).mean())


@pytest.mark.parametrize("scale", ["shared", "column"])
@pytest.mark.thin(1)
def test_it_starts_near_where_a_fit_ends(scale):
    data = table()
    decoder = decoder_for(data, scale=scale)
    random = bound(data, decoder)
    assert start_mixed(decoder, data)
    model = ab.PPCA(data, latent_dim=2, scale=scale)
    fitted = ab.fit(model, data, optimiser="l-bfgs", progress=False, check=False)
    best, start = bound(data, fitted.model.decoder), bound(data, decoder)
    assert random < best - 1.0
    assert start > best - 0.2 * (best - random)


def test_what_goes_together_has_weights_that_do():
    data = table()
    decoder = decoder_for(data)
    start_mixed(decoder, data)
    up, down, level, _, graded, count = range(6)
    # outputs: two numbers, two for each of two columns of levels, a grade, a count
    output = {up: 0, down: 1, level: 2, graded: 6, count: 7}
    weight = decoder.mean.weight.detach()
    for column, sign in ((down, -1), (level, 1), (graded, 1), (count, 1)):
        size = weight[0].norm() * weight[output[column]].norm()
        assert sign * float(weight[0] @ weight[output[column]] / size) > 0.8, data.columns[column]
    unrelated = weight[4:6].norm(dim=-1) / weight[2].norm()
    assert float(unrelated.max()) < 0.5


def test_at_zero_the_shares_are_those_that_were_observed():
    data = table()
    decoder = decoder_for(data)
    start_mixed(decoder, data)
    parts = decoder(torch.zeros(1, 2)).parts
    found = dict(zip(("real", "nominal", "graded", "count"), parts, strict=True))
    for family, column, place in (("nominal", 3, 1), ("graded", 4, 0)):
        seen = data.x[data.s[:, column], column].long()
        share = torch.bincount(seen) / len(seen)
        chance = torch.softmax(found[family][1].logits[0, place], -1)[: len(share)]
        torch.testing.assert_close(chance, share, atol=0.01, rtol=0.0)


@pytest.mark.parametrize("what", ["one column varies", "nothing seen", "two rows", "one factor"])
def test_tables_with_little_to_go_by(what):
    frame = pd.DataFrame(
        {
            "a": [1.0, 2.0, np.nan, 4.0, 3.0],
            "b": pd.Categorical(["x", "y", "x", None, "y"]),
            "c": pd.Categorical(list("pqrpq")),
        }
    )
    data = ab.IncompleteData.from_frame(frame)
    if what == "one column varies":
        data.x[:, 1:] = 0.0
    if what == "nothing seen":
        data.s[:, 1] = False
    if what == "two rows":
        data = data.rows([0, 1])
    decoder = decoder_for(data, latent_dim=1 if what == "one factor" else 2)
    start_mixed(decoder, data)
    assert all(bool(p.isfinite().all()) for p in decoder.parameters())
