import torch

from absentia.inference.randomness import seeded


def test_the_same_seed_gives_the_same_numbers():
    draws = []
    for seed in (3, 3, 4):
        with seeded(seed):
            draws.append(torch.randn(5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_callers_random_state_is_untouched():
    torch.manual_seed(11)
    expected = torch.randn(4)
    torch.manual_seed(11)
    with seeded(5):
        torch.randn(100)
        with seeded(6):
            torch.randn(7)
    assert torch.equal(torch.randn(4), expected)


def test_it_is_put_back_after_an_error():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    try:
        with seeded(5):
            torch.randn(3)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_nested_seeds_do_not_disturb_the_outer_one():
    with seeded(5):
        torch.randn(2)
        expected = torch.randn(2)
    with seeded(5):
        torch.randn(2)
        with seeded(9):
            torch.randn(50)
        assert torch.equal(torch.randn(2), expected)
