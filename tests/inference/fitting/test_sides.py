"""Starts above and below what was seen: the better of two maxima is found, whatever the seed."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.fitting import sides


def hidden(way, n=250, seed=0):
    """A column on its own, hidden beyond its mean on one side, beside four that are related."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    x = np.hstack(
        [rng.normal(size=(n, 1)), z @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(size=(n, 4))]
    )
    x[way * x[:, 0] > 0, 0] = np.nan
    return ab.IncompleteData.from_numpy(x)


def fitted(data, **options):
    model = ab.NotMIWAEPPCA(data, latent_dim=4, **options)
    return ab.fit(model, data, progress=False, check=False)


def mean_and_slope(found):
    model = found.model
    return model.decoder.mean.bias[0].item(), model.missingness.slope[0].item()


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.thin(2)
def test_values_beyond_what_was_seen_are_found(way, told):
    sign = "+" if way == 1 else "-"
    mean, slope = mean_and_slope(
        fitted(hidden(way), **({"sign": sign} if told else {"slope_prior": "flat"}))
    )
    # half of the values are hidden: the mean lies 1.3 sds of the others from them
    assert 1.0 < way * mean < 1.7
    assert way * slope < -3


def test_a_start_at_random_alone_stays_where_values_were_seen(monkeypatch):
    data = hidden(1)
    both = fitted(data, sign="+")
    monkeypatch.setattr(sides, "_sides", lambda *_: [])
    alone = fitted(data, sign="+")
    assert mean_and_slope(alone)[0] < 0.3
    assert both.bound > alone.bound + 0.05


def test_sides_follow_given_signs_and_shares():
    """A threshold at the mean: what is seen lies .80 below it, with a standard deviation of .60."""
    data = hidden(1, n=4000)
    told = ab.models.SelfMasking(5, sign=["+", "-", "+", "+", "+"])
    ((shift, stretch),) = sides._sides(told, data)
    share = sides._SHARE
    assert shift[0].item() == pytest.approx(share * 0.7979 / 0.6028, abs=0.05)
    assert stretch[0].item() == pytest.approx(1 + share * (1 / 0.6028 - 1), abs=0.05)
    assert shift[1:].tolist() == [0.0] * 4
    assert stretch[1:].tolist() == [1.0] * 4
    # in the units of the model, whatever these are
    wide = ab.IncompleteData.from_numpy(10 * data.values, standardise=False)
    ((shift, stretch_of_wide),) = sides._sides(told, wide)
    assert shift[0].item() == pytest.approx(10 * share * 0.7979, abs=0.5)
    torch.testing.assert_close(stretch_of_wide, stretch)
    up, down = sides._sides(ab.models.SelfMasking(5), data)
    assert torch.equal(up[0], -down[0])


def test_what_needs_no_sides_takes_no_passes():
    """Nothing is missing, or the mechanism has nothing to learn."""
    complete = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(40, 3)))

    def refuse():
        raise AssertionError

    sides.start_on_the_better_side(
        ab.NotMIWAEPPCA(complete, "self-masking", latent_dim=1), complete, refuse, 0
    )
    data = hidden(1)
    sides.start_on_the_better_side(ab.PPCA(data, latent_dim=1), data, refuse, 0)
