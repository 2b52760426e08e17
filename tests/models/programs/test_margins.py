"""Means and standard deviations that are known from elsewhere."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch

import absentia as ab
from absentia.data import Standardiser
from absentia.models import GaussianDecoder, KnownMargins, LinearGaussianDecoder, rebuild


def test_prior_is_the_expected_log_density_of_so_many_normal_rows():
    """Up to a constant: between two decoders the difference is that of the draws' densities."""
    torch.manual_seed(0)
    known = KnownMargins(2, mean=[0.5, None], sd=[2.0, None], rows=300)
    decoders = [LinearGaussianDecoder(1, 2, scale="column") for _ in range(2)]
    with torch.no_grad():
        decoders[1].mean.bias += torch.tensor([0.7, 5.0])
    draws = 0.5 + 2.0 * torch.randn(400_000, generator=torch.Generator().manual_seed(1))
    terms = []
    for decoder in decoders:
        mean, variance = decoder.margins(torch.zeros(1, 1))
        terms.append(torch.distributions.Normal(mean[0], variance[0].sqrt()).log_prob(draws))
    difference = terms[0] - terms[1]
    want, se = 300 * difference.mean(), 300 * difference.std() / len(draws) ** 0.5
    got = known(decoders[0]) - known(decoders[1])
    assert abs(float((got - want).detach())) < 4.5 * float(se.detach())


def test_prior_is_highest_at_the_known_margin():
    decoder = LinearGaussianDecoder(1, 1)
    with torch.no_grad():
        decoder.mean.weight.fill_(0.6)
        decoder.mean.bias.fill_(0.2)
        decoder.scale.raw.fill_(float(torch.log(torch.expm1(torch.tensor(0.8 - 0.01)))))
    at, off = (float(KnownMargins(1, [0.2], [sd], 50)(decoder).detach()) for sd in (1.0, 1.5))
    assert at == pytest.approx(0.0, abs=1e-4)
    assert off < -1


@pytest.mark.parametrize("scale", ["shared", "column"])
def test_margins_of_a_linear_decoder_are_those_of_its_nodes(scale):
    torch.manual_seed(2)
    decoder = LinearGaussianDecoder(2, 4, scale=scale)
    nodes = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(3))
    exact = decoder.margins(nodes)
    drawn = super(LinearGaussianDecoder, decoder).margins(nodes)
    for one, other in zip(exact, drawn, strict=True):
        assert torch.allclose(one.expand(4), other, atol=0.02)


def test_margins_of_a_network_are_those_of_its_draws():
    torch.manual_seed(4)
    decoder = GaussianDecoder(2, 3, hidden=[16])
    nodes = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        x = decoder(nodes).sample()
        mean, variance = decoder.margins(nodes)
    assert torch.allclose(mean, x.mean(0), atol=0.02)
    assert torch.allclose(variance, x.var(0), rtol=0.02)
    KnownMargins(3, [0.0] * 3, [1.0] * 3)(decoder).backward()
    assert all(p.grad is not None for p in decoder.parameters())


def hidden_high(n=1000, tie=0.6):
    """Two correlated columns, half of the first hidden by a logistic mechanism."""
    rng = np.random.default_rng(6)
    z = rng.normal(size=n)
    x = np.stack([10 + 2 * (tie * z + (1 - tie**2) ** 0.5 * rng.normal(size=n)), z], 1)
    seen = rng.random(n) > 1 / (1 + np.exp(-2 * (x[:, 0] - 10)))
    table = x.copy()
    table[~seen, 0] = np.nan
    return x, ab.IncompleteData.from_numpy(table, columns=["income", "age"])


@pytest.mark.slow
def test_known_margins_correct_a_wrong_mechanism():
    """Fitted as missing at random the hidden column's level is wrong; told its margin, less so."""
    x, data = hidden_high()
    errors = []
    for margins in (None, {"income": (10.0, 2.0)}):
        model = ab.NotMIWAEPPCA(data, "ignorable", latent_dim=1, scale="column", margins=margins)
        fitted = ab.fit(model, data, steps=400, learning_rate=1e-2, validation=0.0, progress=False)
        mean, _ = fitted.model.decoder.margins(torch.zeros(1, 1))
        level = float(data.scaler.invert(mean.detach().double().numpy()[None])[0, 0])
        errors.append(abs(level - x[:, 0].mean()))
    assert errors[0] > 0.8  # 8 se of a mean of 2,000 rows
    assert errors[1] < 0.5 * errors[0]


def test_the_site_stands_outside_the_rows_and_leaves_weights_alone():
    _, data = hidden_high(40)
    plain = ab.NotMIWAEPPCA(data, sign="+", seed=1)
    known = ab.NotMIWAEPPCA(data, sign="+", seed=1, margins={"income": (10.0, 2.0)})
    runs = []
    for model in (plain, known):
        torch.manual_seed(0)
        runs.append(ab.inference.weights(model.model, model.guide, data.x, data.s, num_particles=3))
    assert torch.equal(runs[0].log_weight, runs[1].log_weight)
    assert runs[0].log_global == 0
    torch.testing.assert_close(runs[1].log_global, known.margins(known.decoder))
    trace = pyro.poutine.trace(known.model).get_trace(data.x, data.s)
    assert not trace.nodes["margins"]["cond_indep_stack"]


def test_saved_and_rebuilt(tmp_path):
    _, data = hidden_high(60)
    margins = ab.models.KnownMargins.in_units_of(data, {"income": (10.0, 2.0)}, rows=50)
    again = rebuild(margins.config)
    assert all(torch.equal(a, b) for a, b in zip(margins.buffers(), again.buffers(), strict=True))
    fitted = ab.fit(ab.NotMIWAEPPCA(data, sign="+", margins=margins), data, steps=5, progress=False)
    fitted.save(tmp_path / "fit")
    loaded = ab.load(tmp_path / "fit")
    assert torch.equal(loaded.model.margins.mean, margins.mean)


def test_units_are_the_datas():
    data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 4.0]]))
    data = data.rescaled(Standardiser(np.array([1.0, 2.0]), np.array([2.0, 4.0])))
    known = KnownMargins.in_units_of(data, {"x1": (10.0, 8.0)})
    assert known.mean.tolist() == [0.0, 2.0]
    assert known.sd.tolist() == [1.0, 2.0]
    assert known.rows.tolist() == [0.0, 1000.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [0.0], "sd": [1.0, 1.0]}, "1 means and 2 sd"),
        ({"mean": [0.0, None], "sd": [1.0, 2.0]}, "column 1: give both"),
        ({"mean": [0.0, 1.0], "sd": [1.0, 0.0]}, "column 1: sd is 0.0"),
        ({"mean": [0.0, 1.0], "sd": [1.0, 1.0], "rows": 0}, "rows is 0"),
    ],
)
def test_what_cannot_be_known_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        KnownMargins(2, **arguments)


def test_columns_without_such_margins_are_refused():
    frame = pd.DataFrame({"age": [30.5, 41.0, None], "smokes": ["yes", "no", "yes"]})
    data = ab.IncompleteData.from_frame(frame)
    with pytest.raises(ValueError, match="column 'height'"):
        KnownMargins.in_units_of(data, {"height": (1.0, 1.0)})
    with pytest.raises(ValueError, match="'smokes', which is binary"):
        KnownMargins.in_units_of(data, {"smokes": (1.0, 1.0)})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the interval of")  # without the margin it may reach zero
def test_they_sharpen_what_is_known_of_the_mechanism():
    """The posterior of a slope that self-masking alone identifies is narrower with the margin."""
    _, data = hidden_high(2000, tie=0.3)
    widths = []
    for margins in (None, {"income": (10.0, 2.0)}):
        missing = ab.missing("income ~ +income")
        model = ab.NotMIWAEPPCA(data, missing, latent_dim=1, margins=margins)
        fitted = ab.fit(model, data, steps=1000, learning_rate=1e-2, validation=0.0, progress=False)
        found = ab.inference.coefficient_posterior(fitted, data, particles=25).loc[
            "income ~ income"
        ]
        widths.append(found["sd"])
    assert abs(found["estimate"] - 2.0) < 3 * found["sd"]  # the truth
    assert widths[1] < 0.85 * widths[0]
