"""The encoder at the mode, against the exact conditional and against derivatives by autograd."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.inference.fitting.usual import usual_settings
from absentia.models import ExactConditionalEncoder, LinearGaussianDecoder, MixedDecoder
from absentia.models.networks.modal_encoder import ModalEncoder, serves

N, D = 6, 3
FAMILIES = [
    {"family": "real"},
    {"family": "nominal", "values": 4},
    {"family": "real"},
    {"family": "nominal", "values": 2},
    {"family": "graded", "values": 5},
    {"family": "count", "values": 9},
]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def rows():
    torch.manual_seed(0)
    x = torch.randn(N, len(FAMILIES))
    for j, family in enumerate(FAMILIES):
        if family["family"] != "real":
            x[:, j] = torch.randint(family["values"], (N,)).double()
    s = torch.rand(x.shape) < 0.7
    s[0] = False
    return torch.where(s, x, 0.0), s


def decoder_of(families):
    torch.manual_seed(1)
    made = MixedDecoder(D, families, hidden=[], scale="column")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.6 * torch.randn_like(parameter))
    return made


def encoder_of(decoder):
    made = ModalEncoder(decoder.num_columns, D)
    made.attach(decoder)
    return made


def test_real_columns_have_their_exact_conditional(rows):
    x, s = rows
    families = [{"family": "real"}] * len(FAMILIES)
    mixed = decoder_of(families)
    linear = LinearGaussianDecoder(D, len(families), "column")
    linear.load_state_dict(mixed.state_dict())
    exact = ExactConditionalEncoder(len(families), D)
    exact.attach(linear)
    found, expected = encoder_of(mixed)(x, s), exact(x, s)
    torch.testing.assert_close(found.loc, expected.loc)
    torch.testing.assert_close(found.precision_tril, expected.precision_tril)


def test_it_lies_at_the_mode_with_the_curvature_there(rows):
    x, s = rows
    decoder = decoder_of(FAMILIES)
    found = encoder_of(decoder)(x, s)
    for i in range(N):

        def log_joint(z, i=i):
            cells = decoder(z.unsqueeze(0)).log_prob(x[i : i + 1])
            return cells.masked_fill(~s[i : i + 1], 0.0).sum() - 0.5 * z.square().sum()

        place = found.loc[i].detach()
        gradient = torch.autograd.functional.jacobian(log_joint, place)
        curvature = -torch.autograd.functional.hessian(log_joint, place)
        left = torch.linalg.solve(curvature, gradient)  # how far the mode still is
        assert left.abs().max() < 0.02
        tril = found.precision_tril[i].detach()
        torch.testing.assert_close(tril @ tril.mT, curvature, rtol=0.03, atol=0.03)
    # a row without values has the prior
    torch.testing.assert_close(found.loc[0], torch.zeros(D))
    torch.testing.assert_close(found.precision_tril[0], torch.eye(D))


def test_gradients_through_the_last_step_are_those_of_the_mode(rows):
    """Against differences of the mode itself, which moves with the decoder's parameters."""
    x, s = rows
    decoder = decoder_of(FAMILIES)
    encoder = encoder_of(decoder)
    weight = torch.randn(N, D)
    parameter = decoder.mean.weight
    (found,) = torch.autograd.grad((weight * encoder(x, s).loc).sum(), parameter)
    for place in [(0, 0), (3, 1), (5, 2)]:
        ends = []
        for side in (1e-4, -1e-4):
            with torch.no_grad():
                parameter[place] += side
                ends.append(float((weight * encoder(x, s).loc).sum()))
                parameter[place] -= side
        assert float(found[place]) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=0.02)


def test_it_serves_linear_decoders_only():
    assert serves(decoder_of(FAMILIES))
    assert not serves(MixedDecoder(D, FAMILIES, hidden=[4], scale="column"))
    assert not serves(MixedDecoder(D, FAMILIES, hidden=[], scale="entry"))
    with pytest.raises(TypeError, match="use encoder='mask-aware'"):
        ModalEncoder(2, 1).attach(LinearGaussianDecoder(1, 2))


def test_small_tables_have_it_and_larger_ones_a_network():
    frame = pd.DataFrame({"a": np.linspace(0, 1, 30), "b": pd.Categorical(list("xyz") * 10)})
    small = ab.PPCA(ab.IncompleteData.from_frame(frame))
    assert isinstance(small.encoder, ModalEncoder)
    long = pd.concat([frame] * 170, ignore_index=True)
    data = ab.IncompleteData.from_frame(long)
    larger = ab.PPCA(data)
    assert isinstance(larger.encoder, ModalEncoder)
    quick = ab.fit(small, ab.IncompleteData.from_frame(frame), progress=False, check=False)
    assert quick.settings.optimiser == "l-bfgs"
    # a pass over many rows takes longer than a step of few
    assert usual_settings(larger, data, None, None) == {"learning_rate": 0.003}
    assert usual_settings(small, ab.IncompleteData.from_frame(frame), None, None) == {}
    with_network = ab.PPCA(ab.IncompleteData.from_frame(frame), hidden=[4])
    assert isinstance(with_network.encoder, ab.models.MaskAwareEncoder)


def test_l_bfgs_finds_the_association_of_two_kinds():
    """A number that is higher at one level, both with gaps: the level's logit has its slope."""
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(0)
    number = rng.normal(size=120)
    level = np.where(rng.random(120) < 1 / (1 + np.exp(-3 * number)), "high", "low")
    frame = pd.DataFrame({"number": number, "level": pd.Categorical(level)})
    hidden = rng.random(frame.shape) < 0.2
    data = ab.IncompleteData.from_frame(frame.mask(hidden))
    fitted = ab.fit(ab.PPCA(data), data, progress=False, check=False)
    assert fitted.settings.optimiser == "l-bfgs"
    filled = ab.impute(fitted, data, draws=0, progress=False, check=False).to_frame()
    gone = hidden[:, 1] & ~hidden[:, 0]
    sure = gone & (np.abs(number) > 0.7)
    assert sure.sum() > 5
    assert (filled["level"].astype(object)[sure] == np.where(number[sure] > 0, "high", "low")).all()
