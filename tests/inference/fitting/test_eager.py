"""Optimisers without torch's compiler take torch's steps, and keep its states."""

import copy

import pytest
import torch

from absentia.inference.fitting import eager


def steps_of(kind, count, state=None, start=(2.0, -1.0), **options):
    """Minimise a sum of quartics; return the iterates and the state of the optimiser."""
    weight = torch.tensor(start, requires_grad=True)
    optimiser = kind([{"params": [weight]}], **options)
    if state is not None:
        optimiser.load_state_dict(copy.deepcopy(state))

    def loss():
        optimiser.zero_grad(set_to_none=True)
        value = (weight - torch.tensor([0.3, 0.7])).pow(4).sum()
        value.backward()
        return value

    seen = []
    for _ in range(count):
        optimiser.step(loss)
        seen.append(weight.detach().clone())
    return torch.stack(seen), optimiser.state_dict()


@pytest.mark.parametrize(
    ("name", "options"),
    [("Adam", {"lr": 0.1, "fused": True}), ("LBFGS", {"line_search_fn": "strong_wolfe"})],
)
def test_steps_and_states_are_those_of_torch(name, options):
    own, theirs = getattr(eager, name), getattr(torch.optim, name)
    first, state = steps_of(own, 5, **options)
    expected, expected_state = steps_of(theirs, 5, **options)
    assert (first == expected).all()
    assert not (first[0] == first[1]).all()
    assert state.keys() == expected_state.keys()
    at = tuple(first[-1].tolist())
    assert (
        steps_of(own, 3, expected_state, at, **options)[0]
        == steps_of(theirs, 3, expected_state, at, **options)[0]
    ).all()


def test_schedules_change_the_rate_as_they_do_torch_s():
    weight = torch.ones(2, requires_grad=True)
    optimiser = eager.Adam([weight], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4)
    rates = []
    for _ in range(4):
        weight.grad = torch.ones(2)
        optimiser.step()
        schedule.step()
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.0853553, 0.05, 0.0146447, 0.0], abs=1e-6)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_are_dropped_as_torch_drops_them(set_to_none):
    found = []
    for kind in (eager.Adam, torch.optim.Adam):
        weights = [torch.ones(2, requires_grad=True) for _ in range(3)]
        for weight in weights[:2]:
            weight.grad = torch.ones(2)
        kind([{"params": weights[:1]}, {"params": weights[1:]}]).zero_grad(set_to_none)
        found.append([None if w.grad is None else w.grad.tolist() for w in weights])
    assert found[0] == found[1]
    assert found[0][0] == (None if set_to_none else [0.0, 0.0])
