"""Modules that remember how they were made."""

import pytest
import torch

from absentia.models import (
    Configurable,
    ExactConditionalEncoder,
    GaussianDecoder,
    Ignorable,
    LinearGaussianDecoder,
    MaskAwareEncoder,
    SelectionModel,
    SelfMasking,
    rebuild,
)


class Base(Configurable):
    def __init__(self, width, depth=1, **options):
        super().__init__()
        self.made_with = (width, depth, options)


class Outer(Base):
    def __init__(self, size):
        super().__init__(2 * size, depth=3, extra="yes")
        self.size = size


class Plain(Base):
    """A subclass without a constructor of its own."""


def test_arguments_are_recorded_however_they_are_given():
    assert Base(3).config == {"type": f"{__name__}:Base", "width": 3}
    assert Base(3, 4).config == Base(depth=4, width=3).config
    assert Base(3, colour="red").config == {"type": f"{__name__}:Base", "width": 3, "colour": "red"}
    assert rebuild(Base(3, colour="red").config).made_with == (3, 1, {"colour": "red"})


def test_the_outermost_constructor_speaks():
    module = Outer(5)
    assert module.config == {"type": f"{__name__}:Outer", "size": 5}
    again = rebuild(module.config)
    assert type(again) is Outer
    assert again.made_with == module.made_with == (10, 3, {"extra": "yes"})
    assert Plain(1).config == {"type": f"{__name__}:Plain", "width": 1}
    assert type(rebuild(Plain(1).config)) is Plain


def test_nested_modules():
    model = SelectionModel(
        GaussianDecoder(2, 3, hidden=[4]), MaskAwareEncoder(3, 2, hidden=[4]), SelfMasking(3), "abc"
    )
    config = dict(model.config)
    for part in ("decoder", "encoder", "missingness"):
        config[part] = config[part].config
    again = rebuild(config)
    assert again.columns == ("a", "b", "c")
    assert repr(again) == repr(model)
    again.load_state_dict(model.state_dict())
    x, s = torch.randn(5, 3), torch.ones(5, 3, dtype=torch.bool)
    assert torch.equal(again.encoder(x, s).mean, model.encoder(x, s).mean)
    assert again.decoder is not model.decoder


def test_an_exact_encoder_is_attached_anew():
    model = SelectionModel(
        LinearGaussianDecoder(2, 3), ExactConditionalEncoder(3, 2), Ignorable(3), "abc"
    )
    config = dict(model.config)
    for part in ("decoder", "encoder", "missingness"):
        config[part] = config[part].config
    again = rebuild(config)
    assert again.encoder.__dict__["decoder"] is again.decoder


def test_rebuilding_does_not_change_the_configuration():
    config = {"type": f"{__name__}:Base", "width": {"type": f"{__name__}:Outer", "size": 1}}
    module = rebuild(config)
    assert type(module.made_with[0]) is Outer
    assert config == {"type": f"{__name__}:Base", "width": {"type": f"{__name__}:Outer", "size": 1}}


def test_unknown_classes_are_not_looked_for():
    with pytest.raises(ValueError, match=r"class 'os\.system'") as error:
        rebuild({"type": "os.system", "command": "true"})
    assert "\n" not in str(error.value)


def test_a_configuration_is_no_module_and_no_state():
    model = SelectionModel(
        GaussianDecoder(2, 3, hidden=[4]), MaskAwareEncoder(3, 2, hidden=[4]), SelfMasking(3), "abc"
    )
    names = [name for name, _ in model.named_modules() if name and "." not in name]
    assert sorted(names) == ["decoder", "encoder", "missingness", "prior"]
    assert len(list(model.parameters())) == len({id(p) for p in model.parameters()})
