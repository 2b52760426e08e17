import pytest
import torch

from absentia.inference.fitting.batches import Batches


def table(n):
    """Rows that carry their own number, masks that tell odd rows from even."""
    x = torch.arange(n, dtype=torch.float32).unsqueeze(1).repeat(1, 2)
    return x, (x.long() % 2).bool()


def ids(batches, count):
    return [batches.next()[0][:, 0].long().tolist() for _ in range(count)]


def epoch_of(batches, count):
    return [i for batch in ids(batches, count) for i in batch]


@pytest.mark.parametrize(("n", "size"), [(12, 4), (12, 12), (12, 1), (6, 3)])
def test_every_row_comes_once_an_epoch(n, size):
    batches = Batches(*table(n), size, seed=0)
    epochs = [epoch_of(batches, n // size) for _ in range(4)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(n))
    assert epochs[0] != epochs[1]  # and in another order


@pytest.mark.parametrize(("n", "size"), [(10, 4), (7, 5)])
def test_rows_left_over_are_not_visited_twice_in_an_epoch(n, size):
    batches = Batches(*table(n), size, seed=0)
    seen = []
    for _ in range(200):
        epoch = epoch_of(batches, n // size)
        assert len(set(epoch)) == len(epoch) == (n // size) * size
        seen += epoch
    # no row is left out for good: each is in an epoch with probability m / n
    counts = torch.bincount(torch.tensor(seen), minlength=n).double()
    share = (n // size) * size / n
    assert ((counts - 200 * share).abs() < 5 * (200 * share * (1 - share)) ** 0.5).all()


def test_masks_stay_with_their_rows():
    batches = Batches(*table(9), 4, seed=1)
    for _ in range(6):
        x, s = batches.next()
        assert x.shape == s.shape == (4, 2)
        assert torch.equal(s, (x.long() % 2).bool())


def test_a_batch_is_never_larger_than_the_table():
    batches = Batches(*table(5), 64, seed=0)
    assert batches.size == 5
    assert sorted(ids(batches, 1)[0]) == [0, 1, 2, 3, 4]


def test_seeds():
    first, again, other = (ids(Batches(*table(30), 10, seed), 5) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_global_random_state_plays_no_part():
    before = torch.get_rng_state()
    ids(Batches(*table(30), 10, 0), 7)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("done", [0, 1, 2, 3, 7])
def test_it_goes_on_from_a_state(done):
    batches = Batches(*table(10), 4, seed=3)
    ids(batches, done)
    state = batches.state()
    expected = ids(batches, 12)
    other = Batches(*table(10), 4, seed=77)
    ids(other, 5)
    other.restore(state)
    assert ids(other, 12) == expected
