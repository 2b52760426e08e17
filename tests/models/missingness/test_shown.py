"""What a person reads of a mechanism: the log-odds of being missing, in the data's own units."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.models import (
    LinearMissingness,
    MaskLatentShift,
    RandomIntercepts,
    SelfMasking,
    Threshold,
    TwoSided,
)

MECHANISMS = {
    "self-masking": lambda: SelfMasking(3),
    "probit, high": lambda: SelfMasking(3, "probit", sign="+"),
    "shared": lambda: SelfMasking(3, shared=True),
    "two-sided": lambda: TwoSided(3),
    "hides the middle": lambda: TwoSided(3, hides="middle"),
    "linear": lambda: LinearMissingness(3),
}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "pay": np.exp(3 + rng.normal(size=50)),
            "age": 40 + 12 * rng.normal(size=50),
            "done": rng.normal(size=50),
        }
    )
    frame.loc[:9, "pay"] = np.nan
    frame.loc[5:20, "age"] = np.nan
    return ab.IncompleteData.from_frame(frame, schema={"pay": "positive"})


def turned(mechanism):
    """With parameters away from where they begin."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in mechanism.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    return mechanism


@pytest.mark.parametrize("name", MECHANISMS)
def test_what_is_shown_gives_the_probability_of_being_missing(data, name):
    mechanism = turned(MECHANISMS[name]())
    shown = {key: float(value.detach()) for key, value in mechanism.shown(data).items()}
    assert not any(key.startswith("done ~") for key in shown)  # never missing
    values = {"pay": 33.0, "age": 51.0, "done": -0.4}
    x = torch.as_tensor(data.scaler.apply(np.array([list(values.values())]))).float()
    given = mechanism(x)
    score = given.base.score if "probit" in name else given.base.logits
    terms = {"Intercept": 1.0, "log(pay)": np.log(33.0), "age": 51.0, "done": -0.4}
    terms |= {f"{term}^2": value**2 for term, value in terms.items()}
    for j, column in enumerate(("pay", "age")):
        found = sum(
            value * terms[key.split(" ~ ")[1]]
            for key, value in shown.items()
            if key.startswith(f"{column} ~")
        )
        assert found == pytest.approx(-float(score[0, j].detach()), rel=1e-3, abs=1e-3)
    assert "age ~ age" in shown
    assert "pay ~ log(pay)" in shown


@pytest.mark.parametrize("name", MECHANISMS)
def test_equations_and_tables_say_the_same(data, name):
    mechanism = turned(MECHANISMS[name]())
    shown = {key: float(value.detach()) for key, value in mechanism.shown(data).items()}
    equation = mechanism.describe(data)["age"].equation
    assert equation.startswith(("logit P(age missing) = ", "probit P(age missing) = "))
    number = float(equation.split(" = ")[1].split(" ")[0])
    assert number == pytest.approx(shown["age ~ Intercept"], rel=1e-3)
    assert f"{abs(shown['age ~ age']):.4g} age" in equation


def test_directions_are_of_being_missing(data):
    assert float(SelfMasking(3, sign="+").shown_directions(data)["age ~ age"]) == 1.0
    for sign, factor in (("+", 1), ("-", -1)):
        slope = turned(SelfMasking(3, sign=sign)).shown(data)["age ~ age"].detach()
        assert factor * float(slope) > 0
    assert SelfMasking(3, slope=1.0).shown_directions(data) == {}
    middle = TwoSided(3, hides="middle")
    assert float(middle.shown_directions(data)["age ~ age^2"]) == -1.0
    assert float(turned(middle).shown(data)["age ~ age^2"].detach()) < 0


def test_a_latent_of_the_mask_leaves_the_coefficients(data):
    own = turned(SelfMasking(3))
    assert MaskLatentShift(own, 3).shown(data) == own.shown(data)


def test_a_threshold_lies_where_the_data_do(data):
    mechanism = Threshold(3, hides="above", threshold=[0.0, 1.0, 0.0], sharpness=2.0)
    found = mechanism.shown(data)
    center, scale = data.scaler.center[1], data.scaler.scale[1]
    assert float(found["age ~ threshold of age"].detach()) == pytest.approx(
        center + scale, rel=1e-5
    )
    assert float(found["age ~ age"].detach()) == pytest.approx(2 / scale, rel=1e-5)


def test_groups_deviate_from_their_average(data):
    mechanism = RandomIntercepts(3, num_groups=2)
    deviations = torch.tensor([[0.5, -1.0, 0.0], [-0.5, 1.0, 0.0]])
    found = mechanism.shown(data, group_offset=deviations)
    assert float(found["age ~ group 0"]) == 1.0
    assert float(found["age ~ group 1"]) == -1.0


def test_a_slope_with_a_prior_is_shown_as_one(data):
    described = SelfMasking(3, prior_scale=1.5).describe(data)
    assert "[Normal(0, 1.5) per sd] (age - " in described["age"].equation
