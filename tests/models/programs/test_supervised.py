"""Supervised not-MIWAE: what the target adds to the weights, and what it leaves alone."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch

import absentia as ab
from absentia.inference import IntegrationError
from absentia.models import Predictor, SupervisedModel


def table(n=30, p=3, y=None):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, p, generator=generator, dtype=torch.float64)
    target = x.sum(1) + 0.1 * torch.randn(n, generator=generator)
    x[torch.rand(n, p, generator=generator) < 0.4] = torch.nan
    data = ab.IncompleteData.from_torch(x, dtype=torch.float64)
    if y == "binary":
        return data.with_target(target.numpy() > 0)
    if y == "categorical":
        return data.with_target(pd.cut(target.numpy(), 3, labels=["low", "mid", "high"]))
    return data.with_target(target.numpy())


def made(data, **options):
    return ab.models.SupervisedNotMIWAE(
        data, sign="+", latent_dim=2, hidden=[8], predictor=[5], **options
    ).double()


KINDS = pytest.mark.parametrize("kind", ["continuous", "binary", "categorical"])


@KINDS
def test_the_target_joins_the_weights(kind):
    data = table(y=kind)
    model = made(data)
    assert model.predictor.kind == kind
    run = ab.inference.weights(
        model.model, model.guide, data.x, data.s, num_particles=4, **data.extras()
    )
    x = run.sites["x_unobserved"].value.where(~data.s, data.x)
    z = run.sites["z"].value
    normal = torch.distributions.Normal
    by_hand = (
        (model.decoder(z).log_prob(data.x) * data.s).sum(-1)
        + model.missingness(x).log_prob(data.s.double()).sum(-1)
        + (normal(0.0, 1.0).log_prob(z) - model.encoder(data.x, data.s).log_prob(z)).sum(-1)
        + model.predictor(x).log_prob(data.target.x).squeeze(-1)
    )
    torch.testing.assert_close(run.log_weight, by_hand)


def test_a_constant_prediction_is_not_miwae():
    data = table(y="binary")
    model = made(data)
    with torch.no_grad():
        model.predictor.head.weight.zero_()
        model.predictor.head.bias.zero_()
    twin = ab.NotMIWAE(data, sign="+", latent_dim=2, hidden=[8]).double()
    twin.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("predictor.")}
    )
    bounds = []
    for one, extras in ((model, data.extras()), (twin, {})):
        pyro.set_rng_seed(2)
        elbo = ab.ImportanceWeightedELBO(6, unobserved="sample")
        bounds.append(elbo.bound(one.model, one.guide, data.x, data.s, **extras))
    torch.testing.assert_close(bounds[0] - np.log(0.5), bounds[1], rtol=0, atol=1e-6)


def test_rows_without_a_label_take_part_without_it():
    data = table()
    y = data.target.values[:, 0].copy()
    y[::3] = np.nan
    part = data.with_target(pd.Series(y))
    model = made(part)
    pyro.set_rng_seed(0)
    run = ab.inference.weights(
        model.model, model.guide, part.x, part.s, num_particles=3, **part.extras()
    )
    extras = part.extras() | {"labelled": torch.zeros(len(part), 1, dtype=torch.bool)}
    pyro.set_rng_seed(0)
    none = ab.inference.weights(model.model, model.guide, part.x, part.s, num_particles=3, **extras)
    torch.testing.assert_close(run.log_weight[:, ::3], none.log_weight[:, ::3])
    assert (run.log_weight != none.log_weight)[:, 1::3].all()


def test_missing_values_are_drawn_where_the_target_reads_them():
    data = table()
    model = made(data)
    elbo = ab.ImportanceWeightedELBO(3, unobserved="integrate")
    with pytest.raises(IntegrationError, match=r"'y'.*'x'"):
        elbo.bound(model.model, model.guide, data.x, data.s, **data.extras())
    pyro.set_rng_seed(0)
    auto = ab.ImportanceWeightedELBO(3).bound(
        model.model, model.guide, data.x, data.s, **data.extras()
    )
    pyro.set_rng_seed(0)
    sampled = ab.ImportanceWeightedELBO(3, unobserved="sample").bound(
        model.model, model.guide, data.x, data.s, **data.extras()
    )
    torch.testing.assert_close(auto, sampled)


@KINDS
def test_it_is_fitted_in_one_stage_and_in_two(kind, tmp_path):
    data = table(y=kind)
    joint = ab.fit(made(data), data, steps=15, progress=False)
    ab.save(joint, tmp_path / "joint")
    again = ab.load(tmp_path / "joint")
    assert isinstance(again.model, SupervisedModel)
    expected = ab.inference.predict(joint, data, 50)
    np.testing.assert_allclose(ab.inference.predict(again, data, 50).mean, expected.mean)
    plain = ab.NotMIWAE(data, sign="+", latent_dim=2, hidden=[8]).double()
    first = ab.fit(plain, data.without_target(), steps=15, progress=False)
    second = ab.models.SupervisedNotMIWAE(data, first_stage=first, predictor=[5]).double()
    before = {k: v.clone() for k, v in second.state_dict().items()}
    fitted = ab.fit(second, data, steps=15, progress=False, validation=0.0)
    moved = {k for k, v in second.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(name.startswith("predictor.") for name in moved)
    ab.save(fitted, tmp_path / "second")
    again = ab.load(tmp_path / "second").model
    learnt = {name for name, p in again.named_parameters() if p.requires_grad}
    assert learnt
    assert all(name.startswith("predictor.") for name in learnt)
    with pytest.raises(ValueError, match=r"stages.*parameters"):
        ab.multiple_imputation(fitted, data, m=2)


def test_columns_with_levels_are_read_as_indicators():
    frame = pd.DataFrame({"a": ["x", "y", None, "z"] * 5, "b": [1.0, None, 3.0, 4.0] * 5})
    data = ab.IncompleteData.from_frame(frame).with_target(np.arange(20) % 2 == 0)
    model = ab.models.SupervisedNotMIWAE(data, latent_dim=1, hidden=[8])
    assert model.predictor.expansion.num_features == 4
    assert set(ab.inference.predict(model, data, 20, unfitted=True).best) <= {True, False}


def test_what_does_not_fit_is_refused():
    data = table()
    plain = ab.NotMIWAE(data, "self-masking")
    with pytest.raises(ValueError, match="the data have no target"):
        ab.models.SupervisedNotMIWAE(ab.IncompleteData.from_numpy(np.ones((3, 2))))
    with pytest.raises(ValueError, match=r"'latent_dim'.*first stage"):
        ab.models.SupervisedNotMIWAE(data, first_stage=plain, latent_dim=2)
    with pytest.raises(ValueError, match="not one of continuous, binary, categorical"):
        Predictor(3, "count")
    with pytest.raises(ValueError, match=r"2 values.*30 rows"):
        data.with_target([1.0, 2.0])
    with pytest.raises(ValueError, match=r"SelectionModel.*no target"):
        ab.inference.predict(plain, data)
    with pytest.raises(ValueError, match=r"SelectionModel.*target"):
        ab.fit(plain, data, steps=2, progress=False)
    with pytest.raises(ValueError, match=r"SupervisedModel.*predicts"):
        ab.fit(made(data), data.without_target(), steps=2, progress=False)
    with pytest.raises(ValueError, match=r"'missingness'.*first stage"):
        ab.models.SupervisedNotMIWAE(data, "linear", first_stage=plain)
    other = ab.NotMIWAE(ab.IncompleteData.from_numpy(np.ones((3, 2))), "self-masking")
    with pytest.raises(ValueError, match=r"first stage.*columns"):
        ab.models.SupervisedNotMIWAE(data, first_stage=other)
    with pytest.raises(ValueError, match="first_stage is a ParallelModel"):
        ab.models.SupervisedNotMIWAE(data, first_stage=ab.models.GNR(data))
    with pytest.raises(ValueError, match="one column of it"):
        data.with_target(pd.DataFrame({"a": np.ones(30)}))
    with pytest.raises(ValueError, match="like= have no target"):
        data.with_target(np.ones(30), like=data.without_target())


def test_a_target_comes_in_the_models_units():
    data = table()
    fitted = ab.fit(made(data), data, steps=5, progress=False)
    y = data.target.values[:, 0]
    part = data.rows(np.arange(6))
    as_fitted = part.without_target().with_target(y[:6], like=data)
    by_itself = part.without_target().with_target(y[:6])  # standardised by these six alone
    expected = ab.check.held_out_bound(fitted, as_fitted, 50)
    torch.testing.assert_close(ab.check.held_out_bound(fitted, by_itself, 50), expected)
    with pytest.raises(ValueError, match=r"target is binary.*continuous"):
        ab.check.held_out_bound(fitted, part.with_target(y[:6] > 0), 50)
    binary = table(y="binary")
    other = made(binary)
    words = binary.with_target(pd.Series(np.where(y > 0, "a", "b")))
    with pytest.raises(ValueError, match=r"'y', row 0: got 'b'.*False, True"):
        ab.fit(other, words, steps=2, progress=False)


def test_models_without_a_predictor_leave_a_target_alone():
    data = table()
    plain = ab.NotMIWAE(data.without_target(), "self-masking", latent_dim=1, hidden=[4]).double()
    with_target = ab.impute(plain, data, 30, seed=0, unfitted=True).mean
    np.testing.assert_array_equal(
        with_target, ab.impute(plain, data.without_target(), 30, unfitted=True).mean
    )


def test_calibration_does_not_keep_the_real_labels():
    data = table(60)
    model = made(data)
    with torch.no_grad():
        model.predictor.head.weight.mul_(5)
    found = ab.check.calibration(model, data, rows=200, particles=300)
    assert found.p_value > 1e-3


def test_without_a_target_it_is_imputed_and_checked_as_the_model_it_is():
    data = table()
    model = made(data)
    alone = data.without_target()
    rows = ab.impute(model, alone, 50, independent_rows=True, refine=False, unfitted=True).mean
    assert np.isfinite(rows).all()
    found = ab.check.cross_check(model, alone, rows=1, draws=60, warm_up=60, particles=300)
    assert (found["difference"].abs() < 6).all()
