"""The posterior of a fit's parameters is sought once, and only for what is wholly the same."""

import copy

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.uncertainty import parameters
from absentia.inference.uncertainty.known import Known, digest
from absentia.inference.uncertainty.parameters import target_of


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rows = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=80)
    rows[rng.random(80) < 1 / (1 + np.exp(-2 * rows[:, 0])), 0] = np.nan
    return ab.IncompleteData.from_numpy(rows, columns=["a", "b"])


@pytest.fixture(scope="module")
def fitted(data):
    return ab.fit(ab.NotMIWAEPPCA(data, "a ~ +a", scale="column"), data, progress=False)


def key(fitted, data, seed=0):
    return target_of(fitted, data, "joint", 25, "auto", seed).digest(3)


def test_tables_coefficients_and_curves_of_a_fit_take_one_search(fitted, data, monkeypatch):
    searches, search = [], parameters.maximum

    def counted(*given):
        searches.append(given)
        return search(*given)

    monkeypatch.setattr(parameters, "maximum", counted)
    monkeypatch.setattr(parameters, "_KNOWN", Known())
    tables = ab.multiple_imputation(fitted, data, 3)
    table = ab.inference.coefficient_posterior(fitted, data)
    ab.plots.plot_mechanism(fitted, data)
    again = ab.multiple_imputation(fitted, data, 3)
    assert len(searches) == 1
    monkeypatch.setattr(parameters, "_KNOWN", Known())  # nothing is remembered: the same bits
    assert ab.inference.coefficient_posterior(fitted, data).equals(table)
    anew = ab.multiple_imputation(fitted, data, 3)
    assert len(searches) == 2
    np.testing.assert_array_equal(tables.values, again.values)
    np.testing.assert_array_equal(tables.values, anew.values)
    ab.inference.coefficient_posterior(fitted, data, seed=1)
    assert len(searches) == 3


def test_what_is_wholly_the_same_has_the_same_digest(fitted, data):
    own = key(fitted, data)
    assert own is not None
    assert key(copy.deepcopy(fitted), data) == own
    assert key(fitted, data, seed=1) != own
    values = data.values.copy()
    values[0, 1] += 1e-6
    assert key(fitted, ab.IncompleteData.from_numpy(values, columns=["a", "b"])) != own
    for parameter in fitted.model.parameters():
        other = copy.deepcopy(fitted)
        place = [p is parameter for p in fitted.model.parameters()].index(True)
        with torch.no_grad():
            list(other.model.parameters())[place].view(-1)[0] += 1e-6
        assert key(other, data) != own


def test_the_order_of_a_modules_sets_does_not_count():
    """Colliding names come out of a set by the order in which they went in."""
    one, other = torch.nn.Module(), torch.nn.Module()
    for module, numbers in ((one, (0, 8, 16)), (other, (16, 8, 0))):  # all begin at one place
        module._non_persistent_buffers_set = set()
        for number in numbers:
            module._non_persistent_buffers_set.add(number)
    assert list(one._non_persistent_buffers_set) != list(other._non_persistent_buffers_set)
    assert digest(one) == digest(other) is not None


def test_what_may_be_rewritten_under_the_same_name_has_none():
    def within(x):
        return x

    of_a_session = type("Own", (), {"__module__": "__main__"})
    assert digest(within) is None
    assert digest(of_a_session) is None
    assert digest(of_a_session()) is None
    assert digest(np.mean) is not None


def test_what_was_not_asked_for_lately_is_forgotten():
    known = Known()
    for k in range(9):
        known.of(str(k), lambda k=k: k)
        known.of("0", list)
    assert known.of("0", list) == 0
    assert known.of("1", list) == []
