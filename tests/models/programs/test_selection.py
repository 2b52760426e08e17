"""The selection model as a Pyro program: sites, plates, handlers, parameters."""

import copy

import pyro
import pytest
import torch
from pyro.infer import SVI, Predictive, Trace_ELBO

from absentia.models import (
    ExactConditionalEncoder,
    GaussianDecoder,
    Ignorable,
    LinearGaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    SelectionModel,
    SelfMasking,
    StandardNormalPrior,
)

N, P, D = 7, 3, 2


def make_model(mechanism=None, decoder=None, encoder=None):
    return SelectionModel(
        decoder or GaussianDecoder(D, P, hidden=[8]),
        encoder or MaskAwareEncoder(P, D, hidden=[8]),
        mechanism or SelfMasking(P),
        ["a", "b", "c"],
    )


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(N, P, generator=generator)
    s = torch.rand(N, P, generator=generator) < 0.6
    return torch.where(s, x, 0.0), s


def samples(trace):
    return {
        name: node
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and type(node["fn"]).__name__ != "_Subsample"
    }


def test_sites_shapes_and_plates(table):
    x, s = table
    model = make_model()
    trace = pyro.poutine.trace(model.model).get_trace(x, s)
    trace.compute_log_prob()
    sites = samples(trace)
    plates = {
        "z": {("rows", -2), ("latent", -1)},
        "x_observed": {("rows", -2), ("features", -1)},
        "x_unobserved": {("rows", -2), ("features", -1)},
        "s": {("rows", -2), ("features", -1)},
    }
    for name, frames in plates.items():
        found = {(frame.name, frame.dim) for frame in sites[name]["cond_indep_stack"]}
        assert found == frames, name
        assert sites[name]["log_prob"].shape == (N, D if name == "z" else P)
    assert sites["s"]["is_observed"]
    assert torch.equal(sites["s"]["value"], s.float())
    guide = samples(pyro.poutine.trace(model.guide).get_trace(x, s))
    assert set(guide) == {"z"}
    assert guide["z"]["value"].shape == (N, D)


def test_returns_the_completed_table(table):
    x, s = table
    completed = make_model().model(x, s)
    assert torch.equal(completed[s], x[s])
    assert (completed[~s] != x[~s]).all()


def test_joint_density_is_the_product_of_the_parts(table):
    x, s = table
    model = make_model()
    z, hidden = torch.randn(N, D), torch.randn(N, P)
    conditioned = pyro.poutine.condition(model.model, {"z": z, "x_unobserved": hidden})
    found = pyro.poutine.trace(conditioned).get_trace(x, s).log_prob_sum()
    whole = torch.where(s, x, hidden)
    probability = (model.missingness.slope * whole + model.missingness.offset).sigmoid()
    expected = (
        torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
        + model.decoder(z).log_prob(whole).sum()
        + torch.where(s, probability, 1 - probability).log().sum()
    )
    torch.testing.assert_close(found, expected)


def test_minibatches_are_scaled_and_keep_their_order(table):
    x, s = table
    model = make_model()
    trace = pyro.poutine.trace(model.model).get_trace(x, s, 5 * N)
    for name in ("z", "x_observed", "s"):
        assert trace.nodes[name]["scale"] == pytest.approx(5.0)
    assert torch.equal(trace.nodes["s"]["value"], s.float())
    for size in range(N, N + 40):  # the cache of plates is bounded
        model.model(x, s, size)
    assert len(model._plates) <= 20


def test_pyros_handlers_work_unchanged(table):
    x, s = table
    model = make_model()
    found = Predictive(model.model, guide=model.guide, num_samples=6)(x, s)
    assert found["z"].shape[0] == 6
    assert found["z"].shape[-2:] == (N, D)
    free = pyro.poutine.uncondition(model.model)
    masks = torch.stack(
        [pyro.poutine.trace(free).get_trace(x, s).nodes["s"]["value"] for _ in range(20)]
    )
    assert masks.unique().tolist() == [0.0, 1.0]
    assert (masks != masks[0]).any()


def test_pyros_own_svi_reaches_every_parameter(table):
    x, s = table
    model = make_model(LinearMissingness(P))
    before = copy.deepcopy(model.state_dict())
    assert len(pyro.get_param_store()) == 0
    svi = SVI(model.model, model.guide, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
    for _ in range(5):
        # Trace_ELBO notes that the missing values come from the model itself, as they should
        with pytest.warns(UserWarning, match=r"model.*{'x_unobserved'}"):
            svi.step(x, s)
    for name, value in model.state_dict().items():
        assert not torch.equal(value, before[name]), name


def test_running_the_model_leaves_the_parameter_store_alone(table):
    x, s = table
    model = make_model(SelfMasking(P, prior_scale=1.0))
    model.model(x, s)
    model.guide(x, s)
    assert len(pyro.get_param_store()) == 0


def test_priors_on_slopes_are_sites_outside_the_rows(table):
    x, s = table
    model = make_model(SelfMasking(P, prior_scale=1.0))
    for program in (model.model, model.guide):
        site = pyro.poutine.trace(program).get_trace(x, s).nodes["slope"]
        assert [frame.name for frame in site["cond_indep_stack"]] == ["features"]
        assert site["value"].shape == (P,)
    own = {name for name, _ in model.named_parameters() if name.startswith("coefficient_guide")}
    assert len(own) == 2
    assert own <= set(model.state_dict())
    assert make_model().coefficient_guide is None


def test_slope_sites_reach_the_mask(table):
    x, s = table
    model = make_model(SelfMasking(P, prior_scale=1.0))
    slope = torch.tensor([5.0, -5.0, 0.0])
    conditioned = pyro.poutine.condition(model.model, {"slope": slope})
    trace = pyro.poutine.trace(conditioned).get_trace(x, s)
    whole = torch.where(s, x, trace.nodes["x_unobserved"]["value"])
    torch.testing.assert_close(trace.nodes["s"]["fn"].logits, slope * whole)


def test_a_copy_is_independent(table):
    x, s = table
    model = make_model(
        SelfMasking(P, prior_scale=1.0), LinearGaussianDecoder(D, P), ExactConditionalEncoder(P, D)
    )
    model.model(x, s)
    twin = copy.deepcopy(model)
    before = model.encoder(x, s).mean
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert torch.equal(model.encoder(x, s).mean, before)
    # the copy's exact encoder reads the copy's decoder
    assert twin.encoder.__dict__["decoder"] is twin.decoder
    assert not torch.equal(twin.encoder(x, s).mean, before)
    assert model.coefficient_guide.median()["slope"].tolist() == [0.0] * P
    assert twin.coefficient_guide.median()["slope"].tolist() == [1.0] * P


def test_double_precision(table):
    x, s = table
    model = make_model(SelfMasking(P, prior_scale=1.0)).double()
    trace = pyro.poutine.trace(model.model).get_trace(x.double(), s)
    for name in ("z", "slope", "x_unobserved", "s"):
        assert trace.nodes[name]["value"].dtype == torch.float64, name
    assert pyro.poutine.trace(model.guide).get_trace(x.double(), s).nodes["z"]["value"].dtype == (
        torch.float64
    )


def test_exact_encoder_is_refused_with_another_decoder():
    with pytest.raises(TypeError, match="needs a LinearGaussianDecoder"):
        make_model(Ignorable(P), GaussianDecoder(D, P), ExactConditionalEncoder(P, D))


def test_prior_of_z():
    prior = StandardNormalPrior(D).double()()
    assert prior.batch_shape == (D,)
    assert prior.log_prob(torch.zeros(D, dtype=torch.float64)).sum().item() == pytest.approx(
        -D * 0.9189385332046727
    )
