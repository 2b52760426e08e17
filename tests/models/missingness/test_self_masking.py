"""Mechanisms: signs, links, given coefficients, and functions."""

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli

import absentia as ab
from absentia.models import (
    FunctionMissingness,
    GaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    Missingness,
    NonLinearMissingness,
    SelectionModel,
    SelfMasking,
)
from tests.contracts import randomised


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_plus_means_that_high_values_go_missing(link):
    mechanism = SelfMasking(3, link, sign=["+", "-", None])
    for seed in range(20):  # whatever its parameters
        randomised(mechanism, seed)
        low = mechanism(torch.full((1, 3), -1.0)).mean[0]
        high = mechanism(torch.full((1, 3), 1.0)).mean[0]
        assert low[0] > high[0]
        assert low[1] < high[1]
    assert (mechanism.slope[0] < 0) & (mechanism.slope[1] > 0)


def test_a_free_sign_can_become_either():
    mechanism = SelfMasking(2)
    with torch.no_grad():
        mechanism.raw_slope.copy_(torch.tensor([-2.0, 3.0]))
    assert mechanism.slope.tolist() == [-2.0, 3.0]


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize(("sign", "direction"), [("+", 1), ("-", -1)])
def test_masks_drawn_from_the_model_hide_the_known_side(link, sign, direction):
    mechanism = SelfMasking(2, link, sign=sign)
    model = SelectionModel(
        GaussianDecoder(1, 2, hidden=[4]), MaskAwareEncoder(2, 1, hidden=[4]), mechanism, ["a", "b"]
    )
    x, s = torch.zeros(4000, 2), torch.zeros(4000, 2, dtype=torch.bool)
    trace = pyro.poutine.trace(pyro.poutine.uncondition(model.model)).get_trace(x, s)
    values, mask = trace.nodes["x_unobserved"]["value"], trace.nodes["s"]["value"].bool()
    for j in range(2):
        hidden, seen = values[~mask[:, j], j], values[mask[:, j], j]
        difference = hidden.mean() - seen.mean()
        error = (hidden.var() / len(hidden) + seen.var() / len(seen)).sqrt()
        assert direction * difference > 5 * error


def test_the_papers_clipping_mechanism():
    """SVHN, Ipsen et al. (2021): slope -50, offset 37.5 hides what lies above 0.75."""
    mechanism = SelfMasking(1, slope=-50.0, offset=37.5)
    assert not list(mechanism.parameters())
    assert mechanism(torch.tensor([[0.75]])).mean.item() == pytest.approx(0.5)
    assert mechanism(torch.tensor([[0.6]])).mean.item() > 0.999
    assert mechanism(torch.tensor([[0.9]])).mean.item() < 0.001
    mechanism.initialise(torch.tensor([0.1]))
    assert mechanism.offset.item() == 37.5


def test_a_prior_makes_the_slopes_a_site():
    mechanism = SelfMasking(3, prior_scale=2.0)
    assert mechanism.has_priors
    assert [name for name, _ in mechanism.named_parameters()] == ["offset"]
    features = pyro.plate("features", 3, dim=-1)
    trace = pyro.poutine.trace(mechanism.coefficients).get_trace(features)
    site = trace.nodes["slope"]
    assert site["value"].shape == (3,)
    assert site["fn"].scale.unique().item() == 2.0
    slope = torch.tensor([1.0, -1.0, 0.0])
    given = mechanism(torch.ones(2, 3), slope=slope)
    torch.testing.assert_close(given.logits[0], slope)
    assert mechanism.affine(torch.ones(2, 3), slope=slope).slope is slope
    assert not SelfMasking(3).has_priors
    assert SelfMasking(3).coefficients(features) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"link": "cloglog"}, "link 'cloglog' is not one of logit, probit"),
        ({"sign": "up"}, "sign 'up' is not one of '.' or 'high' .*, '-' or 'low'"),
        ({"sign": {"x0": "+"}}, "names of the columns"),
        ({"sign": ["+", "-"]}, "2 entries for 3 columns"),
        ({"slope": 1.0, "sign": "+"}, "slope= is given"),
        ({"slope": 1.0, "prior_scale": 1.0}, "slope= is given"),
        ({"prior_scale": 1.0, "sign": "+"}, "sign= or prior_scale="),
    ],
)
def test_self_masking_refuses(options, message):
    with pytest.raises(ValueError, match=message) as error:
        SelfMasking(3, **options)
    assert "\n" not in str(error.value)


def test_linear_mechanism_is_its_formula():
    mechanism = randomised(LinearMissingness(3))
    x = torch.randn(5, 3)
    expected = x @ mechanism.linear.weight.T + mechanism.linear.bias
    torch.testing.assert_close(mechanism(x).logits, expected)
    # it starts as missing at random
    assert LinearMissingness(3).linear.weight.abs().max() == 0


def test_nonlinear_mechanism_can_hide_both_ends():
    torch.manual_seed(0)
    mechanism = NonLinearMissingness(1, hidden=[16])
    x = torch.linspace(-2, 2, 41).unsqueeze(-1)
    wanted = (x.abs() < 1).float()
    optimiser = torch.optim.Adam(mechanism.parameters(), 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss = -mechanism(x).log_prob(wanted).mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.1  # a mechanism linear in x stays at the entropy, about 0.69


def test_decorated_function():
    @ab.missingness(elementwise=True)
    def hides_extremes(x):
        return Bernoulli(logits=3 - x**2)

    assert isinstance(hides_extremes, FunctionMissingness)
    assert hides_extremes.elementwise
    assert not hides_extremes.ignorable
    assert repr(hides_extremes) == "FunctionMissingness(hides_extremes, elementwise=True)"
    x = torch.randn(4, 2)
    torch.testing.assert_close(hides_extremes(x).logits, 3 - x**2)
    assert not ab.missingness()(lambda x: Bernoulli(logits=x)).elementwise


def test_a_mask_that_broadcasts_is_expanded_to_the_table():
    per_column = FunctionMissingness(lambda x: Bernoulli(logits=torch.tensor([1.0, -1.0])), True)
    given = per_column(torch.zeros(7, 4, 2))
    assert given.batch_shape == (7, 4, 2)
    assert given.missingness is per_column


def test_a_subclass_of_six_lines():
    class HidesExtremes(Missingness):
        elementwise = True

        def __init__(self, num_columns):
            super().__init__()
            self.curve = torch.nn.Parameter(torch.ones(num_columns))

        def forward(self, x):
            return Bernoulli(logits=2 - self.curve * x**2)

    mechanism = HidesExtremes(2)
    assert mechanism.config["type"].endswith(".HidesExtremes")  # with its module: not absentia's
    assert mechanism.config["num_columns"] == 2
    assert mechanism(torch.zeros(5, 2)).batch_shape == (5, 2)
    assert mechanism.affine(torch.zeros(5, 2)) is None
    assert not mechanism.has_priors


def test_the_base_asks_for_a_forward():
    with pytest.raises(NotImplementedError):
        Missingness()(torch.zeros(2, 2))


def test_what_own_values_decide_is_known_once_and_serves_gradients():
    with torch.inference_mode():
        first = SelfMasking(7).dependence(7)
    again = SelfMasking(7).dependence(7)
    assert again.sampled is first.sampled  # not computed anew at every step
    assert not again.sampled.any()
    assert again.columnwise
    weight = torch.ones(7, requires_grad=True)
    weight.masked_fill(again.reads.diagonal(), 0.0).sum().backward()
    assert weight.grad.tolist() == [0.0] * 7


def test_the_prior_counts_slopes_of_free_sign_alone():
    mechanism = SelfMasking(3, sign=["+", None, None], shrinkage=0.5)
    with torch.no_grad():
        mechanism.raw_slope.copy_(torch.tensor([9.0, 0.5, -1.0]))
    log_prior = mechanism.log_prior()
    expected = torch.distributions.Normal(0.0, 0.5).log_prob(torch.tensor([0.5, -1.0])).sum()
    assert log_prior.item() == pytest.approx(expected.item())
    log_prior.backward()
    assert mechanism.raw_slope.grad.tolist() == pytest.approx([0.0, -2.0, 4.0])
    assert SelfMasking(2, sign="+", shrinkage=0.5).log_prior() is None
