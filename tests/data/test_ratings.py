"""Ratings held sparsely: rows on demand against a dense table, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.data import Ratings
from absentia.data.datasets.ratings import load_coat, load_yahoo_r3

RNG = np.random.default_rng(0)
TABLE = np.where(RNG.random((9, 6)) < 0.5, RNG.integers(1, 6, (9, 6)), 0).astype(float)
TABLE[0] = 3.0
TABLE[4] = 0.0  # a user without ratings
USER, ITEM = TABLE.nonzero()


def made(**options):
    order = RNG.permutation(len(USER))
    return Ratings.from_triples(
        USER[order], ITEM[order], TABLE[USER, ITEM][order], num_users=9, **options
    )


def test_rows_are_the_dense_tables():
    data = made(dtype=torch.float64)
    seen = TABLE > 0
    mean, sd = TABLE[seen].mean(), TABLE[seen].std()
    expected = np.where(seen, (TABLE - mean) / sd, 0)
    some = torch.arange(9) % 2 == 0
    for rows in (slice(None), slice(2, 6), torch.tensor([4, 0, 8, 4]), torch.tensor([-1]), some):
        at = rows.numpy() if isinstance(rows, torch.Tensor) else rows
        np.testing.assert_allclose(data.x[rows].numpy(), expected[at])
        np.testing.assert_array_equal(data.s[rows].numpy(), seen[at])
        np.testing.assert_array_equal(data.given[rows].numpy(), np.where(seen, TABLE, 0)[at])
    np.testing.assert_allclose(data.observed_rate().numpy(), seen.mean(0))
    assert (data.x.shape, len(data.x), len(data)) == ((9, 6), 9, 9)


def test_levels_become_codes():
    data = made(levels=[1, 2, 3, 4, 5])
    seen = TABLE > 0
    np.testing.assert_array_equal(data.x[:].numpy(), np.where(seen, TABLE - 1, 0))
    assert data.levels == (1, 2, 3, 4, 5)
    assert data.schema["0"].kind == "ordinal"


def test_some_users_and_back_to_triples():
    data = made()
    some = data.rows([7, 2, 4])
    np.testing.assert_array_equal(some.given[:].numpy(), TABLE[[7, 2, 4]])
    frame = data.to_frame()
    again = np.zeros((9, 6))
    again[frame["user"], frame["item"]] = frame["rating"]
    np.testing.assert_array_equal(again, TABLE)
    assert data.fingerprint() == made().fingerprint() != some.fingerprint()
    assert data.to(dtype=torch.float64).x[:2].dtype == torch.float64


def test_no_dense_table_is_made():
    """Half a million cells a user would be 4 GB: a batch is made alone."""
    count = 20_000
    users = np.repeat(np.arange(1000), 20)
    items = np.arange(20_000) % count
    data = Ratings.from_triples(users, items, np.ones(count) + users % 2)
    assert data.x[torch.tensor([3, 999])].shape == (2, 20_000)
    assert sum(t.numel() for t in (data.starts, data.items, data.values)) < 50_000


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"1 rated.*0 twice"):
        Ratings.from_triples([1, 1], [0, 0], [1.0, 2.0])
    with pytest.raises(ValueError, match="nobody rated item 1"):
        Ratings.from_triples([0, 1], [0, 2], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"item 3.*0 to 2"):
        Ratings.from_triples([0, 1], [0, 3], [1.0, 2.0], num_items=3)
    with pytest.raises(ValueError, match="rating is nan"):
        Ratings.from_triples([0], [0], [np.nan])
    with pytest.raises(ValueError, match=r"rating is 2.5.*levels"):
        Ratings.from_triples([0, 1], [0, 0], [1.0, 2.5], levels=[1, 2])
    with pytest.raises(ValueError, match=r"levels.*lowest first"):
        Ratings.from_triples([0, 1], [0, 0], [1.0, 2.0], levels=[2, 1])
    with pytest.raises(ValueError, match=r"user 0.5.*position"):
        Ratings.from_triples([0.5], [0], [1.0])
    with pytest.raises(ValueError, match="1 users, 2 items"):
        Ratings.from_triples([0], [0, 1], [1.0])
    with pytest.raises(ValueError, match="no row"):
        made().rows([])


def test_coat(data_dir):
    chosen, drawn = load_coat(data_dir)
    assert (len(chosen), len(drawn)) == (6960 - 366, 4640)
    pairs = set(zip(chosen["user"], chosen["item"], strict=True))
    assert not pairs & set(zip(drawn["user"], drawn["item"], strict=True))
    assert set(chosen["rating"]) == set(drawn["rating"]) == {1, 2, 3, 4, 5}
    assert chosen["rating"].mean() > drawn["rating"].mean() + 0.1  # users chose what they liked


def test_coat_that_is_not_coat(tmp_path):
    with pytest.raises(OSError, match=r"has no coat-train\.ascii"):
        load_coat(tmp_path)
    (tmp_path / "train.ascii").write_text("1 2\n")
    with pytest.raises(ValueError, match=r"train\.ascii.*SHA-256"):
        load_coat(tmp_path)


def test_yahoo_from_a_folder(tmp_path):
    (tmp_path / "a-train.txt").write_text("1\t3\t5\n2\t1\t1\n")
    with pytest.raises(OSError, match=r"file.*'test'"):
        load_yahoo_r3(tmp_path)
    (tmp_path / "a-test.txt").write_text("1\t1\t2\n")
    train, test = load_yahoo_r3(tmp_path)
    assert train.to_numpy().tolist() == [[0, 2, 5], [1, 0, 1]]
    assert test.to_numpy().tolist() == [[0, 0, 2]]
    (tmp_path / "a-test.txt").write_text("1\t1\t2\t99\n")
    with pytest.raises(ValueError, match="a user, a song and a rating"):
        load_yahoo_r3(tmp_path)
    (tmp_path / "a-test.txt").write_text("1\t1\tgood\n")
    with pytest.raises(ValueError, match=r"line 1: .*a user, a song and a rating"):
        load_yahoo_r3(tmp_path)


def named():
    users = ["eve", "bob", "eve", "ann", "bob"]
    items = ["Alien", "Brazil", "Casino", "Alien", "Alien"]
    return users, items, [5.0, 1.0, 3.0, 2.0, 4.0]


def test_ids_that_are_text_come_back_as_given():
    users, items, values = named()
    ratings = Ratings.from_triples(users, items, values)
    assert ratings.columns == ("Alien", "Brazil", "Casino")
    assert ratings.user_ids == ("ann", "bob", "eve")
    want = pd.DataFrame({"user": users, "item": items, "rating": values})
    back = ratings.to_frame().sort_values(["user", "item"], ignore_index=True)
    pd.testing.assert_frame_equal(
        back, want.sort_values(["user", "item"], ignore_index=True), check_dtype=False
    )
    # and of some users, in another container, or under an order that was given
    some = ratings.rows([2, 0]).to_frame()
    assert list(some["user"]) == ["eve", "eve", "ann"]
    for kind in (np.array, pd.Series, pd.Categorical, lambda v: pd.array(v, dtype="string")):
        again = Ratings.from_triples(kind(users), kind(items), values)
        assert again.fingerprint() == ratings.fingerprint()
    other = Ratings.from_triples(users, items, values, item_ids=["Casino", "Alien", "Brazil"])
    assert other.columns == ("Casino", "Alien", "Brazil")
    assert other.s[[0]].tolist() == [[False, True, False]]
    digits = Ratings.from_triples(["007", "7"], [0, 0], [1.0, 2.0])
    assert digits.to_frame()["user"].tolist() == ["007", "7"]
    assert digits.to_frame()["item"].tolist() == [0, 0]


def test_predictions_are_asked_for_by_name():
    ratings = Ratings.from_triples(*named())
    model = ab.models.RatingsNotMIWAE(ratings, latent_dim=1)
    found = ab.inference.predict_ratings(
        model, ratings, ["eve", "ann"], ["Alien", "Casino"], particles=20, unfitted=True
    )
    assert found[0] == 5.0
    assert np.isfinite(found[1])
    with pytest.raises(ValueError, match=r"user 'zoe'.*'ann', 'bob', 'eve'"):
        ab.inference.predict_ratings(model, ratings, ["zoe"], ["Alien"], unfitted=True)
    with pytest.raises(ValueError, match=r"item 0.*'Alien'"):
        ab.inference.predict_ratings(model, ratings, ["eve"], [0], unfitted=True)
    counted = Ratings.from_triples([0, 1], [0, 0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"counted.*from 0"):
        counted.positions("user", ["eve"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((["a", None], ["x", "x"]), "user None is not a text"),
        ((["a", 3], ["x", "x"]), "user 3 is not a text"),
        ((["a", ""], ["x", "x"]), "user '' is not a text"),
        ((["a", "a"], ["x", "x"]), "user 'a' rated item 'x' twice"),
        ((["a", "b"], ["x", "x"], {"num_users": 4}), "num_users=4.*counted"),
        ((["a", "b"], ["x", "y"], {"item_ids": ["x"]}), "item 'y'.*'x'"),
        ((["a", "b"], ["x", "x"], {"item_ids": ["x", "z"]}), "nobody rated item 'z'"),
        ((["a", "b"], ["x", "x"], {"user_ids": ["a", "b", "a"]}), "an identifier twice"),
    ],
)
def test_ids_that_are_refused(given, message):
    users, items, *options = given
    with pytest.raises(ValueError, match=message):
        Ratings.from_triples(users, items, [1.0, 2.0], **(options[0] if options else {}))
