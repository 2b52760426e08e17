"""Covariates as the numbers that a score reads."""

import numpy as np
import pandas as pd
import torch

import absentia as ab
from absentia.models.missingness.covariate_design import CovariateDesign, units_of_covariates


def test_numbers_are_standardised_and_levels_are_indicators():
    frame = pd.DataFrame(
        {
            "a": [1.0, None, 2.0, 5.0],
            "dose": [10.0, 14.0, 10.0, 14.0],
            "place": ["x", "z", "y", "x"],
            "sex": [True, False, True, True],
            "one": [3.0] * 4,
        }
    )
    data = ab.IncompleteData.from_frame(
        frame,
        covariates=["dose", "place", "sex", "one"],
        schema={"one": "continuous", "place": "categorical"},
    )
    units = units_of_covariates(data)
    assert units[:2] == [(12.0, 2.0), 3]
    design = CovariateDesign(units)
    found = design(data.covariates)
    assert found.shape == (4, design.size)
    np.testing.assert_array_equal(found[:, 0], [-1, 1, -1, 1])
    np.testing.assert_array_equal(found[:, 1:4], np.eye(3)[[0, 2, 1, 0]])
    np.testing.assert_allclose(found[:, 4].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(found[:, 4].std(correction=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(found[:, 5], 0)


def test_the_mechanism_reads_them_beside_all_else():
    units = [(1.0, 2.0), 2]
    mechanism = ab.models.AveragedMissingness(2, 1, mask_latent_dim=0, covariates=units)
    assert mechanism.asks == ("z", "covariates")
    with torch.no_grad():
        mechanism.of_covariates.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, -0.5]]))
    x, z = torch.zeros(2, 2), torch.zeros(2, 1)
    given = torch.tensor([[5.0, 0.0], [1.0, 1.0]])
    score = mechanism(x, z=z, covariates=given).base.score
    torch.testing.assert_close(score, torch.tensor([[2.0, 0.5], [0.0, -0.5]]))
    torch.testing.assert_close(mechanism.affine(x, z=z, covariates=given).offset, score)
