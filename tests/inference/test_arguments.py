"""Arguments by name: what signatures show is what is taken, and what is not is refused."""

import dataclasses
import inspect
import logging
import typing

import numpy as np
import pytest

import absentia as ab
from absentia.inference.fitting.settings import FitOptions, FitSettings
from absentia.inference.imputing.settings import ImputeSettings

BUILDERS = (
    ab.NotMIWAE,
    ab.NotMIWAEPPCA,
    ab.MIWAE,
    ab.PPCA,
    ab.models.MaskedNotMIWAE,
    ab.models.SupervisedNotMIWAE,
    ab.models.PatternMixture,
    ab.models.GNR,
    ab.models.ImageNotMIWAE,
    ab.models.RatingsNotMIWAE,
)


@pytest.fixture(scope="module")
def data() -> ab.IncompleteData:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    rows[rows > 1] = np.nan
    return ab.IncompleteData.from_numpy(rows, columns=["pay", "age", "height"])


@pytest.fixture(scope="module")
def fitted(data) -> ab.inference.FitResult:
    return ab.fit(ab.NotMIWAEPPCA(data, sign="+"), data, steps=5, progress=False, seed=3)


def test_the_typed_dictionary_of_a_fit_is_its_dataclass():
    hints = typing.get_type_hints(FitOptions)
    assert hints == typing.get_type_hints(FitSettings)
    assert list(hints) == [field.name for field in dataclasses.fields(FitSettings)]
    assert FitOptions.__required_keys__ == frozenset()


def test_fit_shows_its_settings_with_their_defaults():
    shown = inspect.signature(ab.fit).parameters
    for field in dataclasses.fields(FitSettings):
        assert shown[field.name].default == field.default
        assert shown[field.name].kind is inspect.Parameter.KEYWORD_ONLY


def test_impute_shows_its_settings_with_their_defaults():
    shown = inspect.signature(ab.impute).parameters
    for field in dataclasses.fields(ImputeSettings):
        assert shown[field.name].default == field.default
    assert ImputeSettings.of(ImputeSettings(particles=7).to_dict()) == ImputeSettings(particles=7)


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_builders_show_every_argument_and_take_no_other(builder, data):
    shown = inspect.signature(builder).parameters
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in shown.values())
    assert "seed" in shown
    with pytest.raises(TypeError, match=r"'seeed'.*'seed'") as refused:
        builder(data, seeed=1)
    assert isinstance(refused.value, ab.AbsentiaError)


@pytest.mark.parametrize(
    "builder",
    [ab.NotMIWAEPPCA, ab.MIWAE, ab.PPCA, ab.models.MaskedNotMIWAE, ab.models.SupervisedNotMIWAE,
     ab.models.PatternMixture],
    ids=lambda builder: builder.__name__,
)  # fmt: skip
def test_the_typed_dictionary_of_a_builder_is_what_its_signature_shows(builder):
    inner = inspect.unwrap(builder)
    (taken,) = typing.get_args(typing.get_type_hints(inner)[_rest(inner)])
    code = inner.__code__
    own = {*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]}
    assert not own & set(typing.get_type_hints(taken))
    assert set(inspect.signature(builder).parameters) == own | set(typing.get_type_hints(taken))


def _rest(function) -> str:
    """The name of the argument that takes all others."""
    code = function.__code__
    return code.co_varnames[code.co_argcount + code.co_kwonlyargcount]


@pytest.mark.parametrize(
    ("given", "meant"),
    [("epochs", "steps"), ("batchsize", "batch_size"), ("lr", "learning_rate"), ("seeds", "seed")],
)
def test_a_fit_names_the_near_argument_before_any_work(data, given, meant):
    model = ab.PPCA(data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(TypeError, match=f"'{given}'; did you mean '{meant}'"):
        ab.fit(model, data, **{given: 3})
    assert all(bool((model.state_dict()[name] == value).all()) for name, value in before.items())


@pytest.mark.parametrize(
    ("given", "meant"), [("particle", "particles"), ("draw", "draws"), ("refined", "refine")]
)
def test_impute_names_the_near_argument(fitted, data, given, meant):
    with pytest.raises(TypeError, match=f"'{given}'; did you mean '{meant}'"):
        ab.impute(fitted, data, **{given: 3})


@pytest.mark.parametrize(
    ("given", "what"),
    [({"particles": 2.5}, "particles is 2.5"), ({"draws": "many"}, "draws is 'many'"),
     ({"rule": "mean"}, "rule is 'mean'"), ({"unobserved": "drop"}, "unobserved is 'drop'"),
     ({"independent_rows": True}, "refine=False"), ({"seed": None}, "seed is None")],
)  # fmt: skip
def test_settings_of_an_imputation_are_checked(fitted, data, given, what):
    with pytest.raises(ab.AbsentiaError, match=what):
        ab.impute(fitted, data, **given)


def test_a_fit_prints_as_five_lines(fitted, data, tmp_path):
    lines = repr(fitted).splitlines()
    assert len(lines) == 5
    assert "SelectionModel" in lines[0]
    assert "60 rows, 3 columns (pay, age, height)" in lines[1]
    assert f"{fitted.bound:.4f}" in lines[2]
    assert f"step {fitted.best_step}" in lines[2]
    assert lines[3] == "  settings: steps=5, schedule='one-cycle', seed=3, optimiser='adam'"
    assert "SelfMasking, logit P(pay missing)" in lines[4]
    fitted.save(tmp_path / "m")
    assert repr(ab.load(tmp_path / "m")) == repr(fitted)
    at_random = repr(ab.fit(ab.PPCA(data), data, steps=2, progress=False))
    assert at_random.splitlines()[4].split(": ")[1] == "Ignorable (missing at random)"


def test_warnings_point_to_the_line_that_called(data):
    with pytest.warns(ab.inference.IdentificationWarning) as said:
        model = ab.fit(ab.NotMIWAEPPCA(data, sign="+"), data, steps=5, progress=False).model
    with pytest.warns(ab.inference.IdentificationWarning) as more:
        ab.impute(model, data, particles=20)
    assert {one.filename for one in [*said, *more]} == {__file__}


def test_what_is_done_is_logged(data, caplog, tmp_path):
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("absentia").handlers)
    with caplog.at_level(logging.DEBUG, logger="absentia"):
        done = ab.fit(ab.PPCA(data), data, steps=4, evaluations=2, progress=False)
        ab.impute(done, data, particles=20, draws=0)
        done.save(tmp_path / "m")
        ab.load(tmp_path / "m")
    told = [(one.levelname, one.name.split(".")[1], one.getMessage()) for one in caplog.records]
    assert [level for level, _, _ in told] == ["DEBUG"] * 2 + ["INFO"] * 4
    assert "ended at step 4 of 4, all steps done" in told[2][2]
    assert "of 60 rows" in told[3][2]
    assert told[4][2].startswith("saved")
    assert told[5][2].startswith("loaded")


def test_a_fit_out_of_patience_says_so(data, caplog):
    with caplog.at_level(logging.INFO, logger="absentia"):
        ab.fit(ab.PPCA(data), data, steps=400, patience=1, learning_rate=1.0, progress=False)
    assert "out of patience" in caplog.text


def test_what_is_imported_late_is_listed():
    assert {"plots", "report"} <= set(dir(ab))
    assert set(ab.__all__) <= set(dir(ab))
