"""The coordinates in which L-BFGS fits: they are linear, and the information is the identity."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.fitting.coordinates import Coordinates
from absentia.inference.fitting.curvature import curvature
from absentia.inference.fitting.fixed_bound import FixedBound
from absentia.inference.integrator import Marginal


def rows(n=400, p=4):
    """Columns of which two are nearly collinear; the first one's high values are missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, p)) + 0.3 * rng.normal(size=(n, p))
    x[:, 1] = x[:, 0] + 0.01 * rng.normal(size=n)
    x[:, 0][x[:, 0] > 0.5] = np.nan
    return ab.IncompleteData.from_numpy(x).to(dtype=torch.float64)


MECHANISMS = {
    "self-masking": {"sign": "+"},
    "self-masking-probit": {"missingness": "self-masking-probit"},
    "formula": {"missingness": ab.missing("x0 ~ x0 + x2")},
    "two-sided": {"missingness": "two-sided"},
    "at random": {"missingness": "ignorable"},
}


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("why", MECHANISMS)
def test_gradients_are_those_of_the_parameters(why, equal):
    """The loss changes along a step in the coordinates as its gradient by them says."""
    data = rows()
    model = ab.NotMIWAEPPCA(data, latent_dim=2, **MECHANISMS[why])
    found = Coordinates(model, data, 0)
    if equal:
        root = np.random.default_rng(1).normal(size=(2, sum(v.numel() for v in found.values)))
        found.equalise(torch.from_numpy(0.1 * root.T @ root + np.eye(root.shape[1])))

    def loss():
        x = data.x
        total = -model.decoder(torch.ones(len(x), 2, dtype=x.dtype)).log_prob(x).mean()
        if why != "at random":
            total = total - model.missingness(x).log_prob(data.s.double()).mean()
        return total

    before = [p.detach().clone() for p in model.parameters()]
    found.to_parameters()
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old)
    loss().backward()
    found.take_gradients()
    generator = torch.Generator().manual_seed(0)
    step = [1e-4 * torch.randn(v.shape, generator=generator, dtype=v.dtype) for v in found.values]
    expected = sum(float((v.grad * d).sum()) for v, d in zip(found.values, step, strict=True))

    def at(way):
        with torch.no_grad():
            for value, d in zip(found.values, step, strict=True):
                value += way * d
        found.to_parameters()
        return loss().item()

    assert (at(1) - at(-2)) / 2 == pytest.approx(expected, rel=1e-4)


def test_the_mechanism_s_information_becomes_the_identity():
    """The slope and offset of a steep mechanism, whose information is nearly singular."""
    data = rows(2000)
    model = ab.NotMIWAEPPCA(data, latent_dim=2, slope_prior="flat").double()
    with torch.no_grad():
        model.missingness.raw_slope.copy_(torch.tensor([-6.0, -1.0, 0.0, 2.0]))
        model.missingness.offset.copy_(torch.tensor([4.0, 0.0, 1.0, 0.0]))
    factor = Coordinates(model, data, 0).factors["mechanism"]
    covariance = model.decoder.covariance().detach()
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(200_000, 4, generator=generator, dtype=torch.float64)
    x = normal @ torch.linalg.cholesky(covariance).T
    mask = model.missingness
    chance = torch.sigmoid(mask.slope * x + mask.offset).detach()
    weight = chance * (1 - chance)
    information = torch.zeros(8, 8, dtype=torch.float64)
    for j in range(4):
        design = torch.stack([x[:, j], torch.ones(len(x), dtype=x.dtype)], -1)
        place = torch.tensor([j, 4 + j])
        block = design.T @ (design * weight[:, j : j + 1]) / len(x)
        information[place.unsqueeze(-1), place] = block
    own = factor.T @ information @ factor
    assert np.linalg.cond(information.numpy()) > 50
    values = torch.linalg.eigvalsh(own)
    # 256 rows are sampled, and a small ridge is added
    assert values.min() > 0.6
    assert values.max() < 1.7


@torch.no_grad()
def test_the_curvature_is_that_of_the_bound():
    """Along directions at random it is the second difference of the loss; then it becomes one."""
    data = rows(200)
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2).double()
    bound = FixedBound(model, data, torch.arange(200), 8, 0, Marginal("auto"))
    found = Coordinates(model, data, 0)
    ours = curvature(bound, found)
    direction = torch.randn(5, len(ours), generator=torch.Generator().manual_seed(0)).double()
    direction /= direction.norm(dim=1, keepdim=True)

    def loss(step):
        flat = torch.cat([v.flatten() for v in found.values]) + step
        kept = [v.clone() for v in found.values]
        sizes = [v.numel() for v in kept]
        for value, new in zip(found.values, flat.split(sizes), strict=True):
            value.copy_(new.view_as(value))
        found.to_parameters()
        for value, old in zip(found.values, kept, strict=True):
            value.copy_(old)
        return float(bound())

    for d in direction:
        second = (loss(0.01 * d) - 2 * loss(0 * d) + loss(-0.01 * d)) / 0.01**2
        assert second == pytest.approx(float(d @ ours @ d), rel=0.05, abs=5e-3)

    found.equalise(ours)
    large = int((torch.linalg.eigvalsh(ours) > 1e-3).sum())
    now = torch.linalg.eigvalsh(found.equal.T @ ours @ found.equal)[-large:]
    torch.testing.assert_close(now, torch.ones_like(now))
    assert large > 10


def test_a_nearly_singular_table_takes_few_iterations():
    """Without its coordinates L-BFGS took 100 iterations to a bound two nats lower."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(150, 3))
    x = np.concatenate([z, z + 0.02 * rng.normal(size=(150, 3))], 1)
    x[:, 0][x[:, 0] > 0.3] = np.nan
    data = ab.IncompleteData.from_numpy(x)
    fits = [
        ab.fit(
            ab.NotMIWAEPPCA(data, sign={"x0": "+"}),
            data,
            optimiser="l-bfgs",
            steps=steps,
            progress=False,
            check=False,
        )
        for steps in (30, 300)
    ]
    few, many = (ab.check.held_out_bound(one, data, particles=300).mean().item() for one in fits)
    assert few > many - 0.1
