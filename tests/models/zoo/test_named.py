"""Models by name: what each is made of, and what a mistake is told."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.models import (
    ExactConditionalEncoder,
    GaussianDecoder,
    Ignorable,
    LinearGaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    NonLinearMissingness,
    SelfMasking,
    SetEncoder,
    StudentTDecoder,
    ZeroFilledEncoder,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    x[rng.random(x.shape) < [0.1, 0.3, 0.6]] = np.nan
    return ab.IncompleteData.from_numpy(x, columns=["a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("self-masking", SelfMasking),
        ("self-masking-probit", SelfMasking),
        ("linear", LinearMissingness),
        ("nonlinear", NonLinearMissingness),
        ("ignorable", Ignorable),
    ],
)
@pytest.mark.parametrize("make", [ab.NotMIWAE, ab.NotMIWAEPPCA])
def test_mechanisms_by_name(data, make, name, kind):
    mechanism = make(data, name, latent_dim=2).missingness
    assert type(mechanism) is kind
    if kind is SelfMasking:
        assert mechanism.link == ("probit" if name.endswith("probit") else "logit")
    # a column's mean is 0 after standardising: there the mask has the observed rate
    rate = data.s.float().mean(0)
    atol = 0.1 if name == "nonlinear" else 1e-5
    torch.testing.assert_close(mechanism(torch.zeros(1, 3)).mean[0], rate, atol=atol, rtol=0.0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mask-aware", MaskAwareEncoder), ("zero-filled", ZeroFilledEncoder), ("set", SetEncoder)],
)
def test_encoders_by_name(data, name, kind):
    assert type(ab.NotMIWAE(data, encoder=name, hidden=[4]).encoder) is kind
    ppca = ab.NotMIWAEPPCA(data, encoder=name, latent_dim=2, hidden=[4])
    assert type(ppca.encoder) is kind
    assert ppca.encoder.heads.mean.in_features == 4


def test_the_models_of_the_literature(data):
    assert type(ab.NotMIWAE(data).decoder) is GaussianDecoder
    assert type(ab.NotMIWAE(data, decoder="student-t").decoder) is StudentTDecoder
    assert type(ab.NotMIWAE(data).encoder) is MaskAwareEncoder
    ppca = ab.NotMIWAEPPCA(data)
    assert type(ppca.decoder) is LinearGaussianDecoder
    assert type(ppca.encoder) is ExactConditionalEncoder
    assert ppca.decoder.scale.kind == "shared"
    assert ab.NotMIWAEPPCA(data, scale="column").decoder.scale.kind == "column"
    assert type(ab.PPCA(data).decoder) is LinearGaussianDecoder
    for make in (ab.MIWAE, ab.PPCA):
        assert type(make(data).missingness) is Ignorable
    for linear, name in ((ab.NotMIWAE, ab.NotMIWAEPPCA), (ab.MIWAE, ab.PPCA)):
        one, other = linear(data, decoder="linear", seed=3), name(data, seed=3)
        assert type(one.encoder) is ExactConditionalEncoder
        for parameter, same in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(parameter, same)
    with pytest.raises(TypeError, match="skip"):
        ab.NotMIWAE(data, decoder="linear", skip=True)
    assert ab.NotMIWAE(data).columns == ("a", "b", "c")


def test_options_arrive(data):
    model = ab.NotMIWAE(data, latent_dim=5, hidden=[6, 7], activation="relu", scale="column")
    assert model.decoder.latent_dim == 5
    assert model.decoder.scale.kind == "column"
    for network in (model.decoder.network, model.encoder.network):
        assert [m.out_features for m in network if isinstance(m, torch.nn.Linear)] == [6, 7]
        assert any(isinstance(m, torch.nn.ReLU) for m in network)
    assert ab.NotMIWAE(data, floor=0.3).decoder.scale.floor == 0.3
    assert ab.NotMIWAE(data).decoder.latent_dim == 2  # min(p - 1, 10)
    wide = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(4, 20)))
    assert ab.NotMIWAE(wide).decoder.latent_dim == 10
    one = ab.IncompleteData.from_numpy(np.arange(4.0)[:, None])
    assert ab.NotMIWAE(one).decoder.latent_dim == 1
    assert ab.NotMIWAE(data, sign="+").missingness.sign.tolist() == [1.0, 1.0, 1.0]
    assert ab.NotMIWAE(data, sign=["+", None, "-"]).missingness.sign.tolist() == [1.0, 0.0, -1.0]


def test_own_parts(data):
    decoder, mechanism = GaussianDecoder(4, 3, hidden=[5]), SelfMasking(3, slope=-1.0)
    model = ab.NotMIWAE(data, mechanism, decoder=decoder)
    assert model.decoder is decoder
    assert model.missingness is mechanism
    x, s = data.x, data.s
    assert model.encoder(x, s).batch_shape == (200, 4)  # follows the decoder's latent size


@pytest.mark.parametrize("make", [ab.NotMIWAE, ab.NotMIWAEPPCA, ab.MIWAE, ab.PPCA])
def test_seeds_decide_the_weights_and_the_global_state_is_left_alone(data, make):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = make(data, seed=4).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(321)
    again, other = make(data, seed=4).state_dict(), make(data, seed=5).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda d: ab.NotMIWAE(d, "self"),
            "missingness 'self' is not one of auto, self-masking, .*ign",
        ),
        (lambda d: ab.NotMIWAE(d, encoder="exact"), "encoder 'exact' is not one of mask-aware, z"),
        (lambda d: ab.NotMIWAEPPCA(d, encoder="best"), "'best' is not one of .*exact"),
        (lambda d: ab.NotMIWAE(d, decoder="flow"), "decoder 'flow' is not one of gaussian, stud"),
        (
            lambda d: ab.NotMIWAE(d, "linear", sign="+"),
            "sign= is only used with self-masking and limits, not with 'l",
        ),
        (lambda d: ab.NotMIWAE(d, SelfMasking(3), sign="+"), "give it to the mechanism"),
        (
            lambda d: ab.NotMIWAE(d, sign="x"),
            "sign 'x' is not one of '.' or 'high' .*, '-' or 'low'",
        ),
        (lambda d: ab.NotMIWAE(d, sign=["+"]), "sign has 1 entries for 3 columns"),
        (lambda d: ab.NotMIWAE(d, SelfMasking(4)), "missingness is made for 4 columns.* have 3"),
        (lambda d: ab.NotMIWAE(d, decoder=GaussianDecoder(2, 5)), "decoder is made for 5 columns"),
        (lambda d: ab.NotMIWAE(d, activation="sin"), "activation 'sin' is not one of tanh"),
        (lambda d: ab.NotMIWAE(d, scale="rows"), "scale 'rows' is not one of entry"),
    ],
)
def test_mistakes_are_answered_in_one_line(data, make, message):
    with pytest.raises(ValueError, match=message) as error:
        make(data)
    assert "\n" not in str(error.value)


def test_an_encoder_for_other_columns_is_refused(data):
    with pytest.raises(ValueError, match=r"encoder.*5 columns"):
        ab.NotMIWAE(data, encoder=MaskAwareEncoder(5, 2), latent_dim=2)


def test_an_encoder_for_another_latent_size_is_refused(data):
    with pytest.raises(ValueError, match="latent"):
        ab.NotMIWAE(data, encoder=MaskAwareEncoder(3, 7), latent_dim=2)


def test_a_misspelt_option_is_not_swallowed(data):
    with pytest.raises(TypeError, match="latent_dims"):
        ab.NotMIWAE(data, latent_dims=2)
    with pytest.raises((TypeError, ValueError), match="latent_dims"):
        ab.NotMIWAEPPCA(data, latent_dims=2)
    with pytest.raises((TypeError, ValueError), match="latent_dims"):
        ab.PPCA(data, latent_dims=2)
    with pytest.raises((TypeError, ValueError), match="hidden"):
        ab.PPCA(data, hidden=[8])  # the exact conditional has no network


def test_latent_sizes_below_one_are_refused(data):
    for make in (ab.NotMIWAE, ab.NotMIWAEPPCA):
        for size in (0, -1):
            with pytest.raises(ValueError, match="latent_dim"):
                make(data, latent_dim=size)
