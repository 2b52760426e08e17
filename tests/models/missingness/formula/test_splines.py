"""Spline bases, against scipy, patsy and numerical derivatives."""

import numpy as np
import patsy
import pytest
import torch
from scipy.interpolate import BSpline, CubicSpline

from absentia.models.missingness.formula.splines import (
    b_spline,
    natural_knots,
    natural_pieces,
    natural_spline,
)


@pytest.mark.parametrize(("df", "degree"), [(3, 3), (5, 3), (4, 2), (2, 1)])
def test_b_splines_are_scipy_s_and_go_on_in_straight_lines(df, degree):
    x = torch.linspace(-1, 2, 41, dtype=torch.float64)
    knots = np.linspace(-1, 2, df - degree + 2).tolist()
    basis = torch.stack(b_spline(x, knots, degree), -1).numpy()
    full = np.r_[[knots[0]] * degree, knots, [knots[-1]] * degree]
    theirs = BSpline.design_matrix(x.numpy(), full, degree).toarray()[:, 1:]
    np.testing.assert_allclose(basis, theirs, atol=1e-12)
    far = torch.tensor([2.0, 3.0, 4.0, -1.0, -2.0, -3.0], dtype=torch.float64)
    beyond = torch.stack(b_spline(far, knots, degree), -1)
    for a, b, c in ((0, 1, 2), (3, 4, 5)):
        torch.testing.assert_close(beyond[c] - beyond[b], beyond[b] - beyond[a])
    slope = (beyond[1] - beyond[0]).numpy()
    unit = np.eye(len(full) - degree - 1)
    rise = [BSpline(full, unit[i], degree)(2.0, 1) for i in range(1, df + 1)]
    np.testing.assert_allclose(slope, rise, atol=1e-9)


def test_natural_splines_span_patsy_s():
    x = np.linspace(0, 1, 50)
    knots = natural_knots(torch.from_numpy(x), 4)
    ours = torch.stack(natural_spline(torch.from_numpy(x), torch.tensor(knots).double()), -1)
    ours = np.column_stack([np.ones(50), ours.numpy()])
    inner = knots[1:-1]
    theirs = np.asarray(patsy.dmatrix("cr(x, knots=inner)", {"x": x, "inner": inner}))
    rank = np.linalg.matrix_rank
    assert rank(ours) == rank(theirs) == rank(np.column_stack([ours, theirs]), tol=1e-8) == 5


KNOTS = {"even": [0.0, 1.0, 2.0, 3.0], "uneven": [-1.0, -0.9, 2.0, 2.5, 40.0], "two": [1.0, 4.0]}


@pytest.mark.parametrize("name", KNOTS)
def test_pieces_are_the_truncated_powers(name):
    knots = torch.tensor(KNOTS[name], dtype=torch.float64)
    x = torch.cat([torch.linspace(-5, 50, 400, dtype=torch.float64), knots])
    ours = torch.stack(natural_pieces(x, KNOTS[name]), -1)
    theirs = torch.stack(natural_spline(x, knots), -1)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["even", "uneven"])
def test_pieces_are_natural_cubic_splines(name):
    knots = np.array(KNOTS[name])
    x = np.linspace(knots[0], knots[-1], 101)
    at_knots = torch.stack(natural_pieces(torch.from_numpy(knots), KNOTS[name]), -1).numpy()
    theirs = CubicSpline(knots, at_knots, bc_type="natural")(x)
    ours = torch.stack(natural_pieces(torch.from_numpy(x), KNOTS[name]), -1).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "basis",
    [
        pytest.param(lambda x: b_spline(x, [0.0, 0.4, 1.0], 3), id="bs"),
        pytest.param(lambda x: b_spline(x, [0.0, 0.4, 1.0], 2), id="bs-quadratic"),
        pytest.param(lambda x: natural_pieces(x, [0.0, 0.4, 1.0]), id="ns"),
    ],
)
def test_derivatives_inside_and_outside(basis):
    x = torch.tensor([-2.0, -0.1, 0.2, 0.7, 0.99, 1.3, 5.0], dtype=torch.float64)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda value: torch.stack(basis(value), -1), (x,))
    assert torch.autograd.gradgradcheck(lambda value: torch.stack(basis(value), -1), (x,))


def test_slopes_pass_the_boundary_without_a_jump():
    for edge in (0.0, 1.0):
        x = torch.tensor([edge - 1e-9, edge + 1e-9], dtype=torch.float64, requires_grad=True)
        for column in b_spline(x, [0.0, 0.4, 1.0], 3):
            (slope,) = torch.autograd.grad(column.sum(), x, retain_graph=True)
            torch.testing.assert_close(slope[0], slope[1], atol=1e-6, rtol=0)
