"""Modes of the latents: against closed forms, and proposals around them against rounds."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.inference.imputing import by_rows, own_proposals, refine
from absentia.inference.imputing.mode import cheaper_than_particles, has_one_mode, mode


def normal(n=5, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(n, dim, dim, generator=generator).double()
    precision = torch.eye(dim).double() + root @ root.mT
    mean = 4 * torch.randn(n, dim, generator=generator).double()
    return mean, precision


def test_the_mode_of_a_normal_is_its_mean():
    mean, precision = normal()

    def log_joint(z):
        return -0.5 * torch.einsum("knd,nde,kne->kn", z - mean, precision, z - mean)

    found, curvature = mode(log_joint, torch.zeros_like(mean))
    torch.testing.assert_close(found, mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(curvature, precision, atol=1e-4, rtol=1e-4)


def test_a_step_that_loses_is_halved():
    """log cosh, from where Newton's method alone would run away."""
    centre = torch.tensor([[0.3, -1.0], [2.0, 0.5]]).double()

    def log_joint(z):
        far = (8 * (z - centre)).abs()
        return -(far + torch.log1p((-2 * far).exp()) + 0.01 * far.square()).sum(-1)

    found, _ = mode(log_joint, centre + 1.5)
    assert float((log_joint(centre[None]) - log_joint(found[None])).max()) < 0.5


def mixed(n=70, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    x = z @ rng.normal(size=(2, 6)) + 0.4 * rng.normal(size=(n, 6))
    x[:, 3] = x[:, 3] > 0
    x[:, 4] = np.digitize(x[:, 4], [-0.5, 0.5])
    x[rng.random(x.shape) < 0.25] = np.nan
    return x


@pytest.fixture(scope="module")
def fitted():
    frame = pd.DataFrame(mixed(), columns=list("abcdef"))
    frame["d"] = frame["d"].map({0.0: "no", 1.0: "yes"})
    frame["e"] = pd.Categorical(
        frame["e"].map({0.0: "l", 1.0: "m", 2.0: "h"}), ["l", "m", "h"], ordered=True
    )
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    return ab.fit(model, data, steps=80, learning_rate=2e-2, progress=False, check=False), data


def test_which_models_have_one_mode(fitted):
    found, data = fitted
    assert has_one_mode(found.model.model)
    assert not has_one_mode(ab.NotMIWAE(data, "self-masking", hidden=[4]).model)
    assert not has_one_mode(lambda x, s: None)
    real = ab.IncompleteData.from_numpy(mixed()[:, :3])
    assert has_one_mode(ab.PPCA(real, latent_dim=2).model)
    # particles of a Gaussian decoder cost less than the search for a mode
    assert cheaper_than_particles(found.model.model)
    assert not cheaper_than_particles(ab.PPCA(real, latent_dim=2).model)


@pytest.fixture(scope="module")
def both(fitted):
    """The same rows with proposals around their modes, and with rounds."""
    found, data = fitted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_proposals, "_WORTH_A_MODE", 1)
        around = ab.impute(found, data, draws=20, seed=1, tolerance=0.02, check=False)
        patch.setattr(by_rows, "cheaper_than_particles", lambda _: False)
        patch.setattr(refine, "has_one_mode", lambda _: False)
        rounds = ab.impute(found, data, draws=20, seed=2, tolerance=0.02, check=False)
    return around, rounds


def test_answers_are_those_of_rounds(both):
    around, rounds = both
    assert around.refined.mean() > 0.6
    cells = np.isnan(mixed())[:, :3]
    error = np.hypot(around.mcse[:, :3], rounds.mcse[:, :3])[cells]
    z = (around.mean[:, :3] - rounds.mean[:, :3])[cells] / error
    assert np.abs(z).max() < 6
    assert np.sqrt(np.mean(z**2)) < 1.5
    assert (around.khat[around.refined] < 0.7).all()
