"""One contract for every decoder, encoder and mechanism of the package."""

import copy
import json

import pyro
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from absentia.inference import weights
from absentia.models import (
    ChannelSelfMasking,
    Clipping,
    ConvMissingness,
    Decoder,
    DirectDecoder,
    Encoder,
    ExactConditionalEncoder,
    FormulaMissingness,
    FunctionMissingness,
    GaussianDecoder,
    GaussNewtonEncoder,
    GroupMissingness,
    Ignorable,
    LinearGaussianDecoder,
    MaskAwareEncoder,
    MaskLatentEncoder,
    Missingness,
    MixedDecoder,
    ModalEncoder,
    ObservedMissingness,
    OutshinesOthers,
    SelectionModel,
    SelfMasking,
    Threshold,
    TwoSided,
    rebuild,
)
from tests.contracts import (
    DECODERS,
    ENCODERS,
    MECHANISMS,
    D,
    K,
    N,
    P,
    cases,
    check_gradients,
    classes_of,
    context_of,
    randomised,
)

decoders = pytest.mark.parametrize("make", cases(DECODERS).values(), ids=cases(DECODERS))
encoders = pytest.mark.parametrize("make", cases(ENCODERS).values(), ids=cases(ENCODERS))
mechanisms = pytest.mark.parametrize("make", cases(MECHANISMS).values(), ids=cases(MECHANISMS))
everything = cases(DECODERS) | cases(ENCODERS) | cases(MECHANISMS)
parts = pytest.mark.parametrize("make", everything.values(), ids=everything)


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, P, generator=generator)
    s = torch.rand(N, P, generator=generator) < 0.7
    s[0], s[1] = True, False  # a complete row and an empty one
    return torch.where(s, x, 0.0), s


def inputs(module, dtype=torch.float32, seed=2):
    """Arguments of the module's call."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(module, Decoder):
        return (torch.randn(N, module.latent_dim, generator=generator).to(dtype),)
    x = torch.randn(N, P, generator=generator).to(dtype)
    if isinstance(module, Encoder):
        s = torch.rand(N, P, generator=generator) < 0.7
        return x * s, s
    return (x,)


def context(module, dtype=torch.float32):
    """What it takes by name."""
    return context_of(module, dtype) if isinstance(module, Missingness) else {}


def a_value(module, dtype=torch.float32):
    """A point at which the module's distribution has a density."""
    generator = torch.Generator().manual_seed(3)
    width = D if isinstance(module, Encoder) else P
    value = torch.randn(N, width, generator=generator).to(dtype)
    if isinstance(module, MixedDecoder):  # column 1 alone is a real number
        return value.where(torch.arange(P) == 1, (value > 0).to(dtype))
    if getattr(module, "family", None) == "bernoulli":
        return (value > 0).to(dtype)
    if isinstance(module, GroupMissingness):
        value = value[:, module.first]
    return (value > 0).to(dtype) if isinstance(module, Missingness) else value


def density(module, dtype=torch.float32):
    given = module(*inputs(module, dtype), **context(module, dtype))
    return given.log_prob(a_value(module, dtype))


@pytest.mark.parametrize(
    ("base", "entries"),
    [(Decoder, DECODERS), (Encoder, ENCODERS), (Missingness, MECHANISMS)],
    ids=["decoders", "encoders", "mechanisms"],
)
def test_every_class_has_an_entry(base, entries):
    assert classes_of(base) == set(entries)
    for kind, makers in entries.items():
        assert makers
        assert all(type(make()) is kind for make in makers.values())


@decoders
def test_decoder_shapes(make):
    decoder = randomised(make())
    d = P if isinstance(decoder, DirectDecoder) else D
    z = torch.randn(K, N, d)
    for shape in ((N,), (K, N)):
        given = decoder(z if len(shape) == 2 else z[0])
        assert given.batch_shape == (*shape, P)
        assert given.event_shape == ()
        draw = given.sample()
        assert draw.shape == given.log_prob(draw).shape == (*shape, P)
        assert given.mean.shape == given.variance.shape == (*shape, P)
        assert given.mean.isfinite().all()
        assert given.variance.isfinite().all()
    assert (decoder.latent_dim, decoder.num_columns) == (d, P)
    whole = decoder(z)
    for k in range(K):  # particles do not see each other
        torch.testing.assert_close(decoder(z[k]).mean, whole.mean[k])
        torch.testing.assert_close(decoder(z[k]).variance, whole.variance[k])


@encoders
def test_encoder_shapes(make, table):
    x, s = table
    encoder = randomised(make())
    given = encoder(x, s)
    assert given.batch_shape == (N, D)
    assert given.event_shape == ()
    assert given.has_rsample
    draws = given.rsample((K,))
    assert draws.shape == given.log_prob(draws).shape == (K, N, D)
    for k in range(K):
        torch.testing.assert_close(given.log_prob(draws[k]), given.log_prob(draws)[k])
    for i in range(N):  # rows do not see each other
        alone = encoder(x[i : i + 1], s[i : i + 1])
        torch.testing.assert_close(alone.mean, given.mean[i : i + 1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.variance, given.variance[i : i + 1], atol=1e-5, rtol=1e-5)


@mechanisms
def test_mechanism_shapes(make):
    mechanism = randomised(make())
    x = torch.randn(K, N, P)
    for shape in ((N,), (K, N)):
        given = mechanism(x if len(shape) == 2 else x[0], **context_of(mechanism))
        assert given.batch_shape == (*shape, P)
        assert given.event_shape == ()
        draw = given.sample()
        assert draw.shape == given.log_prob(draw).shape == (*shape, P)
        assert set(draw.unique().tolist()) <= {0.0, 1.0}
        assert given.missingness is mechanism
    beside = context_of(mechanism)
    whole = mechanism(x, **beside)
    s = whole.sample()
    for k in range(K):
        alone = mechanism(x[k], **beside)
        torch.testing.assert_close(alone.log_prob(s[k]), whole.log_prob(s)[k])


@parts
def test_every_parameter_gets_a_gradient(make):
    module = randomised(make())
    loss = density(module).sum()
    if isinstance(module, Missingness) and module.has_priors:
        with pyro.poutine.trace() as trace:  # what only the priors of coefficients read
            module.coefficients(pyro.plate("features", P, dim=-1))
        loss = loss + trace.trace.log_prob_sum()
    if list(module.parameters()):
        check_gradients(module, loss)
    else:  # nothing to learn; the exact encoder's gradient is its decoder's
        reads = ExactConditionalEncoder | GaussNewtonEncoder | ModalEncoder
        assert loss.requires_grad == isinstance(module, reads)


@parts
def test_training_and_evaluation_agree(make):
    module = randomised(make())
    assert torch.equal(density(module.train()), density(module.eval()))


@parts
def test_double_precision(make):
    module = randomised(make())
    single = density(module)
    assert module(*inputs(module), **context(module)).mean.dtype == torch.float32
    double_module = _attached(copy.deepcopy(module)).double()
    given = double_module(*inputs(double_module, torch.float64), **context(module, torch.float64))
    assert given.mean.dtype == torch.float64
    double = density(double_module, torch.float64)
    torch.testing.assert_close(double.double(), single.double(), atol=1e-4, rtol=1e-4)


def _attached(module):
    """Parts that an exact encoder reads are not registered in it; convert them as a model would."""
    for part in vars(module).values():
        if isinstance(part, torch.nn.Module):
            part.double()
    return module


@parts
def test_copies_are_equal_and_independent(make):
    module = randomised(make())
    before = density(module)
    twin = copy.deepcopy(module)
    assert torch.equal(density(twin), before)
    randomised(twin, seed=9)
    assert torch.equal(density(module), before)


def written(config):
    return json.dumps(config, default=lambda part: part.config)  # a mechanism within another


@parts
def test_configuration_rebuilds_an_equal_module(make):
    module = randomised(make())
    config = module.config
    if not isinstance(module, FunctionMissingness):
        config = json.loads(written(config))
    again = rebuild(config)
    assert type(again) is type(module)
    assert isinstance(module, FunctionMissingness) or written(again.config) == written(config)
    assert repr(again) == repr(module)
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    assert {name: value.shape for name, value in again.state_dict().items()} == shapes
    again.load_state_dict(module.state_dict())
    if isinstance(module, MaskLatentEncoder):
        again.attach_mechanism(*(vars(module)[k] for k in ("missingness", "decoder", "encoder")))
    elif isinstance(module, Encoder) and "decoder" in module.__dict__:
        again.attach(module.__dict__["decoder"])
    if isinstance(module, Encoder) and "prior" in module.__dict__:
        again.attach_prior(module.__dict__["prior"])
    assert torch.equal(density(again), density(module))


@mechanisms
def test_elementwise_is_honest(make):
    mechanism = randomised(make()).double()
    x = torch.randn(N, P, dtype=torch.float64)
    s = torch.stack([torch.zeros_like(x), torch.ones_like(x)])
    beside = beside_of(mechanism)
    before = mechanism(x, **beside).log_prob(s)
    moved = torch.zeros(P, P, dtype=torch.bool)  # [j, l]: whether s_l noticed that x_j changed
    for j in range(P):
        changed = x.clone()
        changed[:, j] += 1.5
        moved[j] = (mechanism(changed, **beside).log_prob(s) != before).any(0).any(0)
    reads, drawn = mechanism.dependence(P).reads, mechanism.dependence(P).sampled
    assert not bool((moved.T & ~reads).any())
    if not isinstance(mechanism, GroupMissingness | FunctionMissingness):
        assert torch.equal(moved.T, reads)  # a group's density stands at one of its columns
    if not isinstance(mechanism, ObservedMissingness | OutshinesOthers):  # read what is seen
        others = moved & ~torch.eye(P, dtype=torch.bool)
        assert not bool((others.any(1) & ~drawn).any())


def beside_of(mechanism):
    """What the mechanism asks for, and values of the coefficients that have priors."""
    beside = context_of(mechanism, torch.float64)
    own = getattr(mechanism, "own", mechanism)
    if isinstance(own, SelfMasking) and own.prior_scale is not None:
        beside["slope"] = torch.ones(P).double()
    if isinstance(mechanism, FormulaMissingness) and mechanism.has_priors:
        beside |= {name: torch.ones(()).double() for name in ("a ~ a", "a ~ b", "b ~ a", "b ~ b")}
    return beside


@mechanisms
def test_directions_hold_whatever_the_parameters(make):
    mechanism = make().double()
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        with torch.no_grad():
            for parameter in mechanism.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
                parameter.copy_(3 * noise)
        if mechanism.has_priors:
            continue  # the sites carry the sign
        found = mechanism.estimands()
        for name, sign in mechanism.directions().items():
            value, sign = torch.broadcast_tensors(found[name], sign)
            assert bool((value * sign >= 0).all())


@mechanisms
def test_the_density_of_being_missing_cell_by_cell(make):
    """Packed, against one table a value: each cell by itself."""
    mechanism = randomised(make()).double()
    if isinstance(mechanism, GroupMissingness) or bool(mechanism.dependence(P).ignorable.any()):
        return  # a group's density stands at one of its columns; nothing is asked of ignorable ones
    x, s = torch.randn(K, N, P).double(), torch.rand(N, P) < 0.6
    beside = beside_of(mechanism)
    others = mechanism.dependence(P).reads & ~torch.eye(P, dtype=torch.bool)
    rows, columns = (~s & ~others.any(0)).nonzero(as_tuple=True)  # the others are drawn or given
    assert len(rows) or bool(others.any(0).all())
    values = torch.randn(4, K, len(rows)).double()
    found = mechanism.log_missing(values, rows, columns, x, **beside)
    assert found.shape == values.shape
    for c, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        for q in range(4):
            table = x.clone()
            table[:, i, j] = values[q, :, c]
            alone = mechanism(table, **beside).log_prob(torch.zeros_like(table))[:, i, j]
            torch.testing.assert_close(found[q, :, c], alone, rtol=1e-10, atol=1e-10)


@mechanisms
def test_affine_form_is_the_mechanism(make):
    mechanism = randomised(make()).double()
    x = torch.randn(K, N, P, dtype=torch.float64)
    beside = context_of(mechanism, torch.float64)
    affine = mechanism.affine(x, **beside)
    if affine is None:
        assert not isinstance(mechanism, SelfMasking)
        return
    assert affine.columns is not None or not bool(mechanism.dependence(P).sampled.any())
    score = affine.slope * x + affine.offset
    link = {"logit": torch.nn.functional.logsigmoid, "probit": torch.special.log_ndtr}[affine.link]
    found, expected = mechanism(x, **beside).log_prob(torch.ones_like(x)), link(score)
    columns = torch.ones(P, dtype=torch.bool) if affine.columns is None else affine.columns
    torch.testing.assert_close(found[..., columns], expected[..., columns])


@mechanisms
def test_starts_from_the_observed_rates(make):
    mechanism = make()
    if isinstance(mechanism, ChannelSelfMasking | ConvMissingness | OutshinesOthers):
        pytest.skip("one rate a channel: see test_pixels")
    rate = torch.tensor([0.2, 0.5, 0.9, 0.6])
    x, beside = torch.zeros(N, P), context_of(mechanism, zero=True)
    before = mechanism(x, **beside).mean
    mechanism.initialise(rate)
    after = mechanism(x, **beside).mean[0]
    if isinstance(mechanism, FormulaMissingness):
        parts = mechanism.part_of.items()
        free = [j for j, part in parts if part.has_intercept and part.fixed_intercept is None]
        # at the terms' average, not at zero, so a first guess is near
        torch.testing.assert_close(after[free], rate[free], atol=0.25, rtol=0.0)
        return
    if isinstance(mechanism, Threshold | TwoSided):  # on average over a standard Normal
        x = torch.linspace(-4, 4, 801).unsqueeze(-1).expand(-1, P)
        density = Normal(0.0, 1.0).log_prob(x).exp()
        average = (mechanism(x).mean * density).sum(0) / density.sum(0)
        if not getattr(mechanism, "given", False):
            torch.testing.assert_close(average, rate, atol=0.1, rtol=0.0)
        return
    if isinstance(mechanism, GroupMissingness):
        rate = rate[mechanism.first]
    given = isinstance(mechanism, FunctionMissingness | Clipping)
    if given or getattr(mechanism, "fixed_offset", False):
        assert torch.equal(after, before[0])  # nothing to start, or given by the user
    else:
        # a network's hidden layer adds a little at x = 0
        tolerance = 0.1 if hasattr(mechanism, "network") else 1e-5
        torch.testing.assert_close(after, rate, atol=tolerance, rtol=0.0)


@mechanisms
def test_rates_of_one_stay_finite(make):
    mechanism = make()
    mechanism.initialise(torch.tensor([1.0, 1.0, 0.0, 0.5]))
    x = torch.zeros(N, P)
    assert all(value.isfinite().all() for value in mechanism.parameters())
    given = mechanism(x, **context_of(mechanism))
    assert given.log_prob(torch.ones(N, P)).isfinite().all()


def test_an_ignorable_mechanism_adds_nothing_to_the_weights(table):
    x, s = table
    for decoder in (GaussianDecoder(D, P, hidden=[8]), LinearGaussianDecoder(D, P)):
        mechanism = Ignorable(P)
        mechanism.initialise(torch.full((P,), 0.3))
        model = SelectionModel(decoder, MaskAwareEncoder(P, D, hidden=[8]), mechanism, list("abcd"))
        run = weights(model.model, model.guide, x, s, num_particles=K)
        z = run.sites["z"].value
        guide = model.encoder(x, s)
        given = decoder(z)
        by_hand = (
            Normal(0.0, 1.0).log_prob(z).sum(-1)
            - Normal(guide.loc, guide.scale).log_prob(z).sum(-1)
            + (Normal(given.loc, given.scale).log_prob(x) * s).sum(-1)
        )
        torch.testing.assert_close(run.log_weight, by_hand)


def test_a_mechanism_that_matters_adds_its_density(table):
    x, s = table
    mechanism = randomised(SelfMasking(P))
    model = SelectionModel(
        GaussianDecoder(D, P, hidden=[8]),
        MaskAwareEncoder(P, D, hidden=[8]),
        mechanism,
        list("abcd"),
    )
    run = weights(model.model, model.guide, x, s, num_particles=K)
    z = run.sites["z"].value
    guide, given = model.encoder(x, s), model.decoder(z)
    filled = torch.where(s, x, run.sites["x_unobserved"].value)
    by_hand = (
        Normal(0.0, 1.0).log_prob(z).sum(-1)
        - Normal(guide.loc, guide.scale).log_prob(z).sum(-1)
        + (Normal(given.loc, given.scale).log_prob(x) * s).sum(-1)
        + Bernoulli(logits=mechanism.slope * filled + mechanism.offset).log_prob(s.float()).sum(-1)
    )
    torch.testing.assert_close(run.log_weight, by_hand)


@mechanisms
def test_plates_do_not_part_a_mask_from_its_mechanism(make):
    """Pyro's plates expand every distribution; handlers must still find what it came from."""
    mechanism = randomised(make())
    rows, columns = pyro.plate("rows", N, dim=-2), pyro.plate("features", P, dim=-1)
    x, beside = torch.randn(N, P), context_of(mechanism)

    def model():
        with rows, columns:
            pyro.sample("s", mechanism(x, **beside), obs=torch.ones(N, P))

    site = pyro.poutine.trace(model).get_trace().nodes["s"]
    assert site["fn"].missingness is mechanism
    assert set(site["fn"].context) == set(mechanism.asks)
