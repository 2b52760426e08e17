"""Weights calibrated on control variates, against integrals that are known."""

import math

import pytest
import torch
from pyro.distributions import Normal

from absentia.inference.imputing.calibration import Calibration
from absentia.inference.imputing.proposal import LatentSite, RowMixture
from absentia.inference.imputing.stream import Stream

N, D, PARTICLES = 200, 3, 400


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


class Linear:
    """Cells whose moments given z are linear in it, with a slight bend."""

    def __init__(self, z):
        self.mean = z.sum(-1) + 0.1 * z[..., 0].square()

    def moments(self):
        return self.mean, torch.full_like(self.mean, 0.25)


@pytest.fixture(scope="module")
def answers():
    """The same rows, plain and calibrated: the target is Normal(.3, .9), the proposal is not."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    guide = [LatentSite("z", D, Normal(torch.zeros(N, D), 1.5))]
    mixture = RowMixture(torch.full((N, D), 0.25), torch.eye(D).expand(N, D, D).clone(), guide)
    z = mixture.sample((PARTICLES,))
    values = z.squeeze(-2)
    log_weight = Normal(0.3, 0.9).log_prob(values).sum(-1) - mixture.log_prob(z).squeeze(-1)
    found = []
    for calibration in (None, Calibration.of(mixture.controls(z))):
        stream = Stream(N, torch.arange(N), PARTICLES, 0)
        stream.add(log_weight, Linear(values), calibration)
        found.append(stream.finish())
    torch.set_default_dtype(torch.float32)
    return found


TRUTH = D * 0.3 + 0.1 * (0.3**2 + 0.9**2)


def test_means_and_evidence_are_those_of_the_integrals(answers):
    for found in answers:
        error = found.mean - TRUTH
        assert abs(error.mean()) < 3 * error.std() / N**0.5
        assert abs(found.log_evidence.mean()) < 3 * found.log_evidence.std() / N**0.5 + 1e-3
    plain, calibrated = answers
    assert calibrated.log_evidence.std() < 0.7 * plain.log_evidence.std()


def test_errors_are_smaller_and_stated_as_they_are(answers):
    plain, calibrated = ((found.mean - TRUTH).square().mean().sqrt() for found in answers)
    assert calibrated < 0.5 * plain
    for found in answers:
        z = (found.mean - TRUTH) / found.mcse
        # the mean of 200 squares has a standard error of .1
        assert z.square().mean() == pytest.approx(1, abs=0.35)


def test_controls_have_the_mean_zero():
    torch.manual_seed(1)
    guide = [LatentSite("z", 2, Normal(torch.zeros(1, 2), 2.0))]
    tril = torch.tensor([[[0.5, 0.0], [0.4, 0.2]]])
    mixture = RowMixture(torch.tensor([[1.0, -1.0]]), tril, guide)
    controls = mixture.controls(mixture.sample((40_000,))).squeeze(1)
    error = controls.std(0) / math.sqrt(len(controls))
    assert (controls.mean(0).abs() < 3.5 * error).all()


def test_too_few_particles_are_not_calibrated():
    assert Calibration.of(torch.randn(20, 4, 6)) is None


def test_residuals_are_those_of_a_regression_row_by_row():
    torch.manual_seed(2)
    controls, rows = torch.randn(60, 2, 3), torch.tensor([1, 0, 1])
    values = torch.randn(60, 3)
    one = Calibration(controls)
    found = one.residuals(values * one.log_factor.exp()[:, rows], rows)
    for cell, row in enumerate(rows):
        design = torch.cat([torch.ones(60, 1), controls[:, row]], -1)
        fitted = design @ torch.linalg.lstsq(design, values[:, cell : cell + 1]).solution
        expected = (values[:, cell] - fitted[:, 0]) * math.sqrt(60 / (60 - 3 - 1))
        torch.testing.assert_close(found[:, cell], expected, rtol=1e-3, atol=1e-3)
