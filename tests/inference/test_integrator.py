"""What must be sampled is asked of a model before its run, and found out of other programs."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference import integrator
from absentia.inference.integrator import Marginal


def table(target=False):
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[x > 0.8] = np.nan
    data = ab.IncompleteData.from_numpy(x, columns=["a", "b", "c"])
    return data.with_target(np.arange(40.0)) if target else data


def own_values(data):
    return ab.NotMIWAE(data, "self-masking", latent_dim=1, hidden=[4])


def one_column_read_by_another(data):
    return ab.NotMIWAE(data, "a ~ a + b", latent_dim=1, hidden=[4])


def several_columns_read_by_others(data):
    return ab.NotMIWAE(data, ["a ~ b", "b ~ a + b"], latent_dim=1, hidden=[4])


def every_value_read(data):
    return ab.NotMIWAE(data, "linear", latent_dim=1, hidden=[4])


def a_target(data):
    return ab.models.SupervisedNotMIWAE(data, latent_dim=1, hidden=[4])


def runs_of(marginal, program, model, data, blocks, monkeypatch):
    """Log-weights block by block, and how many runs they took."""
    count = 0

    def counted(*args, **options):
        nonlocal count
        count += 1
        return ab.inference.weights(*args, **options)

    monkeypatch.setattr(integrator, "weights", counted)
    torch.manual_seed(1)
    found = [
        marginal.run(
            program,
            model.guide,
            data.x[block],
            data.s[block],
            num_particles=4,
            **data.extras(block),
        )[0].log_weight
        for block in blocks
    ]
    return torch.cat(found, -1), count


@pytest.mark.parametrize(
    ("make", "sampled"),
    [
        (own_values, True),
        (one_column_read_by_another, [False, True, False]),
        (several_columns_read_by_others, [True, True, False]),
        (every_value_read, False),
        (a_target, False),
    ],
)
def test_a_model_is_asked_and_a_program_by_hand_is_tried(make, sampled, monkeypatch):
    """Both come to the same weights by the same random numbers; only one has runs to throw away."""
    data = table(target=make is a_target)
    model = make(data)
    complete = data.s.all(1).nonzero().flatten()[:5]
    blocks = [complete, torch.arange(3), torch.arange(20), torch.arange(20, 40)]

    def by_hand(x, s, **extras):
        return model.model(x, s, **extras)

    asking, trying = Marginal(), Marginal()
    asked, runs = runs_of(asking, model.model, model, data, blocks, monkeypatch)
    tried, more_runs = runs_of(trying, by_hand, model, data, blocks, monkeypatch)
    assert torch.equal(asked, tried)
    assert runs == len(blocks)
    assert more_runs > runs or make is own_values
    for found in (asking.found(model.model), trying.found(by_hand)):
        assert (found.tolist() if isinstance(found, torch.Tensor) else found) == sampled


def test_programs_under_handlers_of_pyro_are_asked_too(monkeypatch):
    data = table()
    model = one_column_read_by_another(data)
    held = ab.inference.prepare.programs_of(model, {"nothing of the model's": torch.zeros(())})
    blocks = [torch.arange(40)]
    _, runs = runs_of(Marginal(), held.model, model, data, blocks, monkeypatch)
    assert runs == 1


def test_what_a_checkpoint_says_is_added_to(monkeypatch):
    """Columns that were sampled before the interruption are sampled after it as well."""
    data = table()
    model = one_column_read_by_another(data)
    marginal = Marginal()
    marginal.take_as_found(model.model, torch.tensor([False, False, True]))
    runs_of(marginal, model.model, model, data, [torch.arange(40)], monkeypatch)
    assert marginal.found(model.model).tolist() == [False, True, True]


def test_parts_that_a_model_lacks_are_none_and_a_module_by_hand_declares_what_it_has():
    data = table(target=True)
    model = a_target(data)
    assert model.predictor.kind == "continuous"
    assert not model.frozen
    assert model.trunk is None
    assert model.delta is None
    assert model.margins is None
    plain = own_values(data.without_target())
    assert plain.predictor is None
    assert plain.coefficient_guide is None

    by_hand = torch.nn.Linear(1, 1)
    by_hand.missingness = plain.missingness
    declared = ab.models.programs.base.declarations(by_hand)
    assert declared.missingness is plain.missingness
    assert declared.predictor is None
    assert declared.columns is None
    assert ab.models.programs.base.declarations(plain) is plain


def test_a_band_needs_a_fit():
    data = table()
    with pytest.raises(ValueError, match=r"model by itself.*parameters='fixed'"):
        ab.plots.plot_mechanism(own_values(data), data)
