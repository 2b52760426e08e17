"""Old names work for one more version: each warns once, in words that give the new name."""

import importlib
import inspect
import pkgutil
import re
import warnings

import numpy as np
import pytest

import absentia as ab
from absentia.data.arguments import names_of
from absentia.inference.fitting.settings import FitSettings


def table():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    rows[rows[:, 0] > 0.5, 0] = np.nan
    return ab.IncompleteData.from_numpy(rows, columns=["a", "b"])


def warned(call):
    """What a call returns, with the one message of its deprecation warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    (only,) = [w for w in caught if issubclass(w.category, DeprecationWarning)]
    assert issubclass(only.category, ab.AbsentiaDeprecationWarning)
    assert issubclass(only.category, ab.AbsentiaWarning)
    assert only.filename == __file__
    return result, str(only.message)


def test_the_integration_mode_of_a_bound():
    for old, new in (("collapse", "integrate"), ("sample", "sample"), ("auto", "auto")):
        elbo, message = warned(lambda old=old: ab.ImportanceWeightedELBO(5, missing=old))
        assert elbo.marginal.unobserved == new
        assert f"missing='{old}'" in message
        assert f"unobserved='{new}'" in message


def test_the_integration_mode_of_a_fit_and_an_imputation():
    data = table()
    model = ab.PPCA(data, latent_dim=1)
    fitted, message = warned(
        lambda: ab.fit(model, data, steps=2, progress=False, missing="collapse", check=False)
    )
    assert fitted.settings.unobserved == "integrate"
    assert message.startswith("fit: ")
    old, _ = warned(lambda: ab.impute(fitted, data, 20, missing="sample", check=False))
    new = ab.impute(fitted, data, 20, unobserved="sample", check=False)
    np.testing.assert_array_equal(old.mean, new.mean)
    imputer = ab.MNARImputer(steps=2, fit_options={"missing": "sample"})
    with pytest.warns(ab.AbsentiaDeprecationWarning, match="unobserved='sample'"):
        imputer.fit(data.to_frame())
    assert imputer.result_.settings.unobserved == "sample"


def test_both_names_at_once_are_refused():
    with pytest.raises(ab.AbsentiaError, match=r"'unobserved'.*'missing'"):
        ab.ImportanceWeightedELBO(5, missing="sample", unobserved="sample")


def test_signatures_show_new_names_only():
    for function in (
        ab.fit,
        ab.impute,
        ab.ImportanceWeightedELBO,
        ab.inference.coefficient_posterior,
    ):
        assert "unobserved" in names_of(function)
        assert "missing" not in names_of(function)


def test_settings_of_an_earlier_version_are_read():
    document = {**FitSettings(steps=7).to_dict(), "missing": "collapse"}
    del document["unobserved"]
    assert FitSettings.from_dict(document) == FitSettings(steps=7, unobserved="integrate")


def test_integrate_out():
    old, message = warned(lambda: ab.collapse)
    assert old is ab.inference.integrate_out
    assert "absentia.inference.integrate_out" in message

    def imported():
        from absentia import collapse

        return collapse

    assert warned(imported)[0] is ab.inference.integrate_out


def test_the_linear_decoder():
    data = table()
    old, message = warned(lambda: ab.models.MaskedNotMIWAE(data, linear=True, seed=2))
    new = ab.models.MaskedNotMIWAE(data, decoder="linear", seed=2)
    assert "linear=True is now decoder='linear'" in message
    for parameter, same in zip(old.parameters(), new.parameters(), strict=True):
        np.testing.assert_array_equal(parameter.detach(), same.detach())
    network, _ = warned(lambda: ab.models.MaskedNotMIWAE(data, linear=False, seed=2, hidden=[3]))
    assert type(network.decoder) is ab.models.GaussianDecoder


def test_posterior_draws():
    data = table()
    model = ab.NotMIWAEPPCA(data, sign="+", latent_dim=1)
    options = {"check": False, "unfitted": True}
    old, message = warned(lambda: ab.impute(model, data, 20, num_draws=3, **options))
    assert old.num_draws == 3
    assert "'num_draws' is now 'draws'" in message
    found, message = warned(
        lambda: ab.check.cross_check(model, data, rows=1, samples=4, warm_up=4, particles=50)
    )
    assert len(found) == 1
    assert "'samples' is now 'draws'" in message


def test_one_word_for_one_thing():
    """Numbers of particles, draws, completed tables and replications, by the same names."""
    inference = [getattr(ab.inference, name) for name in ab.inference.__all__]
    functions = [one for one in inference if inspect.isfunction(one)]
    shown = {one.__name__: inspect.signature(one).parameters for one in functions}
    others = {"samples", "num_samples", "num_draws", "n_draws", "repeats", "replicates", "count"}
    assert {name for name, own in shown.items() if others & own.keys()} == set()
    # Pyro's own word, in the objects that take the place of Pyro's
    pyros = {name for name, own in shown.items() if "num_particles" in own}
    assert pyros == {"weights"}
    for name, own in shown.items():
        counts = [one for one in own if one in ("replications", "draws", "m", "particles")]
        keyword = [one for one in counts if own[one].kind is inspect.Parameter.KEYWORD_ONLY]
        order = sorted(keyword, key=["replications", "draws", "m", "particles"].index)
        assert keyword == order, name
        if "seed" in own and "particles" in own:
            assert list(own).index("particles") < list(own).index("seed"), name
            assert own["seed"].kind is inspect.Parameter.KEYWORD_ONLY, name


BEFORE = re.findall(
    r"\w+",
    """
    GNR MIWAE PPCA AbsentiaError AbsentiaWarning CSVLogger FitResult IdentificationWarning
    ImageNotMIWAE ImportanceWeightedELBO Imputation IncompleteData KnownMargins MNARImputer
    MaskedNotMIWAE Missingness MultipleImputation NotMIWAE NotMIWAEPPCA OutsideRangeWarning
    PatternMixture Pooled Ratings RatingsNotMIWAE SelectionModel SelfMasking SensitivityCurve
    SupervisedNotMIWAE TensorBoardLogger WandbLogger Weighted answers calibration
    check_identification check_mask check_values coefficient_posterior collapse compare
    cross_check delta_sensitivity fit held_out_bound impute load missing missingness
    multiple_imputation pool predict predict_ratings save slope_sensitivity to_arviz weights
    """,
)
MOVED = sorted(ab._MOVED)


@pytest.mark.parametrize("name", MOVED)
def test_every_name_that_stood_in_front_is_found_at_home(name):
    old, message = warned(lambda: getattr(ab, name))
    home, _, new = ab._MOVED[name].rpartition(".")
    assert old is getattr(importlib.import_module(home), new)
    assert message.startswith(f"absentia.{name} is now {home}.{new};")
    assert name not in dir(ab)
    assert name not in ab.__all__


def test_every_name_of_before_still_stands_in_front():
    """Those of the last version that put all names in front, none lost."""
    assert set(BEFORE) <= {*ab.__all__, *ab._MOVED}


def test_names_in_front_are_few_and_have_no_second_place_with_modules():
    modules = {name for name in ab.__all__ if inspect.ismodule(getattr(ab, name))}
    assert modules == set(ab._MODULES)
    assert len(set(ab.__all__) - modules) <= 23  # with read_table and scan, since 0.1.0
    for name in modules:
        assert importlib.import_module(f"absentia.{name}") is getattr(ab, name)
        for inside in getattr(getattr(ab, name), "__all__", []):
            assert getattr(getattr(ab, name), inside) is not None


def test_no_name_hides_a_module():
    for package in (ab, ab.data, ab.models, ab.inference):
        modules = {one.name for one in pkgutil.iter_modules(package.__path__)}
        for name in modules - {"tests", "conftest"}:
            full = f"{package.__name__}.{name}"
            if name in dir(package) or name in package.__all__:
                assert getattr(package, name) is importlib.import_module(full), full
